"""Keys for external account binding in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from acme_server.model import ExternalAccountKey
from acme_server.store.sql import Database, dump, load, moment, seconds, when
from challenges.base import Json

__all__ = ["ExternalAccountKeys"]

_KEY = "SELECT kid, mac_key, label, created_at, account_id, binding, revoked_at FROM external_keys "


class ExternalAccountKeys:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, key: ExternalAccountKey) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "INSERT INTO external_keys (kid, mac_key, label, created_at) VALUES (:kid, :mac_key, :label, :created_at)"
            " ON CONFLICT (kid) DO NOTHING",
            {"kid": key.kid, "mac_key": key.mac_key, "label": key.label, "created_at": seconds(key.created_at)},
        )
        return rows.rowcount == 1

    def get(self, kid: str) -> ExternalAccountKey | None:
        """See the contract."""
        return _key(self._db.execute(_KEY + "WHERE kid = :kid", {"kid": kid}).fetchone())

    def of_account(self, account_id: str) -> ExternalAccountKey | None:
        """See the contract."""
        return _key(self._db.execute(_KEY + "WHERE account_id = :id", {"id": account_id}).fetchone())

    def bind(self, kid: str, account_id: str, binding: Json) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE external_keys SET account_id = :account_id, binding = :binding"
            " WHERE kid = :kid AND account_id IS NULL AND revoked_at IS NULL",
            {"kid": kid, "account_id": account_id, "binding": dump(binding)},
        )
        return rows.rowcount == 1

    def revoke(self, kid: str, now: datetime) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE external_keys SET revoked_at = :now WHERE kid = :kid AND revoked_at IS NULL",
            {"kid": kid, "now": seconds(now)},
        )
        return rows.rowcount == 1

    def all(self) -> tuple[ExternalAccountKey, ...]:
        """See the contract."""
        keys = (_key(row) for row in self._db.execute(_KEY + "ORDER BY created_at, kid", {}).fetchall())
        return tuple(key for key in keys if key is not None)


def _key(row: Any) -> ExternalAccountKey | None:
    if row is None:
        return None
    kid, mac_key, label, created_at, account_id, binding, revoked_at = row
    return ExternalAccountKey(
        kid=kid,
        mac_key=mac_key,
        label=label,
        created_at=moment(created_at),
        account_id=account_id,
        binding=load(binding),
        revoked_at=when(revoked_at),
    )
