"""The values the server keeps: accounts, orders, authorizations, challenges, certificates, jobs (RFC 8555 §7.1).

All are frozen: a change is a new value, and only the store writes. Times are aware and UTC, whole seconds where they
are seen on the wire. Nothing here decides anything; the rules are in `states.py` and `policy.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from acme_server.states import (
    AccountStatus,
    AuthorizationStatus,
    CertificateStatus,
    ChallengeStatus,
    OrderStatus,
    authorization_status,
    order_status,
)
from challenges.base import Identifier, Json

__all__ = [
    "Account",
    "AuditRecord",
    "Authorization",
    "Certificate",
    "Challenge",
    "Clock",
    "Crl",
    "ExternalAccountKey",
    "Job",
    "JobKind",
    "Notice",
    "Order",
    "OrderIdentifier",
]

Clock = Callable[[], datetime]
"""Tells the time: aware, UTC."""


@dataclass(frozen=True, slots=True)
class Account:
    """RFC 8555 §7.1.2."""

    id: str
    thumbprint: str
    """RFC 7638 SHA-256 of the account key (base64url)."""
    jwk: str
    """The account's public key: canonical JSON of its required members (RFC 7638 §3.3)."""
    status: AccountStatus
    contact: tuple[str, ...]
    """`mailto:` URLs."""
    terms_agreed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ExternalAccountKey:
    """A key that binds a new account to an account elsewhere (RFC 8555 §7.3.4)."""

    kid: str
    mac_key: bytes = field(repr=False)
    label: str
    """For people: whom it was given to."""
    created_at: datetime
    account_id: str | None = None
    """The account that it has bound; a key binds one."""
    binding: Json | None = None
    """The JWS that bound it, as the account object shows it."""
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """RFC 8555 §8, with what its type keeps between the steps."""

    id: str
    authorization_id: str
    type: str
    status: ChallengeStatus
    token: str
    """base64url; 256 random bits. Empty where its type has none."""
    offer: Json
    """The members its type added to the object."""
    state: Json = field(default_factory=dict)
    thumbprint: str | None = None
    """Of the account key at the first POST."""
    error: Json | None = None
    validated_at: datetime | None = None
    revision: int = 0
    """Counts the writes: a compare-and-set names the one it has read."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """RFC 8555 §7.1.4, RFC 9444 §4."""

    id: str
    account_id: str
    identifier: Identifier
    """As the order has it: a wildcard name with its `*.`."""
    subdomains: bool
    """`subdomainAuthAllowed`."""
    status: AuthorizationStatus
    """As stored; `status_at` is what counts."""
    expires: datetime
    created_at: datetime
    assurance: str | None = None
    """`dns`, `mail` or `cert`, once valid."""
    caa_checked_at: datetime | None = None
    """When CAA was last looked up for it and permitted it."""
    challenges: tuple[Challenge, ...] = ()

    @property
    def wildcard(self) -> bool:
        """Whether it is for all names one label below `base`."""
        # Not so for a JID: a user may be called `*.a`.
        return self.identifier.type == "dns" and self.identifier.value.startswith("*.")

    @property
    def base(self) -> Identifier:
        """What is to be proved, and what the object shows (RFC 8555 §7.1.4): the identifier without `*.`."""
        return Identifier("dns", self.identifier.value.removeprefix("*.")) if self.wildcard else self.identifier

    def status_at(self, now: datetime) -> AuthorizationStatus:
        """The status, with time taken into account."""
        return authorization_status(self.status, self.expires, now)


@dataclass(frozen=True, slots=True)
class OrderIdentifier:
    """One name of an order, and the authorization that it rests on."""

    identifier: Identifier
    authorization_id: str


@dataclass(frozen=True, slots=True)
class Order:
    """RFC 8555 §7.1.3."""

    id: str
    account_id: str
    profile: str
    identifiers: tuple[OrderIdentifier, ...]
    expires: datetime
    created_at: datetime
    error: Json | None = None
    csr: bytes | None = None
    """DER of the CSR that finalize brought."""
    processing_since: datetime | None = None
    certificate: str | None = None
    """Serial of the issued certificate."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    """What was asked for; None: the profile decides."""
    replaces: str | None = None
    """RFC 9773 §4.1's name of the certificate that the new one shall replace (§5)."""

    @property
    def names(self) -> tuple[Identifier, ...]:
        """What was asked for, in its sequence."""
        return tuple(part.identifier for part in self.identifiers)

    @property
    def authorization_ids(self) -> tuple[str, ...]:
        """Each authorization once, in the order of the names."""
        return tuple(dict.fromkeys(part.authorization_id for part in self.identifiers))

    def status_at(self, now: datetime, authorizations: tuple[Authorization, ...]) -> OrderStatus:
        """The status, derived; `authorizations` are the order's own, as read in one transaction with it."""
        return order_status(
            (authorization.status_at(now) for authorization in authorizations),
            expired=self.expires <= now,
            failed=self.error is not None,
            processing=self.processing_since is not None,
            issued=self.certificate is not None,
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """The record of one serial: there before the signature is (security: record before sign)."""

    serial: str
    """Lower-case hexadecimal, no leading zeros."""
    order_id: str | None
    """None for a certificate that the CA made for its own web server."""
    account_id: str | None
    issuer_id: str
    profile: str
    identifiers: tuple[Identifier, ...]
    tbs_sha256: bytes
    """Of the TBSCertificate that was linted and will be signed."""
    spki_sha256: bytes
    not_before: datetime
    not_after: datetime
    created_at: datetime
    status: CertificateStatus
    der: bytes | None = None
    revoked_at: datetime | None = None
    reason: int | None = None
    """CRLReason (RFC 5280 §5.3.1); None: not given."""


class JobKind(StrEnum):
    """What a worker can be asked to do."""

    VALIDATE = "validate"
    """Validate the challenge `ref`."""
    ISSUE = "issue"
    """Make the certificate of the order `ref`."""
    MAIL = "mail"
    """Send the mail `ref` of the outbox."""
    CRL = "crl"
    """Make a new CRL of the issuer `ref`."""


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work, leased to one worker at a time; (kind, ref) is unique."""

    kind: JobKind
    ref: str
    due: datetime
    tries: int = 0
    """How often it was claimed and given back."""
    owner: str | None = None
    """Who holds the lease."""
    lease_until: datetime | None = None
    account_id: str | None = None
    """Whom it is done for; None: the CA itself."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a member has to be told; delivery is not the business of the transaction that writes it."""

    account_id: str
    event: str
    subject: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One link of the audit chain (`federation/audit.py`)."""

    number: int
    at: datetime
    event: str
    actor: str
    """`account/ID`, `server`, or `user/NAME` of an admin."""
    subject: str
    detail: Json
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Crl:
    """A published CRL (RFC 5280 §5)."""

    issuer_id: str
    number: int
    der: bytes
    this_update: datetime
    next_update: datetime
