"""The store's SQL for the CA's own records: certificates, jobs, mail to be sent, audit, notices, CRLs.

As in `sql.py`, nothing here decides, and every change of a status is a compare-and-set.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from acme_server.federation.audit import GENESIS, link_hash
from acme_server.model import AuditRecord, Certificate, Crl, Job, JobKind, Notice
from acme_server.states import CERTIFICATE, CertificateStatus, Event, after
from acme_server.store.sql import Database, dump, moment, seconds, when
from challenges.base import Json, Mail

__all__ = ["Audit", "Certificates", "Crls", "Jobs", "Outbox"]

_RESERVED = CertificateStatus.RESERVED
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
            "INSERT INTO certificates (serial, order_id, account_id, issuer_id, profile, names, tbs_sha256,"
            " spki_sha256, not_before, not_after, created_at, status) VALUES (:serial, :order_id, :account_id,"
            " :issuer_id, :profile, :names, :tbs_sha256, :spki_sha256, :not_before, :not_after, :created_at, :status)",
            {
                "serial": certificate.serial,
                "order_id": certificate.order_id,
                "account_id": certificate.account_id,
                "issuer_id": certificate.issuer_id,
                "profile": certificate.profile,
                "names": dump(certificate.names),
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
        row = self._db.execute(
            "SELECT serial, order_id, account_id, issuer_id, profile, names, tbs_sha256, spki_sha256, not_before,"
            " not_after, created_at, status, der, revoked_at, reason FROM certificates WHERE serial = :serial",
            {"serial": serial},
        ).fetchone()
        return None if row is None else _certificate(row)

    def revoke(self, serial: str, now: datetime, reason: int | None) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE certificates SET revoked_at = :now, reason = :reason WHERE serial = :serial AND revoked_at IS NULL",
            {"serial": serial, "now": seconds(now), "reason": reason},
        )
        return rows.rowcount == 1

    def revoked(self, issuer_id: str, now: datetime) -> tuple[tuple[str, datetime, int | None], ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT serial, revoked_at, reason FROM certificates"
            " WHERE issuer_id = :issuer_id AND revoked_at IS NOT NULL AND not_after >= :now ORDER BY serial",
            {"issuer_id": issuer_id, "now": seconds(now)},
        )
        return tuple((serial, moment(at), reason) for serial, at, reason in rows.fetchall())


def _certificate(row: Any) -> Certificate:
    (serial, order_id, account_id, issuer_id, profile, names, tbs, spki, before, until, created, status, der, *end) = (
        row
    )
    return Certificate(
        serial=serial,
        order_id=order_id,
        account_id=account_id,
        issuer_id=issuer_id,
        profile=profile,
        names=tuple(json.loads(names)),
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


class Jobs:
    """See the contract. Due times and leases keep their fractions of a second."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, job: Job, now: datetime) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "INSERT INTO jobs (kind, ref, due, tries, owner, lease_until)"
            " VALUES (:kind, :ref, :due, :tries, :owner, :lease_until) ON CONFLICT (kind, ref) DO UPDATE"
            " SET due = min(jobs.due, excluded.due), owner = excluded.owner, lease_until = excluded.lease_until"
            " WHERE jobs.lease_until IS NULL OR jobs.lease_until <= :now",
            {
                "kind": job.kind.value,
                "ref": job.ref,
                "due": job.due.timestamp(),
                "tries": job.tries,
                "owner": job.owner,
                "lease_until": job.lease_until and job.lease_until.timestamp(),
                "now": now.timestamp(),
            },
        )
        if rows.rowcount == 1:
            return job.owner is not None
        self._db.execute(
            "UPDATE jobs SET due = :due WHERE kind = :kind AND ref = :ref AND due > :due",
            {"kind": job.kind.value, "ref": job.ref, "due": job.due.timestamp()},
        )
        return False

    def due(self, now: datetime) -> bool:
        """See the contract."""
        row = self._db.execute(
            "SELECT 1 FROM jobs WHERE due <= :now AND (lease_until IS NULL OR lease_until <= :now) LIMIT 1",
            {"now": now.timestamp()},
        ).fetchone()
        return row is not None

    def claim(self, owner: str, now: datetime, lease_until: datetime, limit: int) -> tuple[Job, ...]:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE jobs SET owner = :owner, lease_until = :lease_until WHERE (kind, ref) IN ("
            "SELECT kind, ref FROM jobs WHERE due <= :now AND (lease_until IS NULL OR lease_until <= :now)"
            " ORDER BY due LIMIT :limit) RETURNING kind, ref, due, tries, owner, lease_until",
            {
                "owner": owner,
                "now": now.timestamp(),
                "lease_until": lease_until.timestamp(),
                "limit": limit,
            },
        )
        return tuple(_job(row) for row in rows.fetchall())

    def held(self, job: Job) -> bool:
        """See the contract."""
        row = self._db.execute(
            "SELECT 1 FROM jobs WHERE kind = :kind AND ref = :ref AND owner = :owner",
            {"kind": job.kind.value, "ref": job.ref, "owner": job.owner},
        ).fetchone()
        return row is not None

    def finish(self, job: Job) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "DELETE FROM jobs WHERE kind = :kind AND ref = :ref AND owner = :owner",
            {"kind": job.kind.value, "ref": job.ref, "owner": job.owner},
        )
        return rows.rowcount == 1

    def postpone(self, job: Job, due: datetime, tries: int) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE jobs SET due = :due, tries = :tries, owner = NULL, lease_until = NULL"
            " WHERE kind = :kind AND ref = :ref AND owner = :owner",
            {
                "kind": job.kind.value,
                "ref": job.ref,
                "owner": job.owner,
                "due": due.timestamp(),
                "tries": tries,
            },
        )
        return rows.rowcount == 1

    def get(self, kind: JobKind, ref: str) -> Job | None:
        """See the contract."""
        row = self._db.execute(
            "SELECT kind, ref, due, tries, owner, lease_until FROM jobs WHERE kind = :kind AND ref = :ref",
            {"kind": kind.value, "ref": ref},
        ).fetchone()
        return None if row is None else _job(row)

    def owners(self) -> tuple[str, ...]:
        """See the contract."""
        rows = self._db.execute("SELECT DISTINCT owner FROM jobs WHERE owner IS NOT NULL", {})
        return tuple(owner for (owner,) in rows.fetchall())

    def release(self, owner: str, now: datetime) -> int:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE jobs SET owner = NULL, lease_until = NULL, due = min(due, :now) WHERE owner = :owner",
            {"owner": owner, "now": now.timestamp()},
        )
        return rows.rowcount


def _job(row: Any) -> Job:
    kind, ref, due, tries, owner, lease_until = row
    return Job(kind=JobKind(kind), ref=ref, due=moment(due), tries=tries, owner=owner, lease_until=when(lease_until))


class Outbox:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, mail_id: str, challenge_id: str, mail: Mail) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO outbox (id, challenge_id, recipient, sender, content)"
            " VALUES (:id, :challenge_id, :recipient, :sender, :content)",
            {
                "id": mail_id,
                "challenge_id": challenge_id,
                "recipient": mail.to,
                "sender": mail.sender,
                "content": mail.content,
            },
        )

    def get(self, mail_id: str) -> tuple[str, Mail] | None:
        """See the contract."""
        row = self._db.execute(
            "SELECT challenge_id, recipient, sender, content FROM outbox WHERE id = :id", {"id": mail_id}
        ).fetchone()
        return None if row is None else (row[0], Mail(to=row[1], sender=row[2], content=row[3]))

    def remove(self, mail_id: str) -> None:
        """See the contract."""
        self._db.execute("DELETE FROM outbox WHERE id = :id", {"id": mail_id})

    def remove_for(self, challenge_id: str) -> None:
        """See the contract."""
        self._db.execute("DELETE FROM outbox WHERE challenge_id = :id", {"id": challenge_id})


class Audit:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, event: str, *, actor: str, subject: str, at: datetime, detail: Json | None = None) -> None:
        """See the contract."""
        last = self._db.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", {}).fetchone()
        number, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
        detail = detail or {}
        self._db.execute(
            "INSERT INTO audit (number, at, event, actor, subject, detail, previous, hash)"
            " VALUES (:number, :at, :event, :actor, :subject, :detail, :previous, :hash)",
            {
                "number": number,
                "at": seconds(at),
                "event": event,
                "actor": actor,
                "subject": subject,
                "detail": dump(detail),
                "previous": previous,
                "hash": link_hash(previous, number, at, event, actor, subject, detail),
            },
        )

    def records(self, after: int, limit: int) -> tuple[AuditRecord, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT number, at, event, actor, subject, detail, previous, hash FROM audit"
            " WHERE number > :after ORDER BY number LIMIT :limit",
            {"after": after, "limit": limit},
        )
        return tuple(
            AuditRecord(number, moment(at), event, actor, subject, json.loads(detail), previous, hash_)
            for number, at, event, actor, subject, detail, previous, hash_ in rows.fetchall()
        )

    def notice(self, notice: Notice) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO notices (account_id, event, subject, at) VALUES (:account_id, :event, :subject, :at)",
            {
                "account_id": notice.account_id,
                "event": notice.event,
                "subject": notice.subject,
                "at": seconds(notice.at),
            },
        )

    def notices(self) -> tuple[Notice, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT account_id, event, subject, at FROM notices WHERE delivered_at IS NULL ORDER BY id", {}
        )
        return tuple(Notice(account, event, subject, moment(at)) for account, event, subject, at in rows.fetchall())


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
