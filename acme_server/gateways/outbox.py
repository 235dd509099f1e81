"""The job that sends one challenge mail from the outbox: until it is taken, refused for good, or too late.

The code in the mail is in the outbox alone, and leaves it with the mail (protocol of email-01, RFC 5321 §4.5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import structlog

from acme_server.gateways.mail import Delivery, Fate, Smarthost, send
from acme_server.limiter import Limiter
from acme_server.model import Challenge, Clock, Job
from acme_server.policy import Reuse
from acme_server.store import Store, Transaction
from acme_server.tasks import is_open, subject_of, task_of
from acme_server.urls import Urls
from acme_server.validation.outcomes import apply
from challenges.base import ChallengeType, Error, Mail, PushChallenge

__all__ = ["MailGateway"]

TIMEOUT = 20.0
"""Seconds for one attempt."""
RETRY = timedelta(seconds=5)
"""Before the second attempt; each further one waits twice as long, up to"""
RETRY_AT_MOST = timedelta(minutes=5)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MailGateway:
    """Handles `JobKind.MAIL`."""

    store: Store
    clock: Clock
    smarthost: Smarthost | None
    """None: this CA sends no mail now; what still waits from before is refused."""
    envelope_from: str
    helo: str
    challenges: Mapping[str, ChallengeType]
    urls: Urls
    reuse: Reuse
    limiter: Limiter

    def __call__(self, job: Job) -> None:
        """Send the mail `job.ref` of the outbox."""
        with self.store.read() as transaction:
            found = transaction.outbox.get(job.ref)
            subject = found and subject_of(transaction, found[0])
        if found is None or subject is None or not is_open(*subject, self.clock()):
            with self.store.write() as transaction:
                transaction.outbox.remove(job.ref)
                transaction.jobs.finish(job)
            return
        mail = found[1]
        delivery = self._sent(mail)
        with self.store.write() as transaction:
            self._write(transaction, job, mail, delivery, found[0])
        _log.info("mail_" + delivery.fate, mail=job.ref, challenge=found[0], detail=delivery.detail)

    def abandon(self, job: Job) -> None:
        """Give the mail up; its challenge may be answered by another mailbox, or expires."""
        with self.store.write() as transaction:
            found = transaction.outbox.get(job.ref)
            if found is not None and transaction.jobs.finish(job):
                transaction.outbox.remove(job.ref)
                challenge, _ = subject_of(transaction, found[0])
                _show(transaction, challenge, Error("serverInternal", "the mail cannot be sent; try another mailbox"))

    def _sent(self, mail: Mail) -> Delivery:
        if self.smarthost is None:
            return Delivery(Fate.REFUSED, "this CA sends no mail any more")
        return send(mail, self.smarthost, envelope_from=self.envelope_from, helo=self.helo, timeout=TIMEOUT)

    def _write(self, transaction: Transaction, job: Job, mail: Mail, delivery: Delivery, challenge_id: str) -> None:
        now = self.clock()
        challenge, authorization = subject_of(transaction, challenge_id)
        if delivery.fate is Fate.DEFERRED and is_open(challenge, authorization, now):
            if transaction.jobs.postpone(job, now + min(RETRY * 2 ** min(job.tries, 8), RETRY_AT_MOST), job.tries + 1):
                detail = f"the mail to {mail.to} could not be handed over yet and is tried again: {delivery.detail}"
                _show(transaction, challenge, Error("connection", detail))
            return
        if not transaction.jobs.finish(job):
            return
        transaction.outbox.remove(job.ref)
        subject = f"challenge/{challenge.id}"
        record = {"mailbox": mail.to, "reply": delivery.detail}
        transaction.audit.append(f"mail_{delivery.fate}", actor="server", subject=subject, at=now, detail=record)
        if not is_open(challenge, authorization, now):
            return
        if delivery.fate is Fate.DELIVERED:
            _show(transaction, challenge, None)
        else:
            challenge_type = cast(PushChallenge, self.challenges[challenge.type])
            task = task_of(challenge, authorization, self.urls)
            outcome = challenge_type.undeliverable(task, mail, delivery.detail)
            apply(transaction, challenge, authorization, outcome, now, self.reuse, self.limiter)


def _show(transaction: Transaction, challenge: Challenge, error: Error | None) -> None:
    """What the client sees while it waits, unless it has been told something about an answer of its own."""
    document = None if error is None else error.to_json()
    told = challenge.error is not None and challenge.error["type"] != Error("connection", "").to_json()["type"]
    if challenge.error != document and not told:
        transaction.authorizations.save(replace(challenge, error=document))
