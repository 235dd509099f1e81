"""One certificate, asked for step by step, by an applicant who remembers exactly what the server has acknowledged.

After any interruption it goes on from there, and asks for nothing twice that was answered once. RFC 8555 §7; RFC 9444;
the project's protocol for email-01.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.account import Account, Request, base64url
from tests.faults.client import AcmeClient, wait


class Proof(Protocol):
    """How an applicant proves a name."""

    type: str

    def prepare(self, challenge: dict[str, Any], account: Account) -> None:
        """Before the first POST to the challenge."""

    def answer(self, challenge: dict[str, Any], account: Account) -> dict[str, str] | None:
        """The payload of a second POST, or None."""


class HttpProof:
    """http-01 (RFC 8555 §8.3)."""

    type = "http-01"

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers

    def prepare(self, challenge: dict[str, Any], account: Account) -> None:
        self._answers[challenge["token"]] = f"{challenge['token']}.{account.thumbprint}"

    def answer(self, challenge: dict[str, Any], account: Account) -> dict[str, str] | None:
        return None


class MailProof:
    """email-01: the code from the mail whose header names the challenge."""

    type = "email-01"

    def __init__(self, mails: list[str], running: Callable[[], bool]) -> None:
        """`mails`: where they arrive; `running`: whether there is a server that may still send one."""
        self._mails = mails
        self._running = running

    def prepare(self, challenge: dict[str, Any], account: Account) -> None:
        """The mail comes by itself."""

    def mails_for(self, challenge: dict[str, Any]) -> list[str]:
        return [mail for mail in self._mails if challenge["url"] in mail]

    def answer(self, challenge: dict[str, Any], account: Account) -> dict[str, str] | None:
        wait(lambda: bool(self.mails_for(challenge)) or not self._running(), "the mail")
        mails = self.mails_for(challenge)
        if not mails:
            raise ConnectionError("the server has ended, and sends no mail")
        mail = mails[-1]
        found = re.search(r"ACME code:\s+(\S+)", mail)
        assert found, mail
        token1 = found[1].replace("-", "")[:32]
        digest = hashlib.sha256(f"{token1}{challenge['token']}.{account.thumbprint}".encode()).digest()
        return {"mailbox": challenge["mailboxes"][0], "response": base64url(digest)}


@dataclass
class Enrolment:
    """One certificate, asked for in steps; what has been acknowledged is not asked for again."""

    client: AcmeClient
    names: list[str]
    proof: Proof
    ancestor: str | None = None
    """RFC 9444: the domain whose authorization proves all of the names."""
    order: str | None = None
    """The order's URL, once it was told."""
    responded: set[str] = field(default_factory=set)
    """URLs of challenges whose POST was answered."""
    chain: bytes | None = None
    """PEM."""
    said: Any = None
    """The order, as last seen."""

    def __post_init__(self) -> None:
        self.request = Request(self.names)

    def steps(self) -> Iterator[str]:
        """Go on from what is acknowledged; yields the name of each step when it is. Raises one of GONE."""
        client = self.client
        if client.account.kid is None:
            reply = client.post(client.url("newAccount"), {"termsOfServiceAgreed": True}).good()
            client.account.kid = reply.headers["Location"]
            yield "account"
        if self.order is None:
            identifiers = [self._identifier(name) for name in self.names]
            reply = client.post(client.url("newOrder"), {"identifiers": identifiers}).good()
            self.order = reply.headers["Location"]
            yield "order"
        for authorization in client.read(self.order)["authorizations"]:
            yield from self._prove(authorization)
        if client.read(self.order)["status"] in ("ready", "pending"):
            yield from self._finalize()
        wait(lambda: self._seen() not in ("processing", "ready"), "the certificate")
        if self.said["status"] == "valid":
            self.chain = client.post(self.said["certificate"]).good().body
            yield "issued"

    def run(self) -> Enrolment:
        """All steps that are left. Raises one of GONE."""
        for _ in self.steps():
            pass
        return self

    def check_issued(self) -> None:
        """The order is valid, and the certificate is what was asked for."""
        assert self.said["status"] == "valid", self.said
        assert self.chain is not None
        assert self.request.faults(self.chain) == []

    def check_acknowledged(self) -> None:
        """Everything that was ever answered is still there."""
        if self.client.account.kid is not None:
            assert self.client.read(self.client.account.kid)["status"] == "valid"
        if self.order is not None:
            for authorization in self.client.read(self.order)["authorizations"]:
                challenges = self.client.read(authorization)["challenges"]
                begun = {challenge["url"] for challenge in challenges if challenge["status"] != "pending"}
                assert self.responded & {challenge["url"] for challenge in challenges} <= begun
        if self.chain is not None:
            assert self.client.post(self.said["certificate"]).good().body == self.chain

    def _seen(self) -> str:
        assert self.order is not None
        self.said = self.client.read(self.order)
        return str(self.said["status"])

    def _identifier(self, name: str) -> dict[str, str]:
        identifier = {"type": "dns", "value": name}
        return identifier if self.ancestor in (None, name) else identifier | {"ancestorDomain": str(self.ancestor)}

    def _challenge(self, authorization: str) -> tuple[str, dict[str, Any]]:
        document = self.client.read(authorization)
        (challenge,) = [one for one in document["challenges"] if one["type"] == self.proof.type]
        return document["status"], challenge

    def _prove(self, authorization: str) -> Iterator[str]:
        status, challenge = self._challenge(authorization)
        if status != "pending":
            return
        self.proof.prepare(challenge, self.client.account)
        self._respond(authorization, challenge["url"], {})
        yield "responded"
        answer = self.proof.answer(challenge, self.client.account)
        if answer is not None and self._challenge(authorization)[0] == "pending":
            self._respond(authorization, challenge["url"], answer)
            yield "answered"
        wait(lambda: self._challenge(authorization)[0] != "pending", "the authorization")
        yield "authorized"

    def _respond(self, authorization: str, url: str, payload: object) -> None:
        reply = self.client.post(url, payload)
        # Where the answer to an earlier POST was lost, the challenge may have ended meanwhile.
        assert reply.status == 200 or self._challenge(authorization)[0] != "pending", reply.body
        self.responded.add(url)

    def _finalize(self) -> Iterator[str]:
        finalize = self.client.read(self.order or "")["finalize"]
        reply = self.client.post(finalize, {"csr": self.request.csr})
        assert reply.status == 200 or self._seen() not in ("ready", "pending"), reply.body
        yield "finalized"
