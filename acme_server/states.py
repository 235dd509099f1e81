"""Every status there is, and every way from one to another (RFC 8555 §7.1.6).

The tables below are the document: nothing else in the server names a next status. The status of an order is not kept
but derived, so it can never disagree with what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

__all__ = [
    "ACCOUNT",
    "AUTHORIZATION",
    "CERTIFICATE",
    "CHALLENGE",
    "AccountStatus",
    "AuthorizationStatus",
    "CertificateStatus",
    "ChallengeStatus",
    "Event",
    "ForbiddenTransition",
    "OrderStatus",
    "after",
    "authorization_status",
    "order_status",
]


_StatusT = TypeVar("_StatusT", bound=StrEnum)


class AccountStatus(StrEnum):
    """RFC 8555 §7.1.2."""

    VALID = "valid"
    DEACTIVATED = "deactivated"
    REVOKED = "revoked"


class OrderStatus(StrEnum):
    """RFC 8555 §7.1.3."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class AuthorizationStatus(StrEnum):
    """RFC 8555 §7.1.4."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ChallengeStatus(StrEnum):
    """RFC 8555 §8."""

    PENDING = "pending"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class CertificateStatus(StrEnum):
    """Ours: what the record of a serial says (record before sign)."""

    RESERVED = "reserved"
    """The serial and the hash of what will be signed are durable; the signature may or may not exist."""
    ISSUED = "issued"
    ORPHAN = "orphan"
    """Reserved, and then interrupted: it is on the CRL, because a signature may exist somewhere."""


class Event(StrEnum):
    """What can happen to any of them."""

    RESPONDED = "responded"
    """The client has POSTed to the challenge (RFC 8555 §7.5.1)."""
    PROVED = "proved"
    REFUTED = "refuted"
    """Validation has failed for good."""
    EXPIRED = "expired"
    DEACTIVATED = "deactivated"
    REVOKED = "revoked"
    SIGNED = "signed"
    INTERRUPTED = "interrupted"


ACCOUNT: Mapping[tuple[AccountStatus, Event], AccountStatus] = {
    (AccountStatus.VALID, Event.DEACTIVATED): AccountStatus.DEACTIVATED,
    (AccountStatus.VALID, Event.REVOKED): AccountStatus.REVOKED,
}

AUTHORIZATION: Mapping[tuple[AuthorizationStatus, Event], AuthorizationStatus] = {
    (AuthorizationStatus.PENDING, Event.PROVED): AuthorizationStatus.VALID,
    (AuthorizationStatus.PENDING, Event.REFUTED): AuthorizationStatus.INVALID,
    (AuthorizationStatus.PENDING, Event.EXPIRED): AuthorizationStatus.EXPIRED,
    (AuthorizationStatus.PENDING, Event.DEACTIVATED): AuthorizationStatus.DEACTIVATED,
    (AuthorizationStatus.VALID, Event.EXPIRED): AuthorizationStatus.EXPIRED,
    (AuthorizationStatus.VALID, Event.DEACTIVATED): AuthorizationStatus.DEACTIVATED,
    (AuthorizationStatus.VALID, Event.REVOKED): AuthorizationStatus.REVOKED,
}

CHALLENGE: Mapping[tuple[ChallengeStatus, Event], ChallengeStatus] = {
    (ChallengeStatus.PENDING, Event.RESPONDED): ChallengeStatus.PROCESSING,
    (ChallengeStatus.PENDING, Event.EXPIRED): ChallengeStatus.INVALID,
    # email-01 takes more than one response: the request for the mail, then the answer.
    (ChallengeStatus.PROCESSING, Event.RESPONDED): ChallengeStatus.PROCESSING,
    (ChallengeStatus.PROCESSING, Event.PROVED): ChallengeStatus.VALID,
    (ChallengeStatus.PROCESSING, Event.REFUTED): ChallengeStatus.INVALID,
    (ChallengeStatus.PROCESSING, Event.EXPIRED): ChallengeStatus.INVALID,
}

CERTIFICATE: Mapping[tuple[CertificateStatus, Event], CertificateStatus] = {
    (CertificateStatus.RESERVED, Event.SIGNED): CertificateStatus.ISSUED,
    (CertificateStatus.RESERVED, Event.INTERRUPTED): CertificateStatus.ORPHAN,
}


class ForbiddenTransition(Exception):  # noqa: N818 - a transition is what it is
    """The table has no such step."""


def after(table: Mapping[tuple[_StatusT, Event], _StatusT], status: _StatusT, event: Event) -> _StatusT:
    """The status that `event` leads to. Raises ForbiddenTransition."""
    try:
        return table[status, event]
    except KeyError:
        raise ForbiddenTransition(f"{type(status).__name__} {status} takes no {event}") from None


def authorization_status(stored: AuthorizationStatus, expires: datetime, now: datetime) -> AuthorizationStatus:
    """The status at `now`: time ends an authorization whether or not anybody wrote it down (RFC 8555 §7.1.6)."""
    if expires <= now and (stored, Event.EXPIRED) in AUTHORIZATION:
        return after(AUTHORIZATION, stored, Event.EXPIRED)
    return stored


def order_status(
    authorizations: Iterable[AuthorizationStatus],
    *,
    expired: bool,
    failed: bool,
    processing: bool,
    issued: bool,
) -> OrderStatus:
    """Derive an order's status (RFC 8555 §7.1.6).

    `authorizations` are their statuses now; `failed`: the order has an error; `processing`: finalize was accepted and
    the certificate is being made. An order that is being made is not ended by its expiry.
    """
    if failed:
        return OrderStatus.INVALID
    if issued:
        return OrderStatus.VALID
    if processing:
        return OrderStatus.PROCESSING
    statuses = set(authorizations)
    if expired or statuses - {AuthorizationStatus.PENDING, AuthorizationStatus.VALID}:
        return OrderStatus.INVALID
    return OrderStatus.READY if statuses == {AuthorizationStatus.VALID} else OrderStatus.PENDING
