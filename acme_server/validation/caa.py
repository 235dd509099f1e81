"""What the CAA records of a name allow: this CA, this account, this way of proving a name. Pure.

It permits where the records say so or say nothing of it, and refuses whatever it does not understand and is told to;
nothing here asks a name server. Implements RFC 8659 §3 and §4, and RFC 8657 §3 and §4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from challenges.persist_record import IssueValue, parse
from challenges.text import printable

__all__ = ["Asked", "Property", "names_upwards", "obstacle"]

_CRITICAL = 0x80
"""Issuer Critical; all other flags are left unread (§4.1)."""
_KNOWN = frozenset({"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc"})
"""Tags that are understood. The last five ask nothing of a CA for names: RFC 8659 §4.4, RFC 9495, the CA/B Forum's."""
_OWN_METHODS = frozenset({"email-01", "xmpp-01"})
"""Validation methods without an entry at IANA, which have a name beginning with `ca-` as well (RFC 8657 §4)."""
_METHOD = re.compile(r"[A-Za-z0-9-]+")
_SHOWN = 3
"""Records that a reason tells of."""


@dataclass(frozen=True, slots=True)
class Property:
    """One CAA record (RFC 8659 §4.1)."""

    flags: int
    tag: str
    """In lower case: tags are compared without regard to case."""
    value: bytes

    @property
    def is_foreign(self) -> bool:
        """Whether it is critical and of a tag that is unknown here (§4.5)."""
        return bool(self.flags & _CRITICAL) and self.tag not in _KNOWN


@dataclass(frozen=True, slots=True)
class Asked:
    """A name to be certified, for whom, and how it was proved."""

    name: str
    """An A-label name in lower case, without `*.`."""
    account_url: str
    method: str
    """The type of the challenge (RFC 8555 §9.7.8)."""
    wildcard: bool = False
    """Whether it is for `*.` before the name."""


def names_upwards(name: str) -> Iterator[str]:
    """The names whose records may be the relevant ones: the name and all above it, without the root (RFC 8659 §3)."""
    while name:
        yield name
        name = name.partition(".")[2]


def obstacle(properties: Sequence[Property], asked: Asked, issuers: Sequence[str]) -> str | None:
    """Why the relevant record set forbids it, for a person; None where it does not.

    `issuers`: the A-label names of this CA in lower case.
    """
    foreign = next((record for record in properties if record.is_foreign), None)
    if foreign is not None:
        return f'"{printable(foreign.tag, 40)}" is critical, and not known to this CA'
    restricting = _restricting(properties, asked.wildcard)
    if not restricting:
        return None
    reasons = [_unmet(record, asked, issuers) for record in restricting]
    if None in reasons:
        return None
    # What a record for this CA lacks says more than that others are for others.
    own = [reason for reason in reasons if reason]
    return own[0] if own else _of_others(restricting, issuers)


def _restricting(properties: Sequence[Property], wildcard: bool) -> list[Property]:
    """`issuewild` counts for wildcards alone, and where there is one, alone for them (RFC 8659 §4.3)."""
    for_wildcards = [record for record in properties if record.tag == "issuewild"]
    if wildcard and for_wildcards:
        return for_wildcards
    return [record for record in properties if record.tag == "issue"]


def _unmet(record: Property, asked: Asked, issuers: Sequence[str]) -> str | None:
    """None for a record that permits; else why it does not, empty where it is not for this CA.

    One that cannot be read names nobody (RFC 8659 §4.2).
    """
    try:
        value = parse(record.value)
    except ValueError as error:
        return f'"{_show(record)}" cannot be read: {printable(str(error), 160)}'
    if value.issuer not in issuers:
        return ""
    return _wrong_account(value, asked) or _wrong_method(value, asked)


def _wrong_account(value: IssueValue, asked: Asked) -> str | None:
    """RFC 8657 §3."""
    account = value.parameters.get("accounturi")
    if account is None or account == asked.account_url:
        return None
    return f'it is for the account "{printable(account, 200)}", and not for {asked.account_url}'


def _wrong_method(value: IssueValue, asked: Asked) -> str | None:
    """RFC 8657 §4."""
    listed = value.parameters.get("validationmethods")
    if listed is None:
        return None
    methods = listed.split(",")
    if not all(_METHOD.fullmatch(method) for method in methods):
        return f'"validationmethods={printable(listed, 120)}" cannot be read: names with commas between them'
    if asked.method in methods or (asked.method in _OWN_METHODS and f"ca-{asked.method}" in methods):
        return None
    return f"it is for proofs by {printable(listed, 120)}, and not by {asked.method}"


def _of_others(restricting: Sequence[Property], issuers: Sequence[str]) -> str:
    shown = ", ".join(f'"{_show(record)}"' for record in restricting[:_SHOWN])
    more = " …" if len(restricting) > _SHOWN else ""
    ours = f"this CA, {issuers[0]}" if issuers else "this CA, which has no name there"
    return f"it has {shown}{more}, and nothing for {ours}"


def _show(record: Property) -> str:
    return f"{record.tag} {printable(record.value, 80)}"
