"""dns-account-01: dns-01 at a label of the account's own, so that many accounts may prove one name by delegation.

The label says which account it is, to nobody who does not know the account's URL; the value and the way of judging are
those of dns-01. Implements draft-ietf-acme-dns-account-label-03 (2026-05-14).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

from challenges import dns_01
from challenges.base import (
    Ca,
    Error,
    Fault,
    Identifier,
    Json,
    Network,
    Outcome,
    Task,
    Tools,
    fault_outcome,
)
from challenges.dns_01 import DnsResponder, expected, judge
from challenges.pull import Pull

__all__ = ["DNS_ACCOUNT_01", "DRAFT", "DnsAccount01", "label_of"]

DRAFT = "draft-ietf-acme-dns-account-label-03"
_LABEL_OCTETS = 10
"""Of the digest that become the label: 16 characters of base32."""


def label_of(account_url: str) -> str:
    """The account's label: "_" and the first ten octets of the SHA-256 of its URL, in base32 (§3.1, lower case)."""
    digest = hashlib.sha256(account_url.encode()).digest()[:_LABEL_OCTETS]
    return "_" + base64.b32encode(digest).decode("ascii").lower()


def _name_of(task: Task) -> str:
    if not task.account_url:
        raise ValueError("a dns-account-01 challenge needs the account's URL")
    return f"{label_of(task.account_url)}.{dns_01.LABEL}.{task.identifier.value}"


@dataclass(frozen=True, slots=True)
class DnsAccount01(Pull):
    """The challenge type of draft-ietf-acme-dns-account-label."""

    type: ClassVar[str] = "dns-account-01"
    subdomains: ClassVar[bool] = True
    """Whoever writes a zone speaks for the names below (RFC 9444 §4)."""
    wildcards: ClassVar[bool] = True

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        return {} if dns_01.fits(identifier, f"{label_of(account_url)}.{dns_01.LABEL}") else None

    def validate(self, task: Task, network: Network) -> Outcome:
        """Look up and judge; every Fault becomes an Outcome here."""
        try:
            answer = network.txt(_name_of(task))
        except Fault as fault:
            return fault_outcome(fault)
        outcome = judge(expected(task), answer)
        if answer.records or outcome.error is None:
            return outcome
        # §3.4: whoever has made the label for another account sees here which one it is for.
        detail = f"{outcome.error.detail} (the label is that of the account {task.account_url})"
        return replace(outcome, error=Error(outcome.error.kind, detail))

    def respond(self, task: Task, tools: Tools) -> DnsResponder | None:
        if tools.dns is None or not task.account_url:
            return None
        return DnsResponder(task, _name_of(task), tools.dns)


DNS_ACCOUNT_01 = DnsAccount01()
