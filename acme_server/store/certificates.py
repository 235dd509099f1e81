"""Certificates and CRLs in SQL."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from acme_server.model import Certificate, Crl
from acme_server.states import CERTIFICATE, CertificateStatus, Event, after
from acme_server.store.sql import Database, dump, moment, seconds, when
from challenges.base import Identifier

__all__ = ["Certificates", "Crls"]


_RESERVED = CertificateStatus.RESERVED
_CERTIFICATE = (
    "SELECT serial, order_id, account_id, issuer_id, profile, identifiers, tbs_sha256, spki_sha256, not_before,"
    " not_after, created_at, status, der, revoked_at, reason FROM certificates "
)
_ORPHAN_OF_ORDER = (
    "UPDATE certificates SET status = :orphan, revoked_at = :now"
    " WHERE order_id = :order_id AND status = :reserved RETURNING serial"
)
_ORPHAN_OF_NONE = (
    "UPDATE certificates SET status = :orphan, revoked_at = :now"
    " WHERE order_id IS NULL AND status = :reserved RETURNING serial"
)


class Certificates:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def reserve(self, certificate: Certificate) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO certificates (serial, order_id, account_id, issuer_id, profile, identifiers, tbs_sha256,"
            " spki_sha256, not_before, not_after, created_at, status) VALUES (:serial, :order_id, :account_id,"
            " :issuer_id, :profile, :identifiers, :tbs_sha256, :spki_sha256, :not_before, :not_after, :created_at,"
            " :status)",
            {
                "serial": certificate.serial,
                "order_id": certificate.order_id,
                "account_id": certificate.account_id,
                "issuer_id": certificate.issuer_id,
                "profile": certificate.profile,
                "identifiers": dump([part.to_json() for part in certificate.identifiers]),
                "tbs_sha256": certificate.tbs_sha256,
                "spki_sha256": certificate.spki_sha256,
                "not_before": seconds(certificate.not_before),
                "not_after": seconds(certificate.not_after),
                "created_at": seconds(certificate.created_at),
                "status": _RESERVED.value,
            },
        )

    def issue(self, serial: str, der: bytes) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE certificates SET status = :issued, der = :der WHERE serial = :serial AND status = :reserved",
            {
                "serial": serial,
                "der": der,
                "issued": after(CERTIFICATE, _RESERVED, Event.SIGNED).value,
                "reserved": _RESERVED.value,
            },
        )
        return rows.rowcount == 1

    def orphan(self, order_id: str | None, now: datetime) -> tuple[str, ...]:
        """See the contract."""
        rows = self._db.execute(
            _ORPHAN_OF_NONE if order_id is None else _ORPHAN_OF_ORDER,
            {
                "order_id": order_id,
                "now": seconds(now),
                "orphan": after(CERTIFICATE, _RESERVED, Event.INTERRUPTED).value,
                "reserved": _RESERVED.value,
            },
        )
        return tuple(serial for (serial,) in rows.fetchall())

    def get(self, serial: str) -> Certificate | None:
        """See the contract."""
        row = self._db.execute(_CERTIFICATE + "WHERE serial = :serial", {"serial": serial}).fetchone()
        return None if row is None else _certificate(row)

    def page(self, after: str, limit: int) -> tuple[Certificate, ...]:
        """See the contract."""
        rows = self._db.execute(
            _CERTIFICATE + "WHERE serial > :after ORDER BY serial LIMIT :limit", {"after": after, "limit": limit}
        )
        return tuple(_certificate(row) for row in rows.fetchall())

    def unissued(self, since: datetime, limit: int) -> tuple[Certificate, ...]:
        """See the contract."""
        rows = self._db.execute(
            _CERTIFICATE + "WHERE status <> :issued AND not_after >= :since ORDER BY serial LIMIT :limit",
            {"issued": CertificateStatus.ISSUED.value, "since": seconds(since), "limit": limit},
        )
        return tuple(_certificate(row) for row in rows.fetchall())

    def of_key(self, spki_sha256: bytes, now: datetime) -> tuple[Certificate, ...]:
        """See the contract."""
        rows = self._db.execute(
            _CERTIFICATE + "WHERE spki_sha256 = :spki AND revoked_at IS NULL AND not_after >= :now ORDER BY serial",
            {"spki": spki_sha256, "now": seconds(now)},
        )
        return tuple(_certificate(row) for row in rows.fetchall())

    def revoke(self, serial: str, now: datetime, reason: int | None) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE certificates SET revoked_at = :now, reason = :reason WHERE serial = :serial AND revoked_at IS NULL",
            {"serial": serial, "now": seconds(now), "reason": reason},
        )
        return rows.rowcount == 1

    def revoked(self, issuer_id: str, since: datetime) -> tuple[tuple[str, datetime, int | None], ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT serial, revoked_at, reason FROM certificates"
            " WHERE issuer_id = :issuer_id AND revoked_at IS NOT NULL AND not_after >= :since ORDER BY serial",
            {"issuer_id": issuer_id, "since": seconds(since)},
        )
        return tuple((serial, moment(at), reason) for serial, at, reason in rows.fetchall())

    def issuers(self, now: datetime) -> tuple[str, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT DISTINCT issuer_id FROM certificates WHERE not_after >= :now", {"now": seconds(now)}
        )
        return tuple(issuer_id for (issuer_id,) in rows.fetchall())


def _certificate(row: Any) -> Certificate:
    (serial, order_id, account_id, issuer_id, profile, named, tbs, spki, before, until, created, status, der, *end) = (
        row
    )
    return Certificate(
        serial=serial,
        order_id=order_id,
        account_id=account_id,
        issuer_id=issuer_id,
        profile=profile,
        identifiers=tuple(Identifier(part["type"], part["value"]) for part in json.loads(named)),
        tbs_sha256=tbs,
        spki_sha256=spki,
        not_before=moment(before),
        not_after=moment(until),
        created_at=moment(created),
        status=CertificateStatus(status),
        der=der,
        revoked_at=when(end[0]),
        reason=end[1],
    )


class Crls:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, crl: Crl) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "INSERT INTO crls (issuer_id, number, der, this_update, next_update)"
            " VALUES (:issuer_id, :number, :der, :this_update, :next_update)"
            " ON CONFLICT (issuer_id) DO UPDATE SET number = excluded.number, der = excluded.der,"
            " this_update = excluded.this_update, next_update = excluded.next_update"
            " WHERE crls.number < excluded.number",
            {
                "issuer_id": crl.issuer_id,
                "number": crl.number,
                "der": crl.der,
                "this_update": seconds(crl.this_update),
                "next_update": seconds(crl.next_update),
            },
        )
        return rows.rowcount == 1

    def get(self, issuer_id: str) -> Crl | None:
        """See the contract."""
        row = self._db.execute(
            "SELECT issuer_id, number, der, this_update, next_update FROM crls WHERE issuer_id = :id",
            {"id": issuer_id},
        ).fetchone()
        return None if row is None else Crl(row[0], row[1], row[2], moment(row[3]), moment(row[4]))
