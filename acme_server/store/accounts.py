"""Accounts in SQL."""

from __future__ import annotations

import json
from typing import Any

from acme_server.model import Account
from acme_server.states import AccountStatus
from acme_server.store.sql import Database, dump, moment, seconds, when

__all__ = ["Accounts"]


_ACCOUNT = "SELECT id, thumbprint, jwk, status, contact, terms_agreed_at, created_at FROM accounts WHERE "


class Accounts:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, account: Account) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "INSERT INTO accounts (id, thumbprint, jwk, status, contact, terms_agreed_at, created_at)"
            " VALUES (:id, :thumbprint, :jwk, :status, :contact, :terms_agreed_at, :created_at)"
            " ON CONFLICT (thumbprint) DO NOTHING",
            {
                "id": account.id,
                "thumbprint": account.thumbprint,
                "jwk": account.jwk,
                "status": account.status.value,
                "contact": dump(account.contact),
                "terms_agreed_at": account.terms_agreed_at and seconds(account.terms_agreed_at),
                "created_at": seconds(account.created_at),
            },
        )
        return rows.rowcount == 1

    def get(self, account_id: str) -> Account | None:
        """See the contract."""
        return _account(self._db.execute(_ACCOUNT + "id = :id", {"id": account_id}).fetchone())

    def by_thumbprint(self, thumbprint: str) -> Account | None:
        """See the contract."""
        return _account(self._db.execute(_ACCOUNT + "thumbprint = :t", {"t": thumbprint}).fetchone())

    def save(self, account: Account, read: AccountStatus) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE accounts SET status = :status, contact = :contact WHERE id = :id AND status = :read",
            {
                "id": account.id,
                "status": account.status.value,
                "contact": dump(account.contact),
                "read": read.value,
            },
        )
        return rows.rowcount == 1

    def rekey(self, account: Account, read: str) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE accounts SET thumbprint = :thumbprint, jwk = :jwk"
            " WHERE id = :id AND thumbprint = :read AND status = :valid",
            {
                "id": account.id,
                "thumbprint": account.thumbprint,
                "jwk": account.jwk,
                "read": read,
                "valid": AccountStatus.VALID.value,
            },
        )
        if rows.rowcount != 1:
            return False
        self._db.execute(
            "INSERT INTO former_keys (account_id, thumbprint) VALUES (:id, :read)"
            " ON CONFLICT (account_id, thumbprint) DO NOTHING",
            {"id": account.id, "read": read},
        )
        return True

    def had(self, thumbprint: str) -> bool:
        """See the contract."""
        row = self._db.execute(
            "SELECT 1 FROM accounts WHERE thumbprint = :thumbprint"
            " UNION ALL SELECT 1 FROM former_keys WHERE thumbprint = :thumbprint LIMIT 1",
            {"thumbprint": thumbprint},
        ).fetchone()
        return row is not None

    def former_thumbprints(self, account_id: str) -> tuple[str, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT thumbprint FROM former_keys WHERE account_id = :id ORDER BY thumbprint", {"id": account_id}
        )
        return tuple(thumbprint for (thumbprint,) in rows.fetchall())


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    account_id, thumbprint, jwk, status, contact, terms_agreed_at, created_at = row
    return Account(
        id=account_id,
        thumbprint=thumbprint,
        jwk=jwk,
        status=AccountStatus(status),
        contact=tuple(json.loads(contact)),
        terms_agreed_at=when(terms_agreed_at),
        created_at=moment(created_at),
    )
