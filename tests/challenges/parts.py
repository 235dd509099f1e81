"""Small parts that implement the contract of `challenges.base`, for tests of challenge types."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from challenges.base import Ca, HttpAnswer, Identifier, Mail, Task, TlsAnswer, TxtAnswer

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
THUMBPRINT = "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
ACCOUNT_URL = "https://ca.example/acme/account/q1w2"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def registrable(name: str) -> str | None:
    """A public suffix list of one rule: the last label is the suffix."""
    labels = name.split(".")
    return ".".join(labels[-2:]) if len(labels) > 1 else None


CA = Ca(
    name="Example XMPP CA",
    mail_from="acme@ca.example",
    registrable=registrable,
    report_to="abuse@ca.example",
    issuer_domain_names=("ca.example", "xmpp-ca.example"),
    account_hash_prefix="https://ca.example/acme/account-hash/",
)


def make_task(name: str = "example.org", **changes: Any) -> Task:
    values = {
        "identifier": Identifier("dns", name),
        "token": TOKEN,
        "thumbprint": THUMBPRINT,
        "url": "https://ca.example/acme/challenge/Zk3q",
        "offer": {},
        "account_url": ACCOUNT_URL,
    }
    return Task(**(values | changes))


@dataclass
class Outbox:
    mails: list[Mail] = field(default_factory=list)

    def mail(self, mail: Mail) -> None:
        self.mails.append(mail)


@dataclass
class Network:
    """Answers with what it was given, and keeps what it was asked."""

    answer: HttpAnswer | TxtAnswer | TlsAnswer | Exception
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def http_get(self, host: str, path: str, *, limit: int) -> Any:
        return self._answered(host, path, limit)

    def txt(self, name: str) -> Any:
        return self._answered(name)

    def tls_alpn(self, host: str, *, server_name: str, protocol: str) -> Any:
        return self._answered(host, server_name, protocol)

    def _answered(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Publisher:
    served: dict[str, str] = field(default_factory=dict)

    def publish(self, token: str, content: str) -> None:
        self.served[token] = content

    def withdraw(self, token: str) -> None:
        self.served.pop(token, None)


@dataclass
class Zone:
    """TXT records that a client may change."""

    records: list[tuple[str, str]] = field(default_factory=list)

    def publish(self, name: str, value: str) -> None:
        self.records.append((name, value))

    def withdraw(self, name: str, value: str) -> None:
        if (name, value) in self.records:
            self.records.remove((name, value))

    def answer(self, name: str) -> TxtAnswer:
        return TxtAnswer(name, tuple(value.encode() for owner, value in self.records if owner == name), name)


@dataclass
class TlsHost:
    """Certificate and key for each identifier, both DER."""

    shown: dict[Identifier, tuple[bytes, bytes]] = field(default_factory=dict)

    def publish(self, identifier: Identifier, certificate: bytes, key: bytes) -> None:
        self.shown[identifier] = (certificate, key)

    def withdraw(self, identifier: Identifier) -> None:
        self.shown.pop(identifier, None)


@dataclass
class Reader:
    """A mailbox with one code in it, or none."""

    found: str | None
    asked: list[tuple[str, str, str, float]] = field(default_factory=list)

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:
        self.asked.append((challenge_url, sender, mailbox, timeout))
        if self.found is None:
            raise TimeoutError(f"no mail for {challenge_url}")
        return self.found
