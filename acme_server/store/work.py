"""The store's contract, third part: what is to be done (jobs, mail), and what was done (the audit chain, notices).

A job, a mail or a record is written in the transaction of the change it belongs to, and never without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from acme_server.federation.audit import StoredRecord
from acme_server.model import AuditRecord, Job, JobKind, Notice
from challenges.base import Json, Mail

__all__ = ["Audit", "Jobs", "Outbox"]


class Jobs(Protocol):
    """The queue. A lease says who works on a job and until when; results count only under a lease still held."""

    def add(self, job: Job, now: datetime) -> bool:
        """Whether the lease that `job` names is held now.

        Where (kind, ref) is there already, it becomes due at the earlier time, and the lease is taken over unless
        somebody's is alive. No lease is given on the validation of a challenge while there is one on another challenge
        of the same authorization.
        """

    def due(self, now: datetime) -> bool:
        """Whether there is something to claim."""

    def waiting(self, kind: JobKind, now: datetime, each: int) -> tuple[Job, ...]:
        """What could be claimed: the oldest first, and no more than `each` of an account."""

    def claim(self, jobs: Iterable[Job], owner: str, now: datetime, lease_until: datetime) -> tuple[Job, ...]:
        """Lease those of the jobs that are still due, that nobody holds a live lease on, and that `add` would lease."""

    def held(self, job: Job) -> bool:
        """Whether the lease is still ours."""

    def finish(self, job: Job) -> bool:
        """Take it away; False, and nothing done, when the lease is no longer ours."""

    def postpone(self, job: Job, due: datetime, tries: int) -> bool:
        """Give it back, due later, `tries` made so far; False as for `finish`."""

    def get(self, kind: JobKind, ref: str) -> Job | None: ...

    def first(self, limit: int) -> tuple[Job, ...]:
        """Those that are, or were, due first; whoever holds them."""

    def owners(self) -> tuple[str, ...]:
        """Everybody who holds a lease."""

    def release(self, owner: str, now: datetime) -> int:
        """End all leases of an owner that is gone; how many."""


class Outbox(Protocol):
    """Mail until it is sent; the only place where a code stands in plain text."""

    def add(self, mail_id: str, challenge_id: str, mail: Mail) -> None: ...

    def get(self, mail_id: str) -> tuple[str, Mail] | None:
        """(challenge id, mail)."""

    def tries(self) -> tuple[int | None, ...]:
        """How often each mail was tried to be sent; None where no job is there that would send it."""

    def remove(self, mail_id: str) -> None: ...

    def remove_for(self, challenge_id: str) -> None:
        """The challenge has ended: its mails go, sent or not."""


class Audit(Protocol):
    """What must not be forgotten, written in the transaction it belongs to."""

    def append(self, event: str, *, actor: str, subject: str, at: datetime, detail: Json | None = None) -> None:
        """One more link of the chain."""

    def records(self, after: int, limit: int) -> tuple[AuditRecord, ...]:
        """Links with a number greater than `after`, in order."""

    def stored(self, after: int, limit: int) -> tuple[StoredRecord, ...]:
        """The same as they lie there: for whoever does not trust the database."""

    def newest(self) -> StoredRecord | None:
        """The last link, as it lies there."""

    def notice(self, notice: Notice) -> None:
        """Something a member is to be told."""

    def notices(self) -> tuple[Notice, ...]:
        """Those not yet delivered, in order."""
