"""dns-persist-01: a standing TXT record by which a name's zone trusts one account of this CA, without a token.

Records of other CAs beside ours are left unread; ours must name the account, still hold, and say so where it shall
count for a wildcard or for the names below. Implements draft-ietf-acme-dns-persist-02 (2026-09-20), with the plain
account URLs of -01.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from challenges.base import (
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
    fault_outcome,
)
from challenges.clock import utc_now
from challenges.dns_01 import fits, no_records
from challenges.persist_record import ANY_DOMAIN, HASH, IssueValue, hashed_account, issuer_of, parse, parse_time, write
from challenges.pull import Pull
from challenges.text import DOMAIN, printable

__all__ = ["DNS_PERSIST_01", "DRAFT", "LABEL", "DnsPersist01", "DnsPersistResponder", "Expected", "expected", "judge"]

DRAFT = "draft-ietf-acme-dns-persist-02"
LABEL = "_validation-persist"
MAX_ISSUERS = 10
"""Issuer domain names in a challenge (§3.1)."""
_LOOKED_AT = 20
"""Records of ours that are read; nobody needs so many accounts for one name."""
_HASH_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
_PREFIX = re.compile(r"https?://[A-Za-z0-9.:/_~%\[\]-]{1,200}")
"""What a client takes for a prefix: a CA may not slip a ";" or a blank into a record that other CAs read too."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a record is judged by."""

    issuers: tuple[str, ...]
    """The names of this CA, as the challenge gave them."""
    accounts: frozenset[str]
    """Every `accounturi` that stands for the account."""
    prefix: str
    """Where this CA's hashed URIs begin, empty where it has none."""
    wildcard: bool
    """Whether `policy=wildcard` is needed: for a wildcard, and for the names below (§5.1, §6.2)."""
    now: datetime


def expected(task: Task, now: datetime) -> Expected:
    """The account's URIs: hashed by each key it has had, for this domain and for any (§4.2), and its URL."""
    if not task.account_url:
        raise ValueError("a dns-persist-01 challenge needs the account's URL")
    prefix = task.offer.get("accountHashPrefix", "")
    # COMPAT: a CA without the prefix is one of draft -01 and before, where the URL stands as it is.
    accounts = {task.account_url}
    if prefix:
        accounts = {
            hashed_account(prefix, domain, key, task.account_url)
            for key in (task.thumbprint, *task.former_thumbprints)
            for domain in (task.identifier.value, ANY_DOMAIN)
        }
    return Expected(
        issuers=tuple(task.offer["issuerDomainNames"]),
        accounts=frozenset(accounts),
        prefix=prefix,
        wildcard=task.wildcard or task.subdomains,
        now=now,
    )


def judge(wanted: Expected, evidence: TxtAnswer) -> Outcome:
    """VALID where one record of ours meets every demand (§4.3.2); the one that holds longest counts."""
    ours = [record for record in evidence.records if issuer_of(record) in wanted.issuers][:_LOOKED_AT]
    seen = {"name": evidence.name, "final": evidence.final, "records": len(evidence.records), "ours": len(ours)}
    good, bad = [], []
    for record in ours:
        try:
            good.append(_end_of(wanted, record))
        except _RefusedError as refusal:
            bad.append(refusal.error)
    if good:
        until = None if None in good else max(end for end in good if end is not None)
        seen["until"] = None if until is None else until.isoformat()
        return Outcome(Verdict.VALID, evidence=seen, until=until)
    return Outcome(Verdict.INVALID, bad[0] if bad else _nothing_of_ours(wanted, evidence), evidence=seen)


class _RefusedError(Exception):
    """A record of ours that does not prove the name."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.error = Error(kind, f"A {LABEL} record of this CA is there, but {detail}")


def _end_of(wanted: Expected, record: bytes) -> datetime | None:
    """Until when the record holds, None: without end. Raises _RefusedError."""
    try:
        value = parse(record)
        end = parse_time(value.parameters["persistuntil"]) if "persistuntil" in value.parameters else None
    except ValueError as error:
        raise _RefusedError("malformed", f"it cannot be read: {printable(str(error), 160)}") from error
    _check_account(wanted, value)
    # §4.1: only this very value widens the scope, in any case of letters.
    if wanted.wildcard and value.parameters.get("policy", "").lower() != "wildcard":
        raise _RefusedError(
            "unauthorized",
            'for a wildcard or for names below it needs "policy=wildcard"; without, it is for the one name',
        )
    if end is not None and wanted.now > end:
        raise _RefusedError("unauthorized", f"it ended at {end.isoformat()} (persistUntil); publish a new one")
    return end


def _check_account(wanted: Expected, value: IssueValue) -> None:
    """Raises _RefusedError."""
    account = value.parameters.get("accounturi")
    if account is None:
        raise _RefusedError("malformed", 'it lacks "accounturi", the URI of the account that may use it')
    if account in wanted.accounts:
        return
    if wanted.prefix and account.startswith(wanted.prefix):
        algorithm, _, digest = account.removeprefix(wanted.prefix).partition("/")
        if algorithm != HASH or not _HASH_VALUE.fullmatch(digest):
            raise _RefusedError("malformed", f'its "accounturi" must end in {HASH}/ and 43 characters of base64url')
    raise _RefusedError("unauthorized", 'its "accounturi" is not that of this account and name; compare the two')


def _nothing_of_ours(wanted: Expected, evidence: TxtAnswer) -> Error:
    if not evidence.records:
        return Error("incorrectResponse", f"{no_records(evidence)}; publish one that begins with {wanted.issuers[0]};")
    names = ", ".join(wanted.issuers)
    return Error(
        "unauthorized",
        f"{printable(evidence.name, 253)} has {len(evidence.records)} TXT records, but none begins with a name of this"
        f" CA: {names}",
    )


@dataclass(frozen=True, slots=True)
class DnsPersist01(Pull):
    """The challenge type of draft-ietf-acme-dns-persist; an instance holds where time comes from."""

    type: ClassVar[str] = "dns-persist-01"
    subdomains: ClassVar[bool] = True
    """With `policy=wildcard` (§6)."""
    wildcards: ClassVar[bool] = True
    """With `policy=wildcard` (§5)."""
    has_token: ClassVar[bool] = False
    """§3.1: a record that stays cannot hold one."""

    now: Callable[[], datetime] = utc_now

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        """None for a CA without an issuer domain name: no record could name it."""
        if not ca.issuer_domain_names or not fits(identifier, LABEL):
            return None
        names = list(ca.issuer_domain_names[:MAX_ISSUERS])
        # COMPAT: the members of draft -01, which deployed clients read.
        offer: Json = {"issuerDomainNames": names, "issuer-domain-names": names, "accounturi": account_url}
        return offer | ({"accountHashPrefix": ca.account_hash_prefix} if ca.account_hash_prefix else {})

    def validate(self, task: Task, network: Network) -> Outcome:
        """Look up and judge, anew each time (§4.2); every Fault becomes an Outcome here."""
        try:
            answer = network.txt(f"{LABEL}.{task.identifier.value}")
        except Fault as fault:
            return fault_outcome(fault)
        return judge(expected(task, self.now()), answer)

    def respond(self, task: Task, tools: Tools) -> DnsPersistResponder | None:
        return None if tools.dns is None else DnsPersistResponder(task, tools.dns)


@dataclass(frozen=True, slots=True)
class DnsPersistResponder:
    """The client's half: publish the record once, and leave it."""

    task: Task
    publisher: DnsPublisher

    def present(self) -> Json:
        """Publish the record with the account's hashed URI, which is of use to no key but our own (§7.2.3).

        Without `accountHashPrefix` nothing is published: a plain account URL comes from the CA alone, and one that lies
        would have us trust somebody else's account at another CA. The record has to be there already then. Raises
        ValueError for an offer that breaks §3.1.
        """
        issuer = self._issuer()
        prefix = self.task.offer.get("accountHashPrefix")
        if prefix is None:
            return {}
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise ValueError('the CA\'s "accountHashPrefix" is no plain URL; nothing was published')
        name = self.task.identifier.value
        account = hashed_account(prefix, name, self.task.thumbprint, self.task.account_url)
        wildcard = self.task.wildcard or self.task.subdomains
        self.publisher.publish(f"{LABEL}.{name}", write(issuer, account, wildcard=wildcard))
        return {}

    def wait(self) -> Json | None:
        """The record is all there is to do."""
        return None

    def clean_up(self) -> None:
        """Nothing: the record is there to stay, for the next renewals (§3)."""

    def _issuer(self) -> str:
        names = self.task.offer.get("issuerDomainNames", self.task.offer.get("issuer-domain-names"))
        if not isinstance(names, list) or not 0 < len(names) <= MAX_ISSUERS:
            raise ValueError(f"the CA's challenge has no list of 1 to {MAX_ISSUERS} issuer domain names")
        if not all(isinstance(name, str) and DOMAIN.fullmatch(name) and name == name.lower() for name in names):
            raise ValueError("the CA's challenge has an issuer domain name that is no lower-case A-label name")
        return str(names[0])


DNS_PERSIST_01 = DnsPersist01()
