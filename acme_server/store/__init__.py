"""The store's contract: what the server asks of a database, whichever it is.

`Store.write()` is one durable transaction: when it has ended without an exception, everything in it survives a power
cut; with one, nothing of it is there. Changes are compare-and-set: a method that returns bool says whether the row
still was what the caller had read. SQL lives behind this package and nowhere else. The other parts of the contract are
in `permissions` and `work`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from acme_server.model import Account, Authorization, Certificate, Challenge, Crl, Order
from acme_server.states import AccountStatus, AuthorizationStatus, Event
from acme_server.store.permissions import Approvals, BlockedKeys, ExternalAccountKeys, Limits, LintedShapes
from acme_server.store.work import Audit, Jobs, Outbox
from challenges.base import Identifier, Json

__all__ = [
    "Accounts",
    "Approvals",
    "Audit",
    "Authorizations",
    "BlockedKeys",
    "Certificates",
    "Crls",
    "ExternalAccountKeys",
    "Jobs",
    "Limits",
    "LintedShapes",
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

    def rekey(self, account: Account, read: str) -> bool:
        """Write the key, if the thumbprint is still `read` and the account valid; no other account has the new key.

        The old one's thumbprint is kept.
        """

    def had(self, thumbprint: str) -> bool:
        """Whether it is, or once was, the key of an account, of whatever status."""

    def former_thumbprints(self, account_id: str) -> tuple[str, ...]:
        """Of the keys that the account had before."""


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

    def processing(self, before: datetime, limit: int) -> tuple[tuple[str, datetime], ...]:
        """(id, since when) of the orders in processing that began before that time, the oldest first."""

    def names_waiting(self, authorization_id: str) -> tuple[str, ...]:
        """The names of the orders that rest on this authorization."""

    def of_account(self, account_id: str, after: str, limit: int) -> tuple[str, ...]:
        """Ids of the account's orders beyond the id `after`, in order of ids, but for those that ended by an error."""

    def replacing(self, certificate: str, now: datetime, limit: int) -> tuple[str, ...]:
        """Ids of orders that would replace the certificate of this name (`Order.replaces`; RFC 9773 §5).

        Up to `limit` of those that have no error, and have been finalized or not expired.
        """


class Authorizations(Protocol):
    """Authorizations and their challenges."""

    def add(self, authorization: Authorization) -> None:
        """With its challenges."""

    def get(self, authorization_id: str) -> Authorization | None:
        """With its challenges."""

    def reusable(self, account_id: str, identifier: Identifier, *, subdomains: bool, until: datetime) -> str | None:
        """The id of a valid authorization of the account for exactly this, that lasts beyond `until`."""

    def pending(self, account_id: str, identifier: Identifier, *, subdomains: bool, until: datetime) -> str | None:
        """The same of one that waits for its proof."""

    def advance(
        self,
        authorization: Authorization,
        event: Event,
        *,
        expires: datetime | None = None,
        assurance: str | None = None,
        caa_checked_at: datetime | None = None,
    ) -> AuthorizationStatus | None:
        """Move from the status that was read; the new one, or None when it has changed meanwhile."""

    def caa_checked(self, authorization_id: str, at: datetime) -> None:
        """CAA was looked up for it again, and permits it."""

    def end_pending(self, account_id: str) -> int:
        """The account has ended: its pending authorizations become deactivated; how many."""

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

    def page(self, after: str, limit: int) -> tuple[Certificate, ...]:
        """Those with a serial beyond `after`, in the order of the texts."""

    def unissued(self, since: datetime, limit: int) -> tuple[Certificate, ...]:
        """The reserved and the orphaned ones that had not expired by `since`, by serial."""

    def of_key(self, spki_sha256: bytes, now: datetime) -> tuple[Certificate, ...]:
        """Those of this key that have not expired and are not revoked."""

    def revoke(self, serial: str, now: datetime, reason: int | None) -> bool:
        """False when it is revoked already."""

    def revoked(self, issuer_id: str, since: datetime) -> tuple[tuple[str, datetime, int | None], ...]:
        """(serial, when, reason) of every revoked or orphaned certificate that had not expired by `since`."""

    def issuers(self, now: datetime) -> tuple[str, ...]:
        """Ids of the issuers of all certificates that live at `now`."""


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
    @property
    def external_keys(self) -> ExternalAccountKeys: ...
    @property
    def blocked_keys(self) -> BlockedKeys: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def linted_shapes(self) -> LintedShapes: ...
    @property
    def approvals(self) -> Approvals: ...


class Store(Protocol):
    """A database. Safe to use from several threads."""

    def read(self) -> AbstractContextManager[Transaction]:
        """One consistent view; writing in it is an error. Raises StoreUnavailable."""

    def write(self) -> AbstractContextManager[Transaction]:
        """One durable transaction. Raises StoreUnavailable; an exception inside undoes all of it."""

    def close(self) -> None: ...
