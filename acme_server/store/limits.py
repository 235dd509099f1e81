"""Rows of the rate limits in SQL."""

from __future__ import annotations

from acme_server.limits import Entry
from acme_server.store.sql import Database

__all__ = ["Limits"]

_ROW = "SELECT name, subject, free_at, exception FROM limits WHERE "


class Limits:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, limit: str, subject: str) -> Entry | None:
        """See the contract."""
        row = self._db.execute(
            _ROW + "name = :name AND subject = :subject", {"name": limit, "subject": subject}
        ).fetchone()
        return None if row is None else Entry(*row)

    def put(self, limit: str, subject: str, free_at: int) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO limits (name, subject, free_at) VALUES (:name, :subject, :free_at)"
            " ON CONFLICT (name, subject) DO UPDATE SET free_at = excluded.free_at",
            {"name": limit, "subject": subject, "free_at": free_at},
        )

    def mark(self, limit: str, subject: str, exception: str) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO limits (name, subject, exception) VALUES (:name, :subject, :exception)"
            " ON CONFLICT (name, subject) DO UPDATE SET exception = excluded.exception",
            {"name": limit, "subject": subject, "exception": exception},
        )

    def unmark(self, limit: str, subject: str) -> None:
        """See the contract."""
        self._db.execute(
            "UPDATE limits SET exception = NULL WHERE name = :name AND subject = :subject",
            {"name": limit, "subject": subject},
        )

    def remove(self, limit: str, subject: str) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "DELETE FROM limits WHERE name = :name AND subject = :subject", {"name": limit, "subject": subject}
        )
        return rows.rowcount == 1

    def excepted(self, limit: str) -> frozenset[str]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT subject FROM limits WHERE name = :name AND exception IS NOT NULL", {"name": limit}
        )
        return frozenset(subject for (subject,) in rows.fetchall())

    def page(self, after: tuple[str, str], limit: int) -> tuple[Entry, ...]:
        """See the contract."""
        rows = self._db.execute(
            _ROW + "(name, subject) > (:name, :subject) ORDER BY name, subject LIMIT :limit",
            {"name": after[0], "subject": after[1], "limit": limit},
        )
        return tuple(Entry(*row) for row in rows.fetchall())
