"""The job that makes an order's certificate: ask CAA where that is due, prepare, record, sign, record.

No signature is made before the serial and the hash of what will be signed are durable; so there is no certificate that
the CA does not know of. Whatever interrupted an earlier run of the job left a reserved serial at most: it becomes an
orphan, goes onto the CRL, and the order gets a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from acme_server.issuance.authority import Issuer
from acme_server.issuance.caa_recheck import RETRY, TRIES, CaaRecheck, Due, problem_of
from acme_server.issuance.csr import read_csr
from acme_server.issuance.issuer import IssuerExpiring, Linter, Ticket, ValidityGone, WrongSignature, issue, prepare
from acme_server.issuance.lint import LintError
from acme_server.issuance.profiles import Profile, Request
from acme_server.issuance.serials import new_serial, serial_text
from acme_server.model import Certificate, Clock, Job, JobKind, Notice, Order
from acme_server.states import AccountStatus, AuthorizationStatus, CertificateStatus
from acme_server.store import Store, Transaction
from challenges.base import Error, Identifier, Json

__all__ = ["Finalizer", "detail_of", "record_of"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Finalizer:
    """Handles `JobKind.ISSUE`."""

    store: Store
    clock: Clock
    random: Callable[[int], bytes]
    issuer: Issuer
    profiles: Mapping[str, Profile]
    pki_url: str
    linter: Linter
    caa: CaaRecheck

    def __call__(self, job: Job) -> None:
        """Make the certificate of the order `job.ref`, or end the order with a reason."""
        now = self.clock()
        with self.store.read() as transaction:
            order = transaction.orders.get(job.ref)
            due = [] if order is None else self.caa.due(transaction, order, now)
        if order is None or order.csr is None or order.certificate is not None or order.error is not None:
            with self.store.write() as transaction:
                transaction.jobs.finish(job)
            return
        if due and not self._permitted(job, due, now):
            return
        try:
            request = self._request(order, order.csr)
            ticket = prepare(request, self.issuer, self.clock(), new_serial(self.random), self.linter)
            if self._reserve(job, order, ticket):
                self._record(job, order, ticket, issue(ticket, self.issuer))
        except ValidityGone as error:
            self._end(job, Error("malformed", f"{error}; make a new order").to_json())
        except (LintError, IssuerExpiring, WrongSignature) as error:
            # Trying again would come to the same.
            _log.error("issuance_failed", order=order.id, error=str(error))
            self.abandon(job)

    def abandon(self, job: Job) -> None:
        """End the order: no order stays in processing."""
        detail = "the certificate could not be made, by a fault of this CA; tell its people the order's URL"
        self._end(job, Error("serverInternal", detail).to_json())

    def _permitted(self, job: Job, due: list[Due], now: datetime) -> bool:
        """Whether CAA still permits these names; else the order has ended, or is tried again."""
        refusals = self.caa.refusals(due)
        if not refusals:
            checked = {each.authorization_id for each in due if each.authorization_id}
            if checked:  # nothing is kept of names below an ancestor, and a COMMIT costs more than a look-up
                with self.store.write() as transaction:
                    for authorization_id in checked:
                        transaction.authorizations.caa_checked(authorization_id, now)
            return True
        if all(fault.transient for fault in refusals.values()) and job.tries + 1 < TRIES:
            with self.store.write() as transaction:
                transaction.jobs.postpone(job, self.clock() + RETRY * 2**job.tries, job.tries + 1)
            return False
        self._end(job, problem_of(refusals))
        return False

    def _end(self, job: Job, problem: Json) -> None:
        now = self.clock()
        with self.store.write() as transaction:
            order = transaction.orders.get(job.ref)
            if order is None or not transaction.jobs.finish(job):
                return
            _orphan(transaction, self.issuer.id, order, now)
            _fail(transaction, order, problem, now)

    def _request(self, order: Order, csr: bytes) -> Request:
        return Request(
            self.profiles[order.profile],
            order.names,
            read_csr(csr).public_key,
            self.pki_url,
            not_before=order.not_before,
            not_after=order.not_after,
        )

    def _reserve(self, job: Job, order: Order, ticket: Ticket) -> bool:
        """Record before sign; False when the order has ended here, or the job is somebody else's by now."""
        now = self.clock()
        with self.store.write() as transaction:
            if not transaction.jobs.held(job):
                return False
            _orphan(transaction, self.issuer.id, order, now)
            # Read inside the transaction that decides: an authorization may have been deactivated, a key blocked.
            obstacle = _obstacle(transaction, order, ticket, now)
            if obstacle is not None:
                _fail(transaction, order, obstacle.to_json(), now)
                transaction.jobs.finish(job)
                return False
            transaction.certificates.reserve(record_of(ticket, order.profile, order.names, order, now))
            transaction.audit.append(
                "certificate_reserved",
                actor="server",
                subject=f"certificate/{serial_text(ticket.serial)}",
                at=now,
                detail=detail_of(ticket, order.names) | {"order": order.id},
            )
        return True

    def _record(self, job: Job, order: Order, ticket: Ticket, der: bytes) -> None:
        now, serial = self.clock(), serial_text(ticket.serial)
        with self.store.write() as transaction:
            if not transaction.certificates.issue(serial, der):
                # Our lease had run out, and whoever took over has put this serial onto the CRL.
                _log.warning("certificate_came_too_late", order=order.id, serial=serial)
                return
            transaction.orders.finish(order.id, serial)
            subject = f"certificate/{serial}"
            transaction.audit.append(
                "certificate_issued",
                actor="server",
                subject=subject,
                at=now,
                detail={"order": order.id, "account": order.account_id, "profile": order.profile},
            )
            transaction.audit.notice(Notice(order.account_id, "certificate_issued", subject, now))
            transaction.jobs.finish(job)
        _log.info("certificate_issued", order=order.id, account=order.account_id, serial=serial)


def record_of(
    ticket: Ticket, profile: str, identifiers: tuple[Identifier, ...], order: Order | None, now: datetime
) -> Certificate:
    """The row that must be there before the ticket is redeemed."""
    return Certificate(
        serial=serial_text(ticket.serial),
        order_id=None if order is None else order.id,
        account_id=None if order is None else order.account_id,
        issuer_id=ticket.issuer_id,
        profile=profile,
        identifiers=identifiers,
        tbs_sha256=ticket.tbs_sha256,
        spki_sha256=ticket.spki_sha256,
        not_before=ticket.not_before,
        not_after=ticket.not_after,
        created_at=now,
        status=CertificateStatus.RESERVED,
    )


def detail_of(ticket: Ticket, identifiers: tuple[Identifier, ...]) -> Json:
    """What the audit chain keeps of a ticket."""
    return {"names": [identifier.value for identifier in identifiers], "tbs_sha256": ticket.tbs_sha256.hex()}


def _obstacle(transaction: Transaction, order: Order, ticket: Ticket, now: datetime) -> Error | None:
    """Why the certificate must not be signed after all."""
    if transaction.blocked_keys.blocked(ticket.spki_sha256):
        return Error("badCSR", "the key of the CSR has been reported as compromised; make a new key and a new order")
    lost = _lost(transaction, order, now)
    return Error("unauthorized", f"no longer valid: {', '.join(lost)}") if lost else None


def _lost(transaction: Transaction, order: Order, now: datetime) -> list[str]:
    """What the certificate would rest on and does not any more: names, or the account."""
    account = transaction.accounts.get(order.account_id)
    if account is None or account.status is not AccountStatus.VALID:
        return ["the account"]
    standing = {id_: transaction.authorizations.get(id_) for id_ in order.authorization_ids}
    valid = {id_ for id_, found in standing.items() if found and found.status_at(now) is AuthorizationStatus.VALID}
    return [part.identifier.value for part in order.identifiers if part.authorization_id not in valid]


def _fail(transaction: Transaction, order: Order, problem: Json, now: datetime) -> None:
    transaction.orders.fail(order.id, problem)
    transaction.audit.append("order_failed", actor="server", subject=f"order/{order.id}", at=now, detail=problem)


def _orphan(transaction: Transaction, issuer_id: str, order: Order, now: datetime) -> None:
    """What an interrupted run has reserved goes onto the CRL: its signature may exist somewhere."""
    for serial in transaction.certificates.orphan(order.id, now):
        subject, detail = f"certificate/{serial}", {"order": order.id}
        transaction.audit.append("certificate_orphaned", actor="server", subject=subject, at=now, detail=detail)
        transaction.jobs.add(Job(JobKind.CRL, issuer_id, due=now), now)
        _log.warning("certificate_orphaned", serial=serial, order=order.id)
