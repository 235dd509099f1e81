"""What the handlers work with: chosen once, in `app.py`, and handed to each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from acme_server.config import Config
from acme_server.identifiers import Rules
from acme_server.issuance.profiles import Profile
from acme_server.limiter import Limiter
from acme_server.model import Account, Clock, Job, JobKind
from acme_server.policy import NamePolicy
from acme_server.protocol.jws import AccountKey
from acme_server.protocol.nonces import Nonces
from acme_server.store import Store
from acme_server.urls import Urls
from challenges.base import Ca, ChallengeType, base64url

__all__ = ["Chain", "Services", "SignedRequest", "Work"]

_ID_OCTETS = 16


class Work(Protocol):
    """The way to the workers: a job is written with the change it belongs to, and handed over after the COMMIT."""

    def lease(self, kind: JobKind, ref: str, account_id: str) -> Job:
        """A job to be added to the store; held by this process if one of its workers is free for it, else by nobody.

        `account_id`: whom it is done for.
        """

    def run(self, job: Job, *, held: bool) -> None:
        """Have it done, and wait a moment for it: a short wait saves the client a round trip.

        `held`: what `Jobs.add` has said; where it is False, whoever claims the job does it.
        """


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request whose signature, nonce and URL have been checked."""

    url: str
    key: AccountKey
    account: Account | None
    """The signer's, where a `kid` named it."""
    payload: bytes
    """Empty for POST-as-GET (RFC 8555 §6.3)."""
    target: str = ""
    """The id in the URL."""
    address: str = ""
    """The IP address it came from, in front of our own proxies."""

    @property
    def signer(self) -> Account:
        """The account, where the URL table demands one."""
        assert self.account is not None
        return self.account


@dataclass(frozen=True, slots=True)
class Chain:
    """What is sent above a leaf (RFC 8555 §7.4.2)."""

    certificates: tuple[bytes, ...]
    """DER, the issuer's own first."""
    until: datetime
    """The end of the first one of them to end."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that comes in from outside the rules."""

    config: Config
    store: Store
    clock: Clock
    random: Callable[[int], bytes]
    """That many octets from a CSPRNG."""
    nonces: Nonces
    challenges: Mapping[str, ChallengeType]
    ca: Ca
    profiles: Mapping[str, Profile]
    rules: Rules
    """Which identifiers can be certified at all."""
    names: NamePolicy
    """Which of them this CA holds back."""
    limiter: Limiter
    urls: Urls
    work: Work
    chains: Mapping[str, tuple[Chain, ...]]
    """Issuer id -> chains above a leaf of its, the usual one first."""

    def new_id(self) -> str:
        """An id nobody can guess (base64url)."""
        return base64url(self.random(_ID_OCTETS))
