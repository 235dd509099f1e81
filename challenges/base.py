"""The contract of a challenge type, and what all types share (RFC 8555 §8, §8.1).

A type is one file: the server offers, begins and validates it, the client responds to it, and the pure functions in
the middle judge. Nothing here opens a socket, a file or a database: those come in as parameters.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

__all__ = [
    "TOKEN",
    "BadResponse",
    "Begun",
    "Ca",
    "ChallengeType",
    "Error",
    "Fault",
    "HttpAnswer",
    "HttpPublisher",
    "Identifier",
    "Json",
    "Mail",
    "MailReader",
    "Network",
    "Outbox",
    "Outcome",
    "PushChallenge",
    "Responder",
    "Task",
    "Tools",
    "Verdict",
    "base64url",
    "key_authorization",
]

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
"""RFC 8555 §8.1: base64url, at least 128 bits; fit to be a file name."""

Json = dict[str, Any]
"""A JSON object as Python holds it."""


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """What a certificate is asked for (RFC 8555 §9.7.7)."""

    type: str
    """`dns`."""
    value: str
    """For `dns` an A-label name: lower-case LDH, no trailing dot."""

    def to_json(self) -> Json:
        """The object on the wire."""
        return {"type": self.type, "value": self.value}


@dataclass(frozen=True, slots=True)
class Error:
    """Why a validation has not succeeded: the `error` member of a challenge (RFC 8555 §8, RFC 7807)."""

    kind: str
    """The last part of an ACME error URN (RFC 8555 §6.7): `connection`, `incorrectResponse` …"""
    detail: str
    """For the person who asked: what was seen, what to do next. No secret, no foreign control character."""

    def to_json(self) -> Json:
        """The problem document on the wire."""
        return {"type": f"urn:ietf:params:acme:error:{self.kind}", "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Ca:
    """What a challenge type may know of the CA it works for."""

    name: str
    """For people: `Example XMPP CA`."""
    mail_from: str | None
    """The address challenge mail comes from, or None where the CA sends none."""
    registrable: Callable[[str], str | None]
    """A-label name -> its registrable domain by the public suffix list, None for a public suffix itself."""
    report_to: str
    """Where a person reports misuse: a URL or an address."""


@dataclass(frozen=True, slots=True)
class Task:
    """One challenge as its type sees it, on either side."""

    identifier: Identifier
    """The authorization's identifier."""
    token: str
    """The challenge object's token (base64url without padding)."""
    thumbprint: str
    """RFC 7638 SHA-256 thumbprint of the account key (base64url), at the first POST."""
    url: str
    """The challenge's URL."""
    offer: Json
    """The members of the challenge object that this type added: what `offer` returned."""
    names: tuple[str, ...] = ()
    """The A-label names of the orders that wait for this authorization: for people to read."""
    expires: datetime | None = None
    """When the authorization stops waiting (aware, UTC)."""
    state: Json = field(default_factory=dict)
    """Server only: what this type keeps between the steps; starts empty, holds no plain `token1`."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to be sent, in the outbox until it is."""

    to: str
    """The one recipient: local part "@" A-label domain."""
    sender: str
    """The From address."""
    content: bytes
    """The whole message, RFC 5322 with CRLF line ends."""


class Outbox(Protocol):
    """Where a push type puts what a gateway will send; written in the same transaction as the challenge."""

    def mail(self, mail: Mail) -> None:
        """Keep the mail until it is sent or the challenge ends."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a POST to a challenge led to."""

    state: Json
    """Replaces the task's state."""
    due: bool
    """Whether `validate` is to run now."""
    again: datetime | None = None
    """When `validate` is to run even if nothing more happens: a time that ends something."""


class Verdict(StrEnum):
    """What a validation came to."""

    VALID = "valid"
    INVALID = "invalid"
    """For good."""
    RETRY = "retry"
    """A passing fault: the server tries again by itself, a bounded number of times (RFC 8555 §8.2)."""
    WAITING = "waiting"
    """Still processing: the next step is the client's or a gateway's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one validation step; never a reply to a request (RFC 8555 §8)."""

    verdict: Verdict
    error: Error | None = None
    """None exactly when `verdict` is VALID."""
    state: Json | None = None
    """Replaces the task's state; None leaves it."""
    again: datetime | None = None
    """With WAITING: when to run `validate` even if nothing more happens."""
    evidence: Json = field(default_factory=dict)
    """What was seen, for the record: addresses, status, tries. No secret."""
    assurance: str = "dns"
    """What a VALID is worth: `dns`, `mail` or `cert`."""


class BadResponse(Exception):  # noqa: N818 - a response that is bad, by the name people look for
    """The payload of a POST to the challenge is not one this type knows; str() says what it should be."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The last answer of a chain of redirects."""

    status: int
    body: bytes
    """At most the number of octets asked for."""
    url: str
    """The URL that gave it."""
    address: str
    """The IP address that was connected to."""


class Fault(Exception):  # noqa: N818 - the network's fault, not ours
    """A look-up or a connection did not succeed."""

    def __init__(self, error: Error, *, transient: bool) -> None:
        super().__init__(error.detail)
        self.error = error
        self.transient = transient
        """Whether trying again later may help."""


class Network(Protocol):
    """The one guarded way out: whoever asks for a validation chooses where it goes."""

    def http_get(self, host: str, path: str, *, limit: int) -> HttpAnswer:
        """GET `http://host/path` on port 80, following redirects; at most `limit` octets of the body are read.

        Raises Fault.
        """


class HttpPublisher(Protocol):
    """The client's way to put a file under `/.well-known/acme-challenge/` of its own hosts."""

    def publish(self, token: str, content: str) -> None:
        """Serve `content` for `token`; the token has been checked to be base64url."""

    def withdraw(self, token: str) -> None:
        """Stop serving it; no error where it was never published."""


class MailReader(Protocol):
    """The client's way to the code in a challenge mail."""

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:
        """The code of the mail for this very challenge, 32 characters without its check group.

        Waits up to `timeout` seconds. Raises TimeoutError, saying where it looked.
        """


@dataclass(frozen=True, slots=True)
class Tools:
    """What the client can do about challenges here; None: not at all."""

    http: HttpPublisher | None = None
    mail: MailReader | None = None
    mailbox: str | None = None
    """The mailbox the code shall go to, if the operator has chosen; else the first of the challenge's list."""
    timeout: float = 3600.0
    """Seconds a responder may wait for something that comes from outside."""


class Responder(Protocol):
    """The client's half of one challenge. `clean_up` must not assume that `present` ran."""

    def present(self) -> Json:
        """Make the answer ready, quickly; the payload of the POST that tells the server (RFC 8555 §7.5.1)."""

    def wait(self) -> Json | None:
        """The slow part, after that POST: the payload of a second POST, or None when one was all.

        Raises TimeoutError.
        """

    def clean_up(self) -> None:
        """Take away what `present` left."""


class ChallengeType(Protocol):
    """A challenge type. Instances hold no state."""

    @property
    def type(self) -> str:
        """Its name on the wire (RFC 8555 §9.7.8)."""

    @property
    def subdomains(self) -> bool:
        """Whether it may prove an authorization with `subdomainAuthAllowed` (RFC 9444 §4)."""

    def offer(self, identifier: Identifier, ca: Ca) -> Json | None:
        """Server: the members it adds to a challenge object, or None where it cannot prove this identifier."""

    def begin(self, task: Task, payload: Json, outbox: Outbox, ca: Ca) -> Begun:
        """Server: take the payload of a POST to the challenge. No network. Raises BadResponse."""

    def validate(self, task: Task, network: Network) -> Outcome:
        """Server, in a worker: collect the evidence and judge it. A Fault of the network is an Outcome as well."""

    def respond(self, task: Task, tools: Tools) -> Responder | None:
        """Client: how to answer, or None where `tools` lack what it takes."""


class PushChallenge(ChallengeType, Protocol):
    """A type that has messages sent by a gateway."""

    def undeliverable(self, task: Task, mail: Mail, detail: str) -> Outcome:
        """Server: this mail was refused for good (SMTP 5xx); `detail` is what the other side said, made printable."""


def base64url(octets: bytes) -> str:
    """Base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def key_authorization(token: str, thumbprint: str) -> str:
    """`token "." thumbprint` (RFC 8555 §8.1)."""
    return f"{token}.{thumbprint}"
