"""Small parts that implement the contract of `challenges.base`, for tests of challenge types."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from challenges.base import Ca, HttpAnswer, Identifier, Mail, Task

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
THUMBPRINT = "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def registrable(name: str) -> str | None:
    """A public suffix list of one rule: the last label is the suffix."""
    labels = name.split(".")
    return ".".join(labels[-2:]) if len(labels) > 1 else None


CA = Ca(name="Example XMPP CA", mail_from="acme@ca.example", registrable=registrable, report_to="abuse@ca.example")


def make_task(name: str = "example.org", **changes: Any) -> Task:
    values = {"token": TOKEN, "thumbprint": THUMBPRINT, "url": "https://ca.example/acme/challenge/Zk3q", "offer": {}}
    return Task(identifier=Identifier("dns", name), **(values | changes))


@dataclass
class Outbox:
    mails: list[Mail] = field(default_factory=list)

    def mail(self, mail: Mail) -> None:
        self.mails.append(mail)


@dataclass
class Network:
    """Answers with what it was given, and keeps what it was asked."""

    answer: HttpAnswer | Exception
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def http_get(self, host: str, path: str, *, limit: int) -> HttpAnswer:
        self.asked.append((host, path, limit))
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
class Reader:
    """A mailbox with one code in it, or none."""

    found: str | None
    asked: list[tuple[str, str, str, float]] = field(default_factory=list)

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:
        self.asked.append((challenge_url, sender, mailbox, timeout))
        if self.found is None:
            raise TimeoutError(f"no mail for {challenge_url}")
        return self.found
