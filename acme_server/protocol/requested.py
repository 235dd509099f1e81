"""The identifiers of a request: read, and held against what this CA certifies and for whom (RFC 8555 §7.4, §6.7.1).

All that is wrong with them is told at once, a subproblem for each; nothing is taken where one of them is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from acme_server.domains import is_at_or_below
from acme_server.errors import InvalidProfile, Malformed, Problem, RejectedIdentifier, Subproblem, UnsupportedIdentifier
from acme_server.identifiers import Requested, dns_name_of, parse_identifier
from acme_server.issuance.profiles import Profile, refusal
from acme_server.protocol.services import Services
from acme_server.store import Transaction
from challenges.base import Error, Identifier

__all__ = ["check_approvals", "check_names", "check_profile", "read_identifier", "read_identifiers", "refuse"]

_MAX_IDENTIFIERS = 100
_MAX_JIDS = 1
"""No profile takes more, and preparing a long one takes milliseconds: nobody shall send a hundred of them."""
_SHOWN = 253
"""Characters of a refused value that are told again: a name has no more."""


def read_identifiers(value: Any, services: Services) -> tuple[Requested, ...]:
    """Read newOrder's `identifiers`, each once. Raises Problem."""
    if not isinstance(value, list) or not value:
        raise Malformed("`identifiers` must be a list of one or more")
    if len(value) > _MAX_IDENTIFIERS:
        raise Malformed(f"an order has at most {_MAX_IDENTIFIERS} identifiers")
    if sum(isinstance(member, dict) and member.get("type") == "jid" for member in value) > _MAX_JIDS:
        raise Malformed("an order has at most one identifier of type `jid`")
    requested: dict[Identifier, Requested] = {}
    refused: list[tuple[Identifier, Problem]] = []
    for member in value:
        try:
            part = read_identifier(member, services)
            requested.setdefault(part.identifier, part)
        except (RejectedIdentifier, UnsupportedIdentifier) as problem:
            refused.append((Identifier(member["type"][:_SHOWN], member["value"][:_SHOWN]), problem))
    refuse(refused)
    return tuple(requested.values())


def read_identifier(value: Any, services: Services) -> Requested:
    """Read one. Raises Malformed, UnsupportedIdentifier, RejectedIdentifier."""
    part = parse_identifier(value, services.rules)
    check_names((part.identifier,), services)
    return part


def check_names(identifiers: Iterable[Identifier], services: Services) -> None:
    """Raise RejectedIdentifier where the CA certifies one of the names for nobody."""
    refuse(
        [
            (identifier, RejectedIdentifier(f"this CA does not certify {identifier.value}"))
            for identifier in identifiers
            if services.names.refuses(identifier)
        ]
    )


def check_profile(profile: Profile, identifiers: Sequence[Identifier], services: Services) -> None:
    """Raise InvalidProfile where the profile has no place for the identifiers (draft-ietf-acme-profiles §4)."""
    reason = refusal(profile, identifiers)
    if reason is None:
        return
    fit = [f"`{other.name}`" for other in services.profiles.values() if refusal(other, identifiers) is None]
    raise InvalidProfile(reason + (f" These go with {', '.join(fit)}." if fit else ""))


def check_approvals(
    transaction: Transaction, account_id: str, identifiers: Iterable[Identifier], services: Services
) -> None:
    """Raise RejectedIdentifier where a high-value name has not been approved for the account."""
    held_back = [identifier for identifier in identifiers if services.names.wants_approval(identifier)]
    if not held_back:
        return
    approved, account_url = transaction.approvals.of_account(account_id), services.urls.account(account_id)
    refuse(
        [
            (identifier, _unapproved(identifier, account_url))
            for identifier in held_back
            if not any(is_at_or_below(dns_name_of(identifier) or "", name) for name in approved)
        ]
    )


def refuse(refused: Sequence[tuple[Identifier, Problem]]) -> None:
    """Raise one problem for all of them, if there are any: the first one's type, a subproblem each for several."""
    if not refused:
        return
    first = refused[0][1]
    if len(refused) == 1:
        raise first
    raise type(first)(
        "some identifiers are refused; the subproblems say which and why",
        subproblems=[Subproblem(Error(problem.kind, problem.detail), identifier) for identifier, problem in refused],
    )


def _unapproved(identifier: Identifier, account_url: str) -> RejectedIdentifier:
    return RejectedIdentifier(
        f"very many people rely on {identifier.value}, so a person has to approve it once: ask the people who run this "
        f"CA to approve it for the account {account_url}"
    )
