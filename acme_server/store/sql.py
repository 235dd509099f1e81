"""The store's SQL, common to every dialect: named parameters, one row <-> one value of `model.py`.

It never decides: statuses come from `states.py` and are written by compare-and-set. This file holds what ACME clients
see (RFC 8555 §7.1); the CA's own records are in `records.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from acme_server.model import Account, Authorization, Challenge, Order, OrderIdentifier
from acme_server.states import (
    AUTHORIZATION,
    AccountStatus,
    AuthorizationStatus,
    ChallengeStatus,
    Event,
    after,
)
from challenges.base import Identifier, Json

__all__ = ["Accounts", "Authorizations", "Database", "Orders", "dump", "moment", "seconds", "when"]


class Rows(Protocol):
    """What running a statement gives (a part of PEP 249's cursor)."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """A connection inside a transaction; parameters are written `:name`."""

    def execute(self, statement: str, parameters: Mapping[str, Any], /) -> Rows: ...


def seconds(time: datetime) -> int:
    """Seconds since the epoch."""
    return int(time.timestamp())


def when(stored: float | None) -> datetime | None:
    """Seconds since the epoch, or nothing, as a time, or nothing."""
    return None if stored is None else datetime.fromtimestamp(stored, UTC)


def moment(stored: float) -> datetime:
    """Seconds since the epoch as a time."""
    return datetime.fromtimestamp(stored, UTC)


def dump(value: Any) -> str:
    """JSON text, canonical: sorted members, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _json(stored: str | None) -> Json | None:
    return None if stored is None else json.loads(stored)


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


class Orders:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, order: Order) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO orders (id, account_id, profile, expires, created_at)"
            " VALUES (:id, :account_id, :profile, :expires, :created_at)",
            {
                "id": order.id,
                "account_id": order.account_id,
                "profile": order.profile,
                "expires": seconds(order.expires),
                "created_at": seconds(order.created_at),
            },
        )
        for position, part in enumerate(order.identifiers):
            self._db.execute(
                "INSERT INTO order_identifiers (order_id, position, type, value, authorization_id)"
                " VALUES (:order_id, :position, :type, :value, :authorization_id)",
                {
                    "order_id": order.id,
                    "position": position,
                    "type": part.identifier.type,
                    "value": part.identifier.value,
                    "authorization_id": part.authorization_id,
                },
            )

    def get(self, order_id: str) -> Order | None:
        """See the contract."""
        row = self._db.execute(
            "SELECT account_id, profile, expires, created_at, error, csr, processing_since, certificate"
            " FROM orders WHERE id = :id",
            {"id": order_id},
        ).fetchone()
        if row is None:
            return None
        account_id, profile, expires, created_at, error, csr, processing_since, certificate = row
        parts = self._db.execute(
            "SELECT type, value, authorization_id FROM order_identifiers WHERE order_id = :id ORDER BY position",
            {"id": order_id},
        ).fetchall()
        return Order(
            id=order_id,
            account_id=account_id,
            profile=profile,
            identifiers=tuple(OrderIdentifier(Identifier(type_, value), auth) for type_, value, auth in parts),
            expires=moment(expires),
            created_at=moment(created_at),
            error=_json(error),
            csr=csr,
            processing_since=when(processing_since),
            certificate=certificate,
        )

    def start(self, order_id: str, csr: bytes, now: datetime) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE orders SET csr = :csr, processing_since = :now"
            " WHERE id = :id AND processing_since IS NULL AND error IS NULL AND certificate IS NULL",
            {"id": order_id, "csr": csr, "now": seconds(now)},
        )
        return rows.rowcount == 1

    def finish(self, order_id: str, serial: str) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE orders SET certificate = :serial WHERE id = :id AND error IS NULL AND certificate IS NULL",
            {"id": order_id, "serial": serial},
        )
        return rows.rowcount == 1

    def fail(self, order_id: str, error: Json) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE orders SET error = :error WHERE id = :id AND error IS NULL AND certificate IS NULL",
            {"id": order_id, "error": dump(error)},
        )
        return rows.rowcount == 1

    def names_waiting(self, authorization_id: str) -> tuple[str, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT DISTINCT i.value FROM order_identifiers i JOIN orders o ON o.id = i.order_id"
            " WHERE i.authorization_id = :id AND o.error IS NULL AND o.certificate IS NULL ORDER BY i.value",
            {"id": authorization_id},
        )
        return tuple(value for (value,) in rows.fetchall())


_CHALLENGE = (
    "SELECT id, authorization_id, type, status, token, offer, state, thumbprint, error, validated_at, revision"
    " FROM challenges WHERE "
)


class Authorizations:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, authorization: Authorization) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO authorizations (id, account_id, type, value, subdomains, status, expires, created_at)"
            " VALUES (:id, :account_id, :type, :value, :subdomains, :status, :expires, :created_at)",
            {
                "id": authorization.id,
                "account_id": authorization.account_id,
                "type": authorization.identifier.type,
                "value": authorization.identifier.value,
                "subdomains": int(authorization.subdomains),
                "status": authorization.status.value,
                "expires": seconds(authorization.expires),
                "created_at": seconds(authorization.created_at),
            },
        )
        for position, challenge in enumerate(authorization.challenges):
            self._db.execute(
                "INSERT INTO challenges (id, authorization_id, position, type, status, token, offer, state, revision)"
                " VALUES (:id, :authorization_id, :position, :type, :status, :token, :offer, :state, 0)",
                {
                    "id": challenge.id,
                    "authorization_id": authorization.id,
                    "position": position,
                    "type": challenge.type,
                    "status": challenge.status.value,
                    "token": challenge.token,
                    "offer": dump(challenge.offer),
                    "state": dump(challenge.state),
                },
            )

    def get(self, authorization_id: str) -> Authorization | None:
        """See the contract."""
        row = self._db.execute(
            "SELECT account_id, type, value, subdomains, status, expires, created_at, assurance"
            " FROM authorizations WHERE id = :id",
            {"id": authorization_id},
        ).fetchone()
        if row is None:
            return None
        account_id, type_, value, subdomains, status, expires, created_at, assurance = row
        challenges = self._db.execute(
            _CHALLENGE + "authorization_id = :id ORDER BY position", {"id": authorization_id}
        ).fetchall()
        return Authorization(
            id=authorization_id,
            account_id=account_id,
            identifier=Identifier(type_, value),
            subdomains=bool(subdomains),
            status=AuthorizationStatus(status),
            expires=moment(expires),
            created_at=moment(created_at),
            assurance=assurance,
            challenges=tuple(_challenge(challenge) for challenge in challenges),
        )

    def reusable(self, account_id: str, identifier: Identifier, *, subdomains: bool, until: datetime) -> str | None:
        """See the contract."""
        row = self._db.execute(
            "SELECT id FROM authorizations WHERE account_id = :account_id AND type = :type AND value = :value"
            " AND subdomains = :subdomains AND status = 'valid' AND expires > :until ORDER BY expires DESC LIMIT 1",
            {
                "account_id": account_id,
                "type": identifier.type,
                "value": identifier.value,
                "subdomains": int(subdomains),
                "until": seconds(until),
            },
        ).fetchone()
        return None if row is None else str(row[0])

    def advance(
        self,
        authorization: Authorization,
        event: Event,
        *,
        expires: datetime | None = None,
        assurance: str | None = None,
    ) -> AuthorizationStatus | None:
        """See the contract."""
        status = after(AUTHORIZATION, authorization.status, event)
        rows = self._db.execute(
            "UPDATE authorizations SET status = :status, expires = :expires, assurance = :assurance"
            " WHERE id = :id AND status = :read",
            {
                "id": authorization.id,
                "status": status.value,
                "expires": seconds(expires or authorization.expires),
                "assurance": assurance or authorization.assurance,
                "read": authorization.status.value,
            },
        )
        return status if rows.rowcount == 1 else None

    def challenge(self, challenge_id: str) -> Challenge | None:
        """See the contract."""
        row = self._db.execute(_CHALLENGE + "id = :id", {"id": challenge_id}).fetchone()
        return None if row is None else _challenge(row)

    def save(self, challenge: Challenge) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE challenges SET status = :status, state = :state, thumbprint = :thumbprint, error = :error,"
            " validated_at = :validated_at, revision = revision + 1 WHERE id = :id AND revision = :revision",
            {
                "id": challenge.id,
                "status": challenge.status.value,
                "state": dump(challenge.state),
                "thumbprint": challenge.thumbprint,
                "error": None if challenge.error is None else dump(challenge.error),
                "validated_at": challenge.validated_at and seconds(challenge.validated_at),
                "revision": challenge.revision,
            },
        )
        return rows.rowcount == 1


def _challenge(row: Any) -> Challenge:
    (id_, authorization_id, type_, status, token, offer, state, thumbprint, error, validated_at, revision) = row
    return Challenge(
        id=id_,
        authorization_id=authorization_id,
        type=type_,
        status=ChallengeStatus(status),
        token=token,
        offer=json.loads(offer),
        state=json.loads(state),
        thumbprint=thumbprint,
        error=_json(error),
        validated_at=when(validated_at),
        revision=revision,
    )
