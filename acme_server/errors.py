"""Problem documents: one class per ACME error type, with its HTTP status (RFC 8555 §6.7, RFC 7807).

A Problem is what a handler raises when a request is refused; only `web/acme.py` renders it. It must never carry the
cause of a fault of ours: that goes to the log under an incident id. A failed validation is not a Problem of the
request but an `Outcome` stored on the challenge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from challenges.base import Error, Identifier, Json

__all__ = [
    "URN",
    "AccountDoesNotExist",
    "AlreadyReplaced",
    "AlreadyRevoked",
    "BadCSR",
    "BadNonce",
    "BadPublicKey",
    "BadRevocationReason",
    "BadSignatureAlgorithm",
    "Deactivated",
    "ExternalAccountRequired",
    "InvalidContact",
    "InvalidProfile",
    "KeyInUse",
    "Malformed",
    "MethodNotAllowed",
    "Misdirected",
    "NotFound",
    "OrderNotReady",
    "Problem",
    "RateLimited",
    "RejectedIdentifier",
    "ServerInternal",
    "ServiceUnavailable",
    "Subproblem",
    "TooLarge",
    "Unauthorized",
    "UnsupportedContact",
    "UnsupportedIdentifier",
    "UnsupportedMediaType",
    "UserActionRequired",
]

URN = "urn:ietf:params:acme:error:"


@dataclass(frozen=True, slots=True)
class Subproblem:
    """One identifier's share of a problem (RFC 8555 §6.7.1)."""

    error: Error
    identifier: Identifier

    def to_json(self) -> Json:
        """The object on the wire."""
        return self.error.to_json() | {"identifier": self.identifier.to_json()}


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - the name RFC 7807 gives it
    """A request is refused: what a client is told, and nothing else."""

    kind: ClassVar[str] = "serverInternal"
    """The last part of the error's URN."""
    status: ClassVar[int] = 500

    detail: str
    """For a person: what happened and what to do next."""
    subproblems: Sequence[Subproblem] = ()
    extra: Json = field(default_factory=dict)
    """Members that a type adds, such as `algorithms` (RFC 8555 §6.2)."""
    headers: dict[str, str] = field(default_factory=dict)
    """Response headers the refusal needs: Retry-After, Location, Link, Allow."""

    def __post_init__(self) -> None:
        Exception.__init__(self, self.detail)

    def to_json(self) -> Json:
        """The problem document."""
        document = {"type": URN + self.kind, "detail": self.detail, "status": self.status} | self.extra
        if self.subproblems:
            document["subproblems"] = [part.to_json() for part in self.subproblems]
        return document


class Malformed(Problem):
    """The request could not be read."""

    kind, status = "malformed", 400


class NotFound(Malformed):
    """Nothing is at this URL, or nothing that this account may see."""

    status = 404


class MethodNotAllowed(Malformed):
    """The URL exists, for another method."""

    status = 405


class KeyInUse(Malformed):
    """Another account has the key; the header Location says which (RFC 8555 §7.3.5)."""

    status = 409


class Misdirected(Malformed):
    """The request names a host that is not this server's (RFC 9110 §15.5.20)."""

    status = 421


class TooLarge(Malformed):
    """The body is over the limit."""

    status = 413


class UnsupportedMediaType(Malformed):
    """The body is not `application/jose+json` (RFC 8555 §6.2)."""

    status = 415


class BadNonce(Problem):
    """The anti-replay nonce was not one of ours, or was used (RFC 8555 §6.5)."""

    kind, status = "badNonce", 400


class BadSignatureAlgorithm(Problem):
    """The JWS algorithm is not one we take, or not the key's (RFC 8555 §6.2)."""

    kind, status = "badSignatureAlgorithm", 400


class BadPublicKey(Problem):
    """The key is of a kind or a strength we do not take (RFC 8555 §6.2)."""

    kind, status = "badPublicKey", 400


class BadCSR(Problem):
    """The CSR cannot be accepted (RFC 8555 §7.4)."""

    kind, status = "badCSR", 400


class AccountDoesNotExist(Problem):
    """No account has this key or URL (RFC 8555 §7.3.1, §6.2)."""

    kind, status = "accountDoesNotExist", 400


class ExternalAccountRequired(Problem):
    """A new account must be bound to one elsewhere (RFC 8555 §7.3.4)."""

    kind, status = "externalAccountRequired", 403


class InvalidContact(Problem):
    """A contact URL is broken (RFC 8555 §7.3)."""

    kind, status = "invalidContact", 400


class UnsupportedContact(Problem):
    """A contact URL is of a scheme we do not use (RFC 8555 §7.3)."""

    kind, status = "unsupportedContact", 400


class UserActionRequired(Problem):
    """A person has to do something first, such as agree to the terms (RFC 8555 §7.3.3)."""

    kind, status = "userActionRequired", 403


class InvalidProfile(Problem):
    """The profile is not one the directory lists (draft-ietf-acme-profiles §4)."""

    kind, status = "invalidProfile", 400


class RateLimited(Problem):
    """Too much, too fast; the header Retry-After says when to come back (RFC 8555 §6.6)."""

    kind, status = "rateLimited", 429


class RejectedIdentifier(Problem):
    """We do not issue for this name (RFC 8555 §6.7)."""

    kind, status = "rejectedIdentifier", 400


class UnsupportedIdentifier(Problem):
    """The identifier is of a type we do not know (RFC 8555 §6.7)."""

    kind, status = "unsupportedIdentifier", 400


class OrderNotReady(Problem):
    """Finalize came before every authorization was valid (RFC 8555 §7.4)."""

    kind, status = "orderNotReady", 403


class Unauthorized(Problem):
    """The signer may not do this (RFC 8555 §6.7)."""

    kind, status = "unauthorized", 403


class Deactivated(Unauthorized):
    """The signer's account is closed (RFC 8555 §7.3.6, which names the status)."""

    status = 401


class AlreadyReplaced(Problem):
    """Another order replaces that certificate (RFC 9773 §7.4)."""

    kind, status = "alreadyReplaced", 409


class AlreadyRevoked(Problem):
    """The certificate is revoked (RFC 8555 §7.6)."""

    kind, status = "alreadyRevoked", 400


class BadRevocationReason(Problem):
    """The reason is not one a subscriber may give (RFC 8555 §7.6)."""

    kind, status = "badRevocationReason", 400


class ServerInternal(Problem):
    """A fault of ours; the detail is an incident id and nothing else."""


class ServiceUnavailable(Problem):
    """We cannot do this now; come back after Retry-After seconds."""

    status = 503
