"""The job that publishes an issuer's CRL: after each revocation, and every day (RFC 5280 §5, BR 4.9.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from acme_server.issuance.authority import Issuer
from acme_server.issuance.crl import CRL_LIFETIME, Revoked, build_crl, crl_number
from acme_server.model import Clock, Crl, Job, JobKind
from acme_server.store import Store

__all__ = ["EVERY", "CrlPublisher"]

EVERY = timedelta(days=1)
"""A CRL is never older than this, though it is good for a week."""
AGAIN = timedelta(minutes=5)
"""After an attempt that failed."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CrlPublisher:
    """Handles `JobKind.CRL`; the job stays in the queue for ever, due once a day."""

    store: Store
    clock: Clock
    issuer: Issuer

    def ensure(self) -> None:
        """Put the job into the queue; due at once where no CRL is published, or the published one is old."""
        now = self.clock()
        with self.store.write() as transaction:
            crl = transaction.crls.get(self.issuer.id)
            due = now if crl is None else crl.next_update - CRL_LIFETIME + EVERY
            transaction.jobs.add(Job(JobKind.CRL, self.issuer.id, due=due), now)

    def __call__(self, job: Job) -> None:
        """Publish, until nothing has been revoked or published between reading and writing."""
        while not self._published(job):
            _log.info("crl_changed_meanwhile", issuer=self.issuer.id)

    def abandon(self, job: Job) -> None:
        """Never: a CRL must come."""
        with self.store.write() as transaction:
            transaction.jobs.postpone(job, self.clock() + AGAIN, job.tries)

    def _published(self, job: Job) -> bool:
        now = self.clock()
        # RFC 5280 §3.3: an entry stays until a CRL that is later than the certificate's end has listed it.
        since = now - CRL_LIFETIME
        with self.store.read() as transaction:
            revoked = transaction.certificates.revoked(self.issuer.id, since)
            published = transaction.crls.get(self.issuer.id)
        # Also where the clock was set back: else nothing revoked since would be seen until it is past that time again.
        number = max(crl_number(now), published.number + 1 if published else 0)
        entries = (Revoked(int(serial, 16), at, reason) for serial, at, reason in revoked)
        der = build_crl(self.issuer, entries, number, now)
        with self.store.write() as transaction:
            if transaction.certificates.revoked(self.issuer.id, since) != revoked:
                return False
            if not transaction.crls.put(Crl(self.issuer.id, number, der, now, now + CRL_LIFETIME)):
                return False
            transaction.jobs.postpone(job, now + EVERY, 0)
        _log.info("crl_published", issuer=self.issuer.id, number=number, entries=len(revoked))
        return True
