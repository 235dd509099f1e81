"""The job that validates a challenge (RFC 8555 §8.2): collect, judge, ask CAA, write, try again where that may help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from acme_server.identifiers import dns_name_of
from acme_server.limiter import Limiter
from acme_server.model import Authorization, Challenge, Clock, Job
from acme_server.policy import Reuse
from acme_server.store import Store
from acme_server.tasks import is_open, subject_of, task_of
from acme_server.urls import Urls
from acme_server.validation.caa import Asked
from acme_server.validation.caa_lookup import Caa
from acme_server.validation.outcomes import apply
from challenges.base import ChallengeType, Error, Network, Outcome, Task, Verdict, fault_outcome

__all__ = ["Validator"]

TRIES = 3
"""How often a validation that met a passing fault is made (RFC 8555 §8.2 leaves the number to the server)."""
RETRY = timedelta(seconds=3)
"""Before the second try; the third waits twice as long."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Validator:
    """Handles `JobKind.VALIDATE`."""

    store: Store
    clock: Clock
    network: Network
    caa: Caa
    challenges: Mapping[str, ChallengeType]
    urls: Urls
    reuse: Reuse
    limiter: Limiter

    def __call__(self, job: Job) -> None:
        """Validate the challenge, until it stays as it was read."""
        while not self._validated(job):
            _log.info("challenge_changed_meanwhile", challenge=job.ref)

    def abandon(self, job: Job) -> None:
        """End the challenge: no authorization waits for ever."""
        with self.store.read() as transaction:
            challenge, _ = subject_of(transaction, job.ref)
        error = Error("serverInternal", "the validation failed by a fault of this CA; tell its people this URL")
        self._write(job, challenge, Outcome(Verdict.INVALID, error))

    def _validated(self, job: Job) -> bool:
        with self.store.read() as transaction:
            challenge, authorization = subject_of(transaction, job.ref)
            former = transaction.accounts.former_thumbprints(authorization.account_id)
            queued = transaction.jobs.get(job.kind, job.ref)
        # A response that comes while the job waits to be tried again leases it anew; its tries count all the same.
        job = job if queued is None else replace(job, tries=queued.tries)
        if not is_open(challenge, authorization, self.clock()):
            return self._drop(job)
        task = task_of(challenge, authorization, self.urls, former_thumbprints=former)
        outcome = self.challenges[challenge.type].validate(task, self.network)
        checked_at = self.clock()
        if outcome.verdict is Verdict.VALID:
            outcome = self._permitted(authorization, challenge, task, outcome)
        if outcome.verdict is Verdict.RETRY and job.tries + 1 >= TRIES:
            outcome = replace(outcome, verdict=Verdict.INVALID)
        return self._write(job, challenge, outcome, checked_at)

    def _permitted(self, authorization: Authorization, challenge: Challenge, task: Task, proved: Outcome) -> Outcome:
        """What a proof comes to where CAA forbids, or cannot be looked up (RFC 8659 §3); else the proof itself."""
        name = dns_name_of(authorization.identifier)
        if name is None:
            return proved
        asked = Asked(name, task.account_url, challenge.type, task.wildcard)
        fault = self.caa.refusals([asked]).get(asked)
        # The state stays: the same proof is judged again when the look-up is.
        return proved if fault is None else replace(fault_outcome(fault), evidence=proved.evidence)

    def _write(self, job: Job, read: Challenge, outcome: Outcome, checked_at: datetime | None = None) -> bool:
        now = self.clock()
        with self.store.write() as transaction:
            challenge, authorization = subject_of(transaction, read.id)
            if not is_open(challenge, authorization, now):
                transaction.jobs.finish(job)
                return True
            if challenge.revision != read.revision:
                return False
            if outcome.verdict is Verdict.RETRY:
                still_ours = transaction.jobs.postpone(job, now + RETRY * 2**job.tries, job.tries + 1)
            elif outcome.verdict is Verdict.WAITING and outcome.again is not None:
                still_ours = transaction.jobs.postpone(job, outcome.again, 0)
            else:
                still_ours = transaction.jobs.finish(job)
            if still_ours:
                apply(
                    transaction,
                    challenge,
                    authorization,
                    outcome,
                    now,
                    self.reuse,
                    self.limiter,
                    caa_checked_at=checked_at,
                )
        _log.info("challenge_validated", challenge=read.id, type=read.type, verdict=outcome.verdict, held=still_ours)
        return True

    def _drop(self, job: Job) -> bool:
        with self.store.write() as transaction:
            transaction.jobs.finish(job)
        return True
