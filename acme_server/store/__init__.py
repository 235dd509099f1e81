"""The store's contract: what the server asks of a database, whichever it is.

`Store.write()` is one durable transaction: when it has ended without an exception, everything in it survives a power
cut; with one, nothing of it is there. Changes are compare-and-set: a method that
returns bool says whether the row still was what the caller had read. SQL lives behind this package and nowhere else.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from acme_server.model import (
    Account,
    AuditRecord,
    Authorization,
    Certificate,
    Challenge,
    Crl,
    Job,
    JobKind,
    Notice,
    Order,
)
from acme_server.states import AccountStatus, AuthorizationStatus, Event
from challenges.base import Identifier, Json, Mail

__all__ = [
    "Accounts",
    "Audit",
    "Authorizations",
    "Certificates",
    "Crls",
    "Jobs",
    "Orders",
    "Outbox",
    "SchemaMismatch",
    "Store",
    "StoreUnavailable",
    "Transaction",
]


class StoreUnavailable(Exception):  # noqa: N818 - a condition, not a defect
    """The database cannot be used now: locked for too long, full, read-only or gone. Nothing was written."""


class SchemaMismatch(Exception):  # noqa: N818 - a condition, not a defect
    """The database's schema is not the one this version works with; str() says what to do."""


class Accounts(Protocol):
    """Accounts; the key's thumbprint is unique."""

    def add(self, account: Account) -> bool:
        """Whether it was added: False when an account has this key already."""

    def get(self, account_id: str) -> Account | None: ...

    def by_thumbprint(self, thumbprint: str) -> Account | None: ...

    def save(self, account: Account, read: AccountStatus) -> bool:
        """Write status and contacts, if the status is still the one that was read."""


class Orders(Protocol):
    """Orders with their identifiers."""

    def add(self, order: Order) -> None: ...

    def get(self, order_id: str) -> Order | None: ...

    def start(self, order_id: str, csr: bytes, now: datetime) -> bool:
        """Begin processing, unless begun, failed or done."""

    def finish(self, order_id: str, serial: str) -> bool:
        """Processing has led to this certificate, unless it has already ended."""

    def fail(self, order_id: str, error: Json) -> bool:
        """The order ends with this problem, unless it has already ended."""

    def names_waiting(self, authorization_id: str) -> tuple[str, ...]:
        """The names of the orders that rest on this authorization."""


class Authorizations(Protocol):
    """Authorizations and their challenges."""

    def add(self, authorization: Authorization) -> None:
        """With its challenges."""

    def get(self, authorization_id: str) -> Authorization | None:
        """With its challenges."""

    def reusable(self, account_id: str, identifier: Identifier, *, subdomains: bool, until: datetime) -> str | None:
        """The id of a valid authorization of the account for exactly this, that lasts beyond `until`."""

    def advance(
        self,
        authorization: Authorization,
        event: Event,
        *,
        expires: datetime | None = None,
        assurance: str | None = None,
    ) -> AuthorizationStatus | None:
        """Move from the status that was read; the new one, or None when it has changed meanwhile."""

    def of_challenge(self, challenge_id: str) -> Authorization | None:
        """The authorization that has this challenge."""

    def save(self, challenge: Challenge) -> bool:
        """Write a challenge whose `revision` is the one that was read; the row's is then one more."""


class Certificates(Protocol):
    """The record of every serial."""

    def reserve(self, certificate: Certificate) -> None:
        """Before anything is signed."""

    def issue(self, serial: str, der: bytes) -> bool:
        """Reserved -> issued; False when it has been orphaned meanwhile."""

    def orphan(self, order_id: str | None, now: datetime) -> tuple[str, ...]:
        """Reserved -> orphan (which revokes) for every reserved serial of the order, or of none; their serials."""

    def get(self, serial: str) -> Certificate | None: ...

    def revoke(self, serial: str, now: datetime, reason: int | None) -> bool:
        """False when it is revoked already."""

    def revoked(self, issuer_id: str, since: datetime) -> tuple[tuple[str, datetime, int | None], ...]:
        """(serial, when, reason) of every revoked or orphaned certificate that had not expired by `since`."""

    def issuers(self, now: datetime) -> tuple[str, ...]:
        """Ids of the issuers of all certificates that live at `now`."""


class Jobs(Protocol):
    """The queue. A lease says who works on a job and until when; results count only under a lease still held."""

    def add(self, job: Job, now: datetime) -> bool:
        """Whether the lease that `job` names is held now.

        Where (kind, ref) is there already, it becomes due at the earlier time, and the lease is taken over unless
        somebody's is alive.
        """

    def due(self, now: datetime) -> bool:
        """Whether there is something to claim."""

    def claim(
        self,
        owner: str,
        now: datetime,
        lease_until: datetime,
        limit: int,
        kind: JobKind | None = None,
    ) -> tuple[Job, ...]:
        """Lease up to `limit` jobs, of one kind or of any, that are due and that nobody holds a live lease on."""

    def held(self, job: Job) -> bool:
        """Whether the lease is still ours."""

    def finish(self, job: Job) -> bool:
        """Take it away; False, and nothing done, when the lease is no longer ours."""

    def postpone(self, job: Job, due: datetime, tries: int) -> bool:
        """Give it back, due later, `tries` made so far; False as for `finish`."""

    def get(self, kind: JobKind, ref: str) -> Job | None: ...

    def owners(self) -> tuple[str, ...]:
        """Everybody who holds a lease."""

    def release(self, owner: str, now: datetime) -> int:
        """End all leases of an owner that is gone; how many."""


class Outbox(Protocol):
    """Mail until it is sent; the only place where a code stands in plain text."""

    def add(self, mail_id: str, challenge_id: str, mail: Mail) -> None: ...

    def get(self, mail_id: str) -> tuple[str, Mail] | None:
        """(challenge id, mail)."""

    def remove(self, mail_id: str) -> None: ...

    def remove_for(self, challenge_id: str) -> None:
        """The challenge has ended: its mails go, sent or not."""


class Audit(Protocol):
    """What must not be forgotten, written in the transaction it belongs to."""

    def append(self, event: str, *, actor: str, subject: str, at: datetime, detail: Json | None = None) -> None:
        """One more link of the chain."""

    def records(self, after: int, limit: int) -> tuple[AuditRecord, ...]:
        """Links with a number greater than `after`, in order."""

    def notice(self, notice: Notice) -> None:
        """Something a member is to be told."""

    def notices(self) -> tuple[Notice, ...]:
        """Those not yet delivered, in order."""


class Crls(Protocol):
    """Published CRLs: the newest of each issuer."""

    def put(self, crl: Crl) -> bool:
        """False when one with this number or a higher one is there."""

    def get(self, issuer_id: str) -> Crl | None: ...


class Transaction(Protocol):
    """Everything that can be read, and in `Store.write()` written, together."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def orders(self) -> Orders: ...
    @property
    def authorizations(self) -> Authorizations: ...
    @property
    def certificates(self) -> Certificates: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def crls(self) -> Crls: ...


class Store(Protocol):
    """A database. Safe to use from several threads."""

    def read(self) -> AbstractContextManager[Transaction]:
        """One consistent view; writing in it is an error. Raises StoreUnavailable."""

    def write(self) -> AbstractContextManager[Transaction]:
        """One durable transaction. Raises StoreUnavailable; an exception inside undoes all of it."""

    def close(self) -> None: ...
