"""Blocked keys, and shapes of certificates that were linted, in SQL."""

from __future__ import annotations

from datetime import datetime

from acme_server.store.sql import Database, seconds

__all__ = ["BlockedKeys", "LintedShapes"]


class BlockedKeys:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def block(self, spki_sha256: bytes, now: datetime, reason: str) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "INSERT INTO blocked_keys (spki_sha256, blocked_at, reason) VALUES (:spki, :now, :reason)"
            " ON CONFLICT (spki_sha256) DO NOTHING",
            {"spki": spki_sha256, "now": seconds(now), "reason": reason},
        )
        return rows.rowcount == 1

    def blocked(self, spki_sha256: bytes) -> bool:
        """See the contract."""
        row = self._db.execute("SELECT 1 FROM blocked_keys WHERE spki_sha256 = :spki", {"spki": spki_sha256}).fetchone()
        return row is not None


class LintedShapes:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def known(self, shape: str) -> bool:
        """See the contract."""
        row = self._db.execute("SELECT 1 FROM linted_shapes WHERE shape = :shape", {"shape": shape}).fetchone()
        return row is not None

    def passed(self, shape: str, now: datetime) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO linted_shapes (shape, passed_at) VALUES (:shape, :now) ON CONFLICT (shape) DO NOTHING",
            {"shape": shape, "now": seconds(now)},
        )
