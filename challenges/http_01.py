"""http-01: a file that the host itself serves on port 80 (RFC 8555 §8.3, for IP addresses RFC 8738 §4).

It proves one host, never the names below it, and never a wildcard. Judging is pure: the network comes in as a
parameter, and no file name is built from a token that has not been checked.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import ClassVar

from challenges.base import (
    TOKEN,
    Ca,
    Error,
    Fault,
    HttpAnswer,
    HttpPublisher,
    Identifier,
    Json,
    Network,
    Outcome,
    Task,
    Tools,
    Verdict,
    check_token,
    fault_outcome,
    key_authorization,
)
from challenges.pull import Pull
from challenges.text import printable

__all__ = ["BODY_LIMIT", "HTTP_01", "WELL_KNOWN", "Http01", "expected", "judge"]

WELL_KNOWN = "/.well-known/acme-challenge/"
BODY_LIMIT = 1024
"""Octets of the answer that are read; a key authorization has 87."""
_SHOWN = 32
"""Octets of a wrong answer that the requester gets to see: the validator is no window into other hosts."""


def expected(task: Task) -> bytes:
    """The body the host has to serve: the key authorization (RFC 8555 §8.1)."""
    return key_authorization(task.token, task.thumbprint).encode("ascii")


def judge(wanted: bytes, evidence: HttpAnswer) -> Outcome:
    """VALID where status and body are right (RFC 8555 §8.3); blanks at the body's end do not count."""
    seen = {"url": evidence.url, "address": evidence.address, "status": evidence.status}
    body = evidence.body.rstrip()
    whole = len(evidence.body) < BODY_LIMIT  # else it goes on with what nobody has read
    if evidence.status == 200 and whole and hmac.compare_digest(body, wanted):  # noqa: PLR2004 - OK, and no other 2xx
        return Outcome(Verdict.VALID, evidence=seen)
    where = f"{printable(evidence.url, 200)} at {evidence.address}"
    if evidence.status != 200:  # noqa: PLR2004
        problem = f"answered with status {evidence.status} instead of 200"
    else:
        problem = "did not answer with the key authorization of this account and token"
    detail = f'{where} {problem}; the body begins with "{printable(body[:_SHOWN], _SHOWN)}"'
    return Outcome(Verdict.INVALID, Error("incorrectResponse", detail), evidence=seen)


@dataclass(frozen=True, slots=True)
class Http01(Pull):
    """The challenge type of RFC 8555 §8.3."""

    type: ClassVar[str] = "http-01"
    subdomains: ClassVar[bool] = False
    """Another machine may serve a name below this one (RFC 9444 §4)."""
    wildcards: ClassVar[bool] = False
    """One host cannot speak for all (RFC 8555 §8.3)."""

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        # RFC 8738 §4: an address is asked by itself, without DNS.
        fits = identifier.type in ("dns", "ip") and not identifier.value.startswith("*.")
        return {} if fits else None

    def validate(self, task: Task, network: Network) -> Outcome:
        """Fetch and judge; every Fault becomes an Outcome here."""
        try:
            answer = network.http_get(task.identifier.value, WELL_KNOWN + task.token, limit=BODY_LIMIT)
        except Fault as fault:
            return fault_outcome(fault)
        return judge(expected(task), answer)

    def respond(self, task: Task, tools: Tools) -> HttpResponder | None:
        return None if tools.http is None else HttpResponder(task, tools.http)


@dataclass(frozen=True, slots=True)
class HttpResponder:
    """The client's half: a file while the CA looks."""

    task: Task
    publisher: HttpPublisher

    def present(self) -> Json:
        """Publish the key authorization. Raises ValueError for a token that is not base64url."""
        check_token(self.task.token)
        self.publisher.publish(self.task.token, expected(self.task).decode("ascii"))
        return {}

    def wait(self) -> Json | None:
        """One POST is all (RFC 8555 §7.5.1)."""
        return None

    def clean_up(self) -> None:
        if TOKEN.fullmatch(self.task.token):
            self.publisher.withdraw(self.task.token)


HTTP_01 = Http01()
