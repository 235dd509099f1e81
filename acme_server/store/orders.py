"""Orders and their identifiers in SQL."""

from __future__ import annotations

from datetime import datetime

from acme_server.model import Order, OrderIdentifier
from acme_server.store.sql import Database, dump, load, moment, seconds, when
from challenges.base import Identifier, Json

__all__ = ["Orders"]

_REPLACING = "SELECT id FROM orders WHERE replaces = :certificate AND error IS NULL"


class Orders:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, order: Order) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO orders (id, account_id, profile, expires, created_at, not_before, not_after, replaces)"
            " VALUES (:id, :account_id, :profile, :expires, :created_at, :not_before, :not_after, :replaces)",
            {
                "id": order.id,
                "account_id": order.account_id,
                "profile": order.profile,
                "expires": seconds(order.expires),
                "created_at": seconds(order.created_at),
                "not_before": order.not_before and seconds(order.not_before),
                "not_after": order.not_after and seconds(order.not_after),
                "replaces": order.replaces,
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
            "SELECT account_id, profile, expires, created_at, error, csr, processing_since, certificate, not_before,"
            " not_after, replaces FROM orders WHERE id = :id",
            {"id": order_id},
        ).fetchone()
        if row is None:
            return None
        account_id, profile, expires, created_at, error, csr, processing_since, certificate, *asked = row
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
            error=load(error),
            csr=csr,
            processing_since=when(processing_since),
            certificate=certificate,
            not_before=when(asked[0]),
            not_after=when(asked[1]),
            replaces=asked[2],
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

    def processing(self, before: datetime, limit: int) -> tuple[tuple[str, datetime], ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT id, processing_since FROM orders WHERE processing_since < :before AND error IS NULL"
            " AND certificate IS NULL ORDER BY processing_since, id LIMIT :limit",
            {"before": seconds(before), "limit": limit},
        )
        return tuple((order_id, moment(since)) for order_id, since in rows.fetchall())

    def names_waiting(self, authorization_id: str) -> tuple[str, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT DISTINCT i.value FROM order_identifiers i JOIN orders o ON o.id = i.order_id"
            " WHERE i.authorization_id = :id AND o.error IS NULL AND o.certificate IS NULL ORDER BY i.value",
            {"id": authorization_id},
        )
        return tuple(value for (value,) in rows.fetchall())

    def of_account(self, account_id: str, after: str, limit: int) -> tuple[str, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT id FROM orders WHERE account_id = :account_id AND id > :after AND error IS NULL"
            " ORDER BY id LIMIT :limit",
            {"account_id": account_id, "after": after, "limit": limit},
        )
        return tuple(order_id for (order_id,) in rows.fetchall())

    def replacing(self, certificate: str, now: datetime, limit: int) -> tuple[str, ...]:
        """See the contract. Two ranges of the index: what has failed or expired is not even looked at."""
        rows = self._db.execute(
            f"{_REPLACING} AND processing_since IS NOT NULL"
            f" UNION ALL {_REPLACING} AND processing_since IS NULL AND expires > :now LIMIT :limit",
            {"certificate": certificate, "now": seconds(now), "limit": limit},
        )
        return tuple(order_id for (order_id,) in rows.fetchall())
