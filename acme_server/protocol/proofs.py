"""Which authorization a name rests on, used again or made anew (RFC 8555 §7.1.4, §7.4, RFC 9444 §4).

An authorization is used for exactly the identifier, wildcard and subdomain scope that it was made for, and for no
other; it never passes from one account to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from acme_server.errors import RejectedIdentifier
from acme_server.identifiers import Requested
from acme_server.model import Authorization, Challenge
from acme_server.policy import USABLE
from acme_server.protocol.requested import refuse
from acme_server.protocol.services import Services
from acme_server.states import AuthorizationStatus, ChallengeStatus
from acme_server.store import Transaction
from challenges.base import Identifier, base64url

__all__ = ["Proof", "authorizations_for", "proofs_of"]

_TOKEN_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Proof:
    """What an authorization is for."""

    identifier: Identifier
    subdomains: bool
    """Whether for all names below it, too (`subdomainAuthAllowed`)."""


def proofs_of(requested: Sequence[Requested]) -> list[Proof]:
    """What each name rests on, in the sequence of the names.

    RFC 9444 §4.1: a name with `ancestorDomain` rests on the ancestor's. The ancestor itself, where it is in the same
    order, rests on that one too: it proves the domain and all below it.
    """
    ancestors = {part.ancestor for part in requested if part.ancestor is not None}
    return [
        Proof(part.identifier, part.identifier in ancestors) if part.ancestor is None else Proof(part.ancestor, True)
        for part in requested
    ]


def authorizations_for(
    transaction: Transaction, account_id: str, proofs: Iterable[Proof], services: Services
) -> dict[Proof, Authorization]:
    """For each one, a valid authorization of the account that can be used again, or a new one.

    Raises RejectedIdentifier, and nothing has been written, where there is no challenge for one of them.
    """
    found: dict[Proof, Authorization] = {}
    refused = []
    for proof in dict.fromkeys(proofs):
        authorization = _reusable(transaction, account_id, proof, services) or _new(account_id, proof, services)
        if not authorization.challenges:
            refused.append((proof.identifier, _unprovable(proof)))
        found[proof] = authorization
    refuse(refused)
    for authorization in found.values():
        if authorization.status is AuthorizationStatus.PENDING:
            transaction.authorizations.add(authorization)
    return found


def _reusable(transaction: Transaction, account_id: str, proof: Proof, services: Services) -> Authorization | None:
    until = services.clock() + USABLE
    found = transaction.authorizations.reusable(account_id, proof.identifier, subdomains=proof.subdomains, until=until)
    return None if found is None else transaction.authorizations.get(found)


def _new(account_id: str, proof: Proof, services: Services) -> Authorization:
    now, authorization_id = services.clock(), services.new_id()
    authorization = Authorization(
        id=authorization_id,
        account_id=account_id,
        identifier=proof.identifier,
        subdomains=proof.subdomains,
        status=AuthorizationStatus.PENDING,
        expires=now + timedelta(seconds=services.config.acme.order_lifetime),
        created_at=now,
    )
    return replace(authorization, challenges=_challenges(authorization, services))


def _challenges(authorization: Authorization, services: Services) -> tuple[Challenge, ...]:
    """One of each type that can prove this, with what the type adds to its object."""
    account_url = services.urls.account(authorization.account_id)
    return tuple(
        Challenge(
            id=services.new_id(),
            authorization_id=authorization.id,
            type=type_,
            status=ChallengeStatus.PENDING,
            token=base64url(services.random(_TOKEN_OCTETS)) if challenge.has_token else "",
            offer=offer,
        )
        for type_, challenge in services.challenges.items()
        if challenge.subdomains or not authorization.subdomains
        if challenge.wildcards or not authorization.wildcard
        if (offer := challenge.offer(authorization.base, services.ca, account_url)) is not None
    )


def _unprovable(proof: Proof) -> RejectedIdentifier:
    below = " and all names below it" if proof.subdomains else ""
    return RejectedIdentifier(f"there is no challenge here by which {proof.identifier.value}{below} could be proved")
