"""Orders, authorizations and challenges as the CA last told them: frozen snapshots behind small handles.

Nothing but a signed request may change a snapshot, and no member of the CA's objects is used unchecked.
RFC 8555 §7.1.3 to §7.1.6, §7.4, §7.5; RFC 9444 §4; draft-ietf-acme-profiles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from challenges.base import TOKEN, Identifier, Json, base64url
from xmpp_client.clock import from_text
from xmpp_client.errors import Problem, ProtocolError, legible
from xmpp_client.session import PEM_CHAIN, Reply, Session, problem_of
from xmpp_client.transport import Origin

__all__ = [
    "Authorization",
    "AuthorizationState",
    "ChallengeObject",
    "Order",
    "OrderState",
    "Status",
    "challenge_of",
    "new_order",
]

_AUTHORIZATIONS = 100
_CHALLENGES = 20
_CONTROL = ("type", "url", "status", "token", "error", "validated")


class Status(StrEnum):
    """What an order, an authorization or a challenge may be (RFC 8555 §7.1.6)."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ChallengeObject:
    """A challenge (RFC 8555 §7.1.5, §8)."""

    type: str
    url: str
    status: Status
    token: str
    """Empty where the CA gave none that is safe to use."""
    error: Problem | None
    offer: Json
    """The members that belong to the type alone."""


@dataclass(frozen=True, slots=True)
class AuthorizationState:
    """An authorization (RFC 8555 §7.1.4)."""

    identifier: Identifier
    status: Status
    challenges: tuple[ChallengeObject, ...]
    expires: datetime | None
    subdomains: bool
    """Whether it is valid for the names below too (RFC 9444 §4.2)."""

    @property
    def error(self) -> Problem | None:
        """Why it became invalid: the first challenge's error."""
        return next((c.error for c in self.challenges if c.error), None)


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order (RFC 8555 §7.1.3)."""

    status: Status
    identifiers: tuple[Identifier, ...]
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str | None
    error: Problem | None


class Authorization:
    """The handle of one authorization."""

    def __init__(self, session: Session, url: str) -> None:
        self._session = session
        self.url = session.origin.check(url)
        self.retry_after: float | None = None
        self.state = self.refresh()

    def refresh(self) -> AuthorizationState:
        """Ask the CA (RFC 8555 §7.5)."""
        reply = self._session.get(self.url)
        self.retry_after = reply.retry_after
        self.state = _authorization_of(reply.json, self._session.origin)
        return self.state

    def answer(self, challenge: ChallengeObject, payload: Json) -> ChallengeObject:
        """POST to one of its challenges (RFC 8555 §7.5.1); the challenge as it is then."""
        reply = self._session.post(challenge.url, payload)
        self.retry_after = reply.retry_after
        return challenge_of(reply.json, self._session.origin)


class Order:
    """The handle of one order."""

    def __init__(self, session: Session, url: str, reply: Reply) -> None:
        self._session = session
        self.url = url
        self.retry_after = reply.retry_after
        self.state = _order_of(reply.json, session.origin)

    def refresh(self) -> OrderState:
        """Ask the CA (RFC 8555 §7.4)."""
        return self._took(self._session.get(self.url))

    def finalize(self, csr: bytes) -> OrderState:
        """Send the DER request (RFC 8555 §7.4)."""
        return self._took(self._session.post(self.state.finalize, {"csr": base64url(csr)}))

    def download(self) -> bytes:
        """The chain as it came (RFC 8555 §7.4.2). Raises ProtocolError."""
        if self.state.certificate is None:
            raise ProtocolError("the CA says the order is valid, but not where the certificate is")
        return self._session.get(self.state.certificate, accept=PEM_CHAIN).body

    def _took(self, reply: Reply) -> OrderState:
        self.retry_after = reply.retry_after
        self.state = _order_of(reply.json, self._session.origin)
        return self.state


def new_order(session: Session, identifiers: Iterable[Json], profile: str) -> Order:
    """Order these identifier objects (RFC 8555 §7.4), with a profile unless it is empty."""
    payload: Json = {"identifiers": list(identifiers)}
    if profile:
        payload["profile"] = profile
    reply = session.post(session.directory.new_order, payload)
    return Order(session, session.origin.check(reply.location), reply)


def _order_of(content: Json, origin: Origin) -> OrderState:
    certificate = content.get("certificate")
    return OrderState(
        status=_status(content),
        identifiers=tuple(_identifier(part) for part in _list(content, "identifiers", _AUTHORIZATIONS)),
        authorizations=tuple(origin.check(u) for u in _list(content, "authorizations", _AUTHORIZATIONS)),
        finalize=origin.check(content.get("finalize")),
        certificate=None if certificate is None else origin.check(certificate),
        error=_error(content),
    )


def _authorization_of(content: Json, origin: Origin) -> AuthorizationState:
    return AuthorizationState(
        identifier=_identifier(content.get("identifier")),
        status=_status(content),
        challenges=tuple(challenge_of(part, origin) for part in _list(content, "challenges", _CHALLENGES)),
        expires=_moment(content.get("expires")),
        subdomains=content.get("subdomainAuthAllowed") is True,
    )


def challenge_of(content: Any, origin: Origin) -> ChallengeObject:
    """A challenge from the CA's object. Raises ProtocolError."""
    if not isinstance(content, dict):
        raise ProtocolError("the CA sent a challenge that is not an object")
    token = content.get("token")
    return ChallengeObject(
        type=legible(content.get("type", ""), 64),
        url=origin.check(content.get("url")),
        status=_status(content),
        # RFC 8555 §8.1: base64url; and it may become a file name, so nothing else gets further than here
        token=token if isinstance(token, str) and TOKEN.fullmatch(token) else "",
        error=_error(content),
        offer={key: value for key, value in content.items() if key not in _CONTROL},
    )


def _status(content: Json) -> Status:
    status = content.get("status")
    if not isinstance(status, str) or status not in list(Status):
        raise ProtocolError(f"the CA speaks of an unknown status {legible(status, 40)!r}")
    return Status(status)


def _error(content: Json) -> Problem | None:
    error = content.get("error")
    return problem_of(error) if isinstance(error, dict) else None


def _identifier(content: Any) -> Identifier:
    if isinstance(content, dict):
        kind, value = content.get("type"), content.get("value")
        if isinstance(kind, str) and isinstance(value, str):
            return Identifier(legible(kind, 64), legible(value, 255))
    raise ProtocolError("the CA sent an identifier that is none (RFC 8555 §9.7.7)")


def _list(content: Json, key: str, most: int) -> list[Any]:
    value = content.get(key)
    if not isinstance(value, list) or len(value) > most:
        raise ProtocolError(f"the CA sent an object without a proper list of {key}")
    return value


def _moment(value: Any) -> datetime | None:
    try:
        return from_text(value)
    except (TypeError, ValueError):
        return None
