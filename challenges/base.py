"""The contract of a challenge type, and what all types share (RFC 8555 §8, §8.1).

A type is one file: the server offers, begins and validates it, the client responds to it, and the pure functions in
the middle judge. Nothing here opens a socket, a file or a database: those come in as parameters.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from challenges.network import Fault, HttpAnswer, Network, TlsAnswer, TxtAnswer
from challenges.text import printable
from challenges.tools import DnsPublisher, HttpPublisher, MailReader, Responder, TlsAlpnPublisher, Tools
from challenges.values import TOKEN, Error, Identifier, Json

__all__ = [
    "TOKEN",
    "BadResponse",
    "Begun",
    "Ca",
    "ChallengeType",
    "DnsPublisher",
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
    "TlsAlpnPublisher",
    "TlsAnswer",
    "Tools",
    "TxtAnswer",
    "Verdict",
    "base64url",
    "check_token",
    "fault_outcome",
    "key_authorization",
]


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
    issuer_domain_names: tuple[str, ...] = ()
    """The A-label names by which DNS records speak of this CA (RFC 8659 §4.2), the preferred one first."""
    account_hash_prefix: str = ""
    """Where hashed account URIs begin, the directory's `accountHashPrefix` (dns-persist-01); empty: it has none."""


@dataclass(frozen=True, slots=True)
class Task:
    """One challenge as its type sees it, on either side."""

    identifier: Identifier
    """The authorization's identifier."""
    token: str
    """The challenge object's token (base64url without padding); empty for a type without one."""
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
    account_url: str = ""
    """The URL of the account that the authorization belongs to (RFC 8555 §7.3)."""
    wildcard: bool = False
    """Whether the authorization is for `*.` before the identifier (RFC 8555 §7.1.4)."""
    subdomains: bool = False
    """Whether it is also for all names below the identifier (RFC 9444 §4)."""
    former_thumbprints: tuple[str, ...] = ()
    """Server only: thumbprints of the keys that the account had before this one."""


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
    until: datetime | None = None
    """With VALID: the proof holds no longer than this (aware, UTC); None: as long as the server likes."""


class BadResponse(Exception):  # noqa: N818 - a response that is bad, by the name people look for
    """The payload of a POST to the challenge is not one this type knows; str() says what it should be."""


class ChallengeType(Protocol):
    """A challenge type. Instances hold no state."""

    @property
    def type(self) -> str:
        """Its name on the wire (RFC 8555 §9.7.8)."""

    @property
    def subdomains(self) -> bool:
        """Whether it may prove an authorization with `subdomainAuthAllowed` (RFC 9444 §4)."""

    @property
    def wildcards(self) -> bool:
        """Whether it may prove an authorization with `wildcard` (RFC 8555 §7.1.4).

        The server asks this: `offer` gets the authorization's identifier, which has no `*.`.
        """

    @property
    def has_token(self) -> bool:
        """Whether its challenge object has a `token`."""

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        """Server: the members it adds to a challenge object, or None where it cannot prove this identifier.

        `account_url`: the account that the authorization will belong to.
        """

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


def check_token(token: str) -> None:
    """Client: RFC 8555 §8.1 allows base64url only. Raises ValueError.

    The CA is hostile input: a token becomes a file name, or is hashed into a record on its word.
    """
    if not TOKEN.fullmatch(token):
        raise ValueError(
            f'the CA sent the token "{printable(token, 40)}", which is not 16 to 128 characters'
            " of base64url (RFC 8555 section 8.1); nothing was published"
        )


def key_authorization(token: str, thumbprint: str) -> str:
    """`token "." thumbprint` (RFC 8555 §8.1)."""
    return f"{token}.{thumbprint}"


def fault_outcome(fault: Fault) -> Outcome:
    """What a fault of the network means for a challenge: a passing one is tried again (RFC 8555 §8.2)."""
    return Outcome(Verdict.RETRY if fault.transient else Verdict.INVALID, fault.error)
