"""The queue, and the mail that waits in it, in SQL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from acme_server.model import Job, JobKind
from acme_server.store.sql import Database, moment, when
from challenges.base import Mail

__all__ = ["Jobs", "Outbox"]

# One challenge of an authorization is validated at a time. Said once for a single job, by keys and an index, and once
# for all jobs that wait, from the few that are leased.
_ALONE = (
    "(:kind <> :validate OR NOT EXISTS (SELECT 1 FROM challenges c JOIN challenges s"
    " ON s.authorization_id = c.authorization_id JOIN jobs j ON j.ref = s.id"
    " WHERE c.id = :ref AND s.id <> :ref AND j.kind = :validate AND j.lease_until > :now))"
)
_FREE = (
    "due <= :now AND (lease_until IS NULL OR lease_until <= :now) AND (kind <> :validate OR ref NOT IN ("
    "SELECT s.id FROM jobs j JOIN challenges c ON c.id = j.ref JOIN challenges s"
    " ON s.authorization_id = c.authorization_id WHERE j.kind = :validate AND j.lease_until > :now))"
)
_ANY = "SELECT 1 FROM jobs WHERE "
_JOB = "SELECT kind, ref, due, tries, owner, lease_until, account_id FROM jobs "
_WAITING = (
    "SELECT kind, ref, due, tries, owner, lease_until, account_id FROM (SELECT *,"
    " row_number() OVER (PARTITION BY account_id ORDER BY due, ref) AS place FROM jobs WHERE kind = :kind AND "
)
_ADD = (
    "INSERT INTO jobs (kind, ref, due, tries, owner, lease_until, account_id)"
    " SELECT :kind, :ref, :due, :tries, CASE WHEN alone THEN :owner END, CASE WHEN alone THEN :lease_until END,"
    " :account_id FROM (SELECT "
)
_ADDED = (
    " AS alone) WHERE true ON CONFLICT (kind, ref) DO UPDATE"  # without a WHERE, ON would belong to the FROM
    " SET due = min(jobs.due, excluded.due), owner = excluded.owner, lease_until = excluded.lease_until"
    " WHERE jobs.lease_until IS NULL OR jobs.lease_until <= :now RETURNING owner"
)
_CLAIM = (
    "UPDATE jobs SET owner = :owner, lease_until = :lease_until WHERE kind = :kind AND ref = :ref"
    " AND due <= :now AND (lease_until IS NULL OR lease_until <= :now) AND "
)
_CLAIMED = " RETURNING kind, ref, due, tries, owner, lease_until, account_id"
_VALIDATE = {"validate": JobKind.VALIDATE.value}


class Jobs:
    """See the contract. Due times and leases keep their fractions of a second."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, job: Job, now: datetime) -> bool:
        """See the contract."""
        rows = self._db.execute(
            _ADD + _ALONE + _ADDED,
            _VALIDATE
            | {
                "kind": job.kind.value,
                "ref": job.ref,
                "due": job.due.timestamp(),
                "tries": job.tries,
                "owner": job.owner,
                "lease_until": job.lease_until and job.lease_until.timestamp(),
                "account_id": job.account_id,
                "now": now.timestamp(),
            },
        ).fetchall()
        if rows:
            return rows[0][0] is not None
        self._db.execute(
            "UPDATE jobs SET due = :due WHERE kind = :kind AND ref = :ref AND due > :due",
            {"kind": job.kind.value, "ref": job.ref, "due": job.due.timestamp()},
        )
        return False

    def due(self, now: datetime) -> bool:
        """See the contract."""
        row = self._db.execute(_ANY + _FREE + " LIMIT 1", _VALIDATE | {"now": now.timestamp()}).fetchone()
        return row is not None

    def waiting(self, kind: JobKind, now: datetime, each: int) -> tuple[Job, ...]:
        """See the contract."""
        rows = self._db.execute(
            _WAITING + _FREE + ") WHERE place <= :each ORDER BY due, ref",
            _VALIDATE | {"kind": kind.value, "now": now.timestamp(), "each": each},
        )
        return tuple(_job(row) for row in rows.fetchall())

    def claim(self, jobs: Iterable[Job], owner: str, now: datetime, lease_until: datetime) -> tuple[Job, ...]:
        """See the contract."""
        lease = _VALIDATE | {"owner": owner, "now": now.timestamp(), "lease_until": lease_until.timestamp()}
        claimed: list[Job] = []
        for job in jobs:
            rows = self._db.execute(_CLAIM + _ALONE + _CLAIMED, lease | {"kind": job.kind.value, "ref": job.ref})
            claimed += [_job(row) for row in rows.fetchall()]
        return tuple(claimed)

    def held(self, job: Job) -> bool:
        """See the contract."""
        row = self._db.execute(
            "SELECT 1 FROM jobs WHERE kind = :kind AND ref = :ref AND owner = :owner AND lease_until = :lease",
            _lease(job),
        ).fetchone()
        return row is not None

    def finish(self, job: Job) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "DELETE FROM jobs WHERE kind = :kind AND ref = :ref AND owner = :owner AND lease_until = :lease",
            _lease(job),
        )
        return rows.rowcount == 1

    def postpone(self, job: Job, due: datetime, tries: int) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE jobs SET due = :due, tries = :tries, owner = NULL, lease_until = NULL"
            " WHERE kind = :kind AND ref = :ref AND owner = :owner AND lease_until = :lease",
            _lease(job) | {"due": due.timestamp(), "tries": tries},
        )
        return rows.rowcount == 1

    def get(self, kind: JobKind, ref: str) -> Job | None:
        """See the contract."""
        row = self._db.execute(
            _JOB + "WHERE kind = :kind AND ref = :ref",
            {"kind": kind.value, "ref": ref},
        ).fetchone()
        return None if row is None else _job(row)

    def first(self, limit: int) -> tuple[Job, ...]:
        """See the contract."""
        rows = self._db.execute(
            _JOB + "ORDER BY due, kind, ref LIMIT :limit",
            {"limit": limit},
        )
        return tuple(_job(row) for row in rows.fetchall())

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


def _lease(job: Job) -> dict[str, object]:
    """What identifies a lease: the same process may hold a later one on the same job."""
    until = None if job.lease_until is None else job.lease_until.timestamp()
    return {"kind": job.kind.value, "ref": job.ref, "owner": job.owner, "lease": until}


def _job(row: Any) -> Job:
    kind, ref, due, tries, owner, lease_until, account_id = row
    return Job(JobKind(kind), ref, moment(due), tries, owner, when(lease_until), account_id)


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

    def tries(self) -> tuple[int | None, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT jobs.tries FROM outbox LEFT JOIN jobs ON jobs.kind = :mail AND jobs.ref = outbox.id",
            {"mail": JobKind.MAIL.value},
        )
        return tuple(tries for (tries,) in rows.fetchall())

    def remove(self, mail_id: str) -> None:
        """See the contract."""
        self._db.execute("DELETE FROM outbox WHERE id = :id", {"id": mail_id})

    def remove_for(self, challenge_id: str) -> None:
        """See the contract."""
        self._db.execute("DELETE FROM outbox WHERE challenge_id = :id", {"id": challenge_id})
