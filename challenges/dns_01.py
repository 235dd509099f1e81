"""dns-01: a TXT record below the name itself (RFC 8555 §8.4), the one proof that also holds for a wildcard.

A record is found among others, so that several accounts and orders may prove one name at once; which records there are
is judged without a socket. The digest alone is published, never the key authorization.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import ClassVar

from challenges.base import (
    TOKEN,
    Ca,
    DnsPublisher,
    Error,
    Fault,
    Identifier,
    Json,
    Network,
    Outcome,
    Task,
    Tools,
    TxtAnswer,
    Verdict,
    base64url,
    check_token,
    fault_outcome,
    key_authorization,
)
from challenges.pull import Pull
from challenges.text import printable

__all__ = ["DNS_01", "LABEL", "MAX_NAME", "Dns01", "DnsResponder", "expected", "fits", "judge", "no_records"]

LABEL = "_acme-challenge"
MAX_NAME = 253
"""Characters of a name in DNS (RFC 1035 §2.3.4)."""
_SHOWN = 32
"""Octets of a wrong record that the requester gets to see: the CA's resolver is no window into other networks."""


def fits(identifier: Identifier, labels: str) -> bool:
    """Whether it is a DNS name that leaves room for these labels before it."""
    name = identifier.value
    return identifier.type == "dns" and not name.startswith("*.") and len(labels) + 1 + len(name) <= MAX_NAME


def expected(task: Task) -> str:
    """What a record has to hold: the SHA-256 of the key authorization, base64url without padding (RFC 8555 §8.4)."""
    return base64url(hashlib.sha256(key_authorization(task.token, task.thumbprint).encode("ascii")).digest())


def judge(wanted: str, evidence: TxtAnswer) -> Outcome:
    """VALID where one of the records is the digest and nothing else (RFC 8555 §8.4)."""
    seen = {"name": evidence.name, "final": evidence.final, "records": len(evidence.records)}
    if any(hmac.compare_digest(record, wanted.encode("ascii")) for record in evidence.records):
        return Outcome(Verdict.VALID, evidence=seen)
    if not evidence.records:
        detail = f"{no_records(evidence)}; publish one with the digest of the key authorization, then start a new order"
    else:
        first = printable(evidence.records[0][:_SHOWN], _SHOWN)
        detail = (
            f"none of the {len(evidence.records)} TXT records of {_where(evidence)} is the digest of this account's"
            f' key authorization; one begins with "{first}". Have all name servers of the zone the new one?'
        )
    return Outcome(Verdict.INVALID, Error("incorrectResponse", detail), evidence=seen)


def no_records(evidence: TxtAnswer) -> str:
    """For a person: the name that was asked for has no record."""
    return f"{_where(evidence)} has no TXT record"


def _where(evidence: TxtAnswer) -> str:
    name = printable(evidence.name, MAX_NAME)
    return name if evidence.final == evidence.name else f"{name} (by CNAME {printable(evidence.final, MAX_NAME)})"


@dataclass(frozen=True, slots=True)
class Dns01(Pull):
    """The challenge type of RFC 8555 §8.4."""

    type: ClassVar[str] = "dns-01"
    subdomains: ClassVar[bool] = True
    """Whoever writes a zone speaks for the names below (RFC 9444 §4)."""
    wildcards: ClassVar[bool] = True

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        return {} if fits(identifier, LABEL) else None

    def validate(self, task: Task, network: Network) -> Outcome:
        """Look up and judge; every Fault becomes an Outcome here."""
        try:
            answer = network.txt(f"{LABEL}.{task.identifier.value}")
        except Fault as fault:
            return fault_outcome(fault)
        return judge(expected(task), answer)

    def respond(self, task: Task, tools: Tools) -> DnsResponder | None:
        return None if tools.dns is None else DnsResponder(task, f"{LABEL}.{task.identifier.value}", tools.dns)


@dataclass(frozen=True, slots=True)
class DnsResponder:
    """The client's half: a record while the CA looks."""

    task: Task
    name: str
    """Where the record goes."""
    publisher: DnsPublisher

    def present(self) -> Json:
        """Publish the digest. Raises ValueError for a token that is not base64url."""
        check_token(self.task.token)
        self.publisher.publish(self.name, expected(self.task))
        return {}

    def wait(self) -> Json | None:
        """The record is all there is to do."""
        return None

    def clean_up(self) -> None:
        """Withdraw the record; nothing was published for a token that is none."""
        if TOKEN.fullmatch(self.task.token):
            self.publisher.withdraw(self.name, expected(self.task))


DNS_01 = Dns01()
