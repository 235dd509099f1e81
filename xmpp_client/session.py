"""A conversation with one CA under one account key: directory, nonces, signed requests, retries, problems.

The CA's answers are hostile input: what is not of the expected shape must never get past this module.
RFC 8555 §6 and §7.1 to §7.3, RFC 7807; draft-ietf-acme-profiles and RFC 9444 for two members of `meta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests

from challenges.base import Json
from xmpp_client.clock import SYSTEM, Clock
from xmpp_client.errors import AcmeProblem, Problem, ProtocolError, TransportError, UnsupportedError, legible
from xmpp_client.keys import AccountKey
from xmpp_client.transport import Network, Origin, object_of

__all__ = ["Directory", "Reply", "RetryPolicy", "Session", "passing"]

USER_AGENT = "xmpp-cert/0.1 (xmpp-ica)"
PEM_CHAIN = "application/pem-certificate-chain"
_SUBPROBLEMS = 100


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a session is. Times in seconds."""

    tries: int = 4
    """Attempts at one request when the network or the CA has a passing fault."""
    nonce_tries: int = 6
    """Attempts at one request that is answered badNonce (RFC 8555 §6.5)."""
    first: float = 0.5
    """The first pause; each further one is `factor` times the last."""
    factor: float = 1.7
    most: float = 30.0
    """The longest pause of our own."""
    retry_after_cap: float = 3600.0
    """The longest pause the CA may ask for."""
    total: float = 900.0
    """The whole session, without what a person or a mail takes."""

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """How long to wait after attempt number `attempt` (from 0)."""
        growth = float(self.factor ** min(attempt, 20))
        if retry_after is not None:
            floor = min(0.1 * growth, 2.0)  # a CA that says 0 for ever is not asked ten times a second for ever
            return min(max(retry_after, floor), self.retry_after_cap)
        return min(self.first * growth, self.most)


@dataclass(frozen=True, slots=True)
class Directory:
    """The CA's directory object (RFC 8555 §7.1.1)."""

    new_nonce: str
    new_account: str
    new_order: str
    revoke_cert: str
    terms: str | None = None
    """URL of the terms of service, legible."""
    profiles: Mapping[str, str] = field(default_factory=dict)
    """Profile name -> description, both legible; empty where the CA has none."""
    subdomains: bool = False
    """Whether `ancestorDomain` may be sent (RFC 9444 §6)."""
    external_account: bool = False
    """Whether an external account binding is demanded (RFC 8555 §7.3.4)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer."""

    status: int
    body: bytes
    location: str | None
    """The Location header as it came: unchecked."""
    retry_after: float | None
    """Seconds; None where the CA did not say."""

    @property
    def json(self) -> Json:
        """The object in the body. Raises ProtocolError."""
        content = object_of(self.body)
        if not content:
            raise ProtocolError("the CA answered with something that is not a JSON object")
        return content


class Session:
    """The handle: holds nonces, the account and the deadline."""

    def __init__(
        self,
        directory_url: str,
        key: AccountKey,
        *,
        trust: Path | None = None,
        policy: RetryPolicy | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.key = key
        self.policy = policy or RetryPolicy()
        self.clock = clock
        try:
            self.origin = Origin.of(directory_url)
        except ValueError as error:
            raise TransportError(f"{legible(directory_url)} is not an https URL") from error
        self._url = directory_url
        self._end = clock.monotonic() + self.policy.total
        self._network = Network(key.jwk, key.alg, self.origin, trust, self.remaining, USER_AGENT)
        self._directory: Directory | None = None

    def remaining(self) -> float:
        """Seconds left of the total deadline. Raises TransportError when there are none."""
        left = self._end - self.clock.monotonic()
        if left <= 0:
            raise TransportError("the CA took too long; the time for the whole exchange is over")
        return left

    def extend(self, seconds: float) -> None:
        """Time that a person or a mail took does not count."""
        self._end += seconds

    def sleep(self, seconds: float) -> None:
        """Wait. Raises TransportError at once when that would pass the deadline."""
        if seconds >= self.remaining():
            raise TransportError(
                f"the CA asks to wait {seconds:.0f} s, longer than this run may take", hint="Run this again later."
            )
        self.clock.sleep(seconds)

    @property
    def directory(self) -> Directory:
        """The directory, fetched once."""
        if self._directory is None:
            self._directory = self._read_directory()
            self._network.use_nonces_of(self._directory.new_nonce)
        return self._directory

    @property
    def account(self) -> str | None:
        """The account's URL once `register` or `find_account` has run."""
        return self._network.account_url

    def register(self, contact: tuple[str, ...], *, agree_terms: bool) -> str:
        """The account's URL: a new account or the one this key has (RFC 8555 §7.3, §7.3.1, §7.3.2).

        Raises UnsupportedError where the CA demands what cannot be given.
        """
        if self.directory.terms and not agree_terms:
            raise UnsupportedError(
                f"the CA has terms of service: {self.directory.terms}",
                hint="Read them; if you agree, set `agree_terms = true`.",
            )
        if self.directory.external_account:
            raise UnsupportedError("the CA demands an external account binding, which this client cannot give yet")
        agreed = {"termsOfServiceAgreed": True} if agree_terms else {}
        reply = self.post(self.directory.new_account, agreed | {"contact": list(contact)})
        url = self._use(reply)
        if reply.status == requests.codes.ok and reply.json.get("contact", []) != list(contact):
            self.post(url, {"contact": list(contact)})
        return url

    def find_account(self) -> str:
        """The URL of the account that this key has (RFC 8555 §7.3.1). Raises AcmeProblem."""
        return self._use(self.post(self.directory.new_account, {"onlyReturnExisting": True}))

    def get(self, url: str, *, accept: str = "application/json") -> Reply:
        """POST-as-GET (RFC 8555 §6.3). Raises TransportError, ProtocolError, AcmeProblem."""
        return self._post(url, None, accept)

    def post(self, url: str, payload: Json) -> Reply:
        """A signed POST. Raises TransportError, ProtocolError, AcmeProblem."""
        return self._post(url, payload, "application/json")

    def _use(self, reply: Reply) -> str:
        url = self.origin.check(reply.location)
        self._network.use_account(url)
        return url

    def _post(self, url: str, payload: Json | None, accept: str) -> Reply:
        self.origin.check(url)
        _ = self.directory  # the nonces come from there
        nonces = 0
        while True:
            try:
                return self._patiently(lambda: self._network.signed(url, payload, accept))
            except AcmeProblem as error:
                nonces += 1
                if error.problem.kind != "badNonce" or nonces >= self.policy.nonce_tries:
                    raise

    def _patiently(self, send: Any) -> Reply:
        """Send until there is an answer that is not a passing fault."""
        attempt = 0
        while True:
            try:
                return _checked(send(), self.clock)
            except (TransportError, AcmeProblem) as error:
                self.remaining()
                attempt += 1
                if attempt >= self.policy.tries or not passing(error):
                    raise
                self.sleep(self.policy.pause(attempt - 1, error.retry_after))

    def _read_directory(self) -> Directory:
        content = self._patiently(lambda: self._network.fetch(self._url)).json
        meta = content.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        profiles = meta.get("profiles")
        terms = meta.get("termsOfService")
        return Directory(
            **{ours: self.origin.check(content.get(theirs)) for ours, theirs in _RESOURCES.items()},
            terms=legible(terms) if terms else None,
            profiles={legible(k, 64): legible(v) for k, v in profiles.items()} if isinstance(profiles, dict) else {},
            subdomains=meta.get("subdomainAuthAllowed") is True,
            external_account=meta.get("externalAccountRequired") is True,
        )


_RESOURCES = {
    "new_nonce": "newNonce",
    "new_account": "newAccount",
    "new_order": "newOrder",
    "revoke_cert": "revokeCert",
}


def passing(error: TransportError | AcmeProblem) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, AcmeProblem):
        return error.problem.status in (429, 503) and error.retry_after is not None
    return True


def _checked(response: requests.Response, clock: Clock) -> Reply:
    """The answer as a value. Raises AcmeProblem, TransportError."""
    retry_after = _retry_after(response.headers.get("Retry-After"), clock)
    body = response.content
    if response.status_code < requests.codes.multiple_choices:
        return Reply(response.status_code, body, response.headers.get("Location"), retry_after)
    content = object_of(body)
    if isinstance(content.get("type"), str):
        raise AcmeProblem(problem_of(content, response.status_code), retry_after=retry_after)
    raise TransportError(
        f"the CA answered with HTTP status {response.status_code} and no reason", retry_after=retry_after
    )


def problem_of(content: Json, status: int = 0) -> Problem:
    """A problem document from the CA (RFC 7807, RFC 8555 §6.7.1), in legible text."""
    inner = content.get("subproblems")
    identifier = content.get("identifier")
    return Problem(
        type=legible(content.get("type", "about:blank"), 120),
        detail=legible(content.get("detail", "")),
        status=status,
        identifier=legible(identifier.get("value", ""), 255) if isinstance(identifier, dict) else "",
        subproblems=tuple(
            problem_of({**part, "subproblems": None}) for part in inner[:_SUBPROBLEMS] if isinstance(part, dict)
        )
        if isinstance(inner, list)
        else (),
    )


def _retry_after(value: str | None, clock: Clock) -> float | None:
    """Seconds from the header's number or date (RFC 9110 §10.2.3); None where it is neither."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - clock.now()).total_seconds(), 0.0)
