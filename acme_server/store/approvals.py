"""Approvals of high-value names in SQL."""

from __future__ import annotations

from datetime import datetime

from acme_server.store.sql import Database, moment, seconds

__all__ = ["Approvals"]


class Approvals:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def approve(self, name: str, account_id: str, now: datetime) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "INSERT INTO approvals (name, account_id, approved_at) VALUES (:name, :account_id, :now)"
            " ON CONFLICT (name, account_id) DO NOTHING",
            {"name": name, "account_id": account_id, "now": seconds(now)},
        )
        return rows.rowcount == 1

    def withdraw(self, name: str, account_id: str) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "DELETE FROM approvals WHERE name = :name AND account_id = :account_id",
            {"name": name, "account_id": account_id},
        )
        return rows.rowcount == 1

    def of_account(self, account_id: str) -> tuple[str, ...]:
        """See the contract."""
        # Without an index: each row is a person's decision, so there are few.
        rows = self._db.execute("SELECT name FROM approvals WHERE account_id = :account_id", {"account_id": account_id})
        return tuple(name for (name,) in rows.fetchall())

    def all(self) -> tuple[tuple[str, str, datetime], ...]:
        """See the contract."""
        rows = self._db.execute("SELECT name, account_id, approved_at FROM approvals ORDER BY name, account_id", {})
        return tuple((name, account_id, moment(approved_at)) for name, account_id, approved_at in rows.fetchall())
