"""The queue, and the mail that waits in it, in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from acme_server.model import Job, JobKind
from acme_server.store.sql import Database, moment, when
from challenges.base import Mail

__all__ = ["Jobs", "Outbox"]


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

    def claim(
        self,
        owner: str,
        now: datetime,
        lease_until: datetime,
        limit: int,
        kind: JobKind | None = None,
    ) -> tuple[Job, ...]:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE jobs SET owner = :owner, lease_until = :lease_until WHERE (kind, ref) IN ("
            "SELECT kind, ref FROM jobs WHERE due <= :now AND (lease_until IS NULL OR lease_until <= :now)"
            " AND (:kind IS NULL OR kind = :kind)"
            " ORDER BY due LIMIT :limit) RETURNING kind, ref, due, tries, owner, lease_until",
            {
                "owner": owner,
                "now": now.timestamp(),
                "lease_until": lease_until.timestamp(),
                "limit": limit,
                "kind": None if kind is None else kind.value,
            },
        )
        return tuple(_job(row) for row in rows.fetchall())

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


def _lease(job: Job) -> dict[str, object]:
    """What identifies a lease: the same process may hold a later one on the same job."""
    until = None if job.lease_until is None else job.lease_until.timestamp()
    return {"kind": job.kind.value, "ref": job.ref, "owner": job.owner, "lease": until}


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
