"""Orders: newOrder, the order, finalize (RFC 8555 §7.4, RFC 9444 §4, draft-ietf-acme-profiles §4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from acme_server.errors import (
    BadCSR,
    InvalidProfile,
    Malformed,
    NotFound,
    OrderNotReady,
    Problem,
    RejectedIdentifier,
    Subproblem,
    Unauthorized,
    UnsupportedIdentifier,
)
from acme_server.identifiers import Requested, parse_identifier
from acme_server.issuance.csr import match, read_csr
from acme_server.issuance.keys import spki_sha256
from acme_server.model import Authorization, Challenge, JobKind, Order, OrderIdentifier
from acme_server.policy import USABLE
from acme_server.protocol.messages import Reply, order_json
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import from_base64url, json_object
from acme_server.states import AuthorizationStatus, ChallengeStatus, OrderStatus
from acme_server.store import Transaction
from challenges.base import Error, Identifier, Json, base64url

__all__ = ["finalize", "new_order", "show_order"]

_MAX_IDENTIFIERS = 100
_TOKEN_OCTETS = 32
SHOWN = 253
"""Characters of a refused value that are told again: a name has no more."""
_RETRY_AFTER = 1
"""Seconds between polls of an order that is being made."""


def new_order(request: SignedRequest, services: Services) -> Reply:
    """Take an order (RFC 8555 §7.4)."""
    payload = json_object(request.payload, "payload")
    for name in ("notBefore", "notAfter"):
        if payload.get(name) is not None:
            raise Malformed(f"`{name}` is not taken here: the profile sets how long a certificate lives")
    profile = payload.get("profile", services.config.acme.default_profile)
    if not isinstance(profile, str) or profile not in services.profiles:
        raise InvalidProfile(f"the profile is not one of {', '.join(services.profiles)}")
    requested = _identifiers(payload.get("identifiers"), services)
    proofs = _proofs(requested)
    now = services.clock()
    with services.store.write() as transaction:
        authorizations = {
            proof: _authorization(transaction, request, services, proof[0], subdomains=proof[1])
            for proof in dict.fromkeys(proofs)
        }
        order = Order(
            id=services.new_id(),
            account_id=request.signer.id,
            profile=profile,
            identifiers=tuple(
                OrderIdentifier(part.identifier, authorizations[proof].id)
                for part, proof in zip(requested, proofs, strict=True)
            ),
            expires=now + timedelta(seconds=services.config.acme.order_lifetime),
            created_at=now,
        )
        transaction.orders.add(order)
    status = order.status_at(now, tuple(authorizations.values()))
    return Reply(order_json(order, status, services.urls), status=201, location=services.urls.order(order.id))


def show_order(request: SignedRequest, services: Services) -> Reply:
    """POST-as-GET of an order (RFC 8555 §7.4)."""
    if request.payload:
        raise Malformed("an order is read by POST-as-GET, with an empty payload")
    order, status = _read(request, services)
    return _reply(order, status, services)


def finalize(request: SignedRequest, services: Services) -> Reply:
    """Take the CSR and have the certificate made (RFC 8555 §7.4)."""
    payload = json_object(request.payload, "payload")
    der = from_base64url(payload.get("csr"), "`csr`")
    order, status = _read(request, services)
    if status in {OrderStatus.PROCESSING, OrderStatus.VALID} and order.csr == der:
        return _reply(order, status, services)  # the same request again, its first answer lost
    if status is not OrderStatus.READY:
        raise OrderNotReady(f"the order is {status}, and can be finalized only when it is ready")
    csr = read_csr(der)
    match(csr, order.names, services.profiles[order.profile])
    if spki_sha256(csr.public_key) == request.key.spki_sha256:
        # RFC 8555 §11.1: MUST NOT be a key of an account.
        raise BadCSR("the CSR holds the account's key; a certificate needs a key of its own")
    now = services.clock()
    job = services.work.lease(JobKind.ISSUE, order.id)
    with services.store.write() as transaction:
        # Read again inside the transaction: an authorization may have been deactivated since.
        _, status = _standing(transaction, order.id, services)
        if status is not OrderStatus.READY or not transaction.orders.start(order.id, der, now):
            raise OrderNotReady(f"the order is {status}: another request has been faster")
        held = transaction.jobs.add(job, now)
    services.work.run(job, held=held)
    return _reply(*_read(request, services), services)


def _read(request: SignedRequest, services: Services) -> tuple[Order, OrderStatus]:
    """The signer's own order. Raises NotFound, Unauthorized."""
    with services.store.read() as transaction:
        order, status = _standing(transaction, request.target, services)
    if order.account_id != request.signer.id:
        raise Unauthorized("this is another account's order")
    return order, status


def _standing(transaction: Transaction, order_id: str, services: Services) -> tuple[Order, OrderStatus]:
    order = transaction.orders.get(order_id)
    if order is None:
        raise NotFound("no order has this URL")
    authorizations = tuple(transaction.authorizations.get(id_) for id_ in order.authorization_ids)
    # Foreign keys keep every one of them.
    return order, order.status_at(services.clock(), tuple(a for a in authorizations if a is not None))


def _reply(order: Order, status: OrderStatus, services: Services) -> Reply:
    return Reply(
        order_json(order, status, services.urls),
        location=services.urls.order(order.id),
        retry_after=_RETRY_AFTER if status is OrderStatus.PROCESSING else None,
    )


def _identifiers(value: Any, services: Services) -> tuple[Requested, ...]:
    """Read `identifiers`; each refusal is told with its name (RFC 8555 §6.7.1). Raises Problem."""
    if not isinstance(value, list) or not value:
        raise Malformed("`identifiers` must be a list of one or more")
    if len(value) > _MAX_IDENTIFIERS:
        raise Malformed(f"an order has at most {_MAX_IDENTIFIERS} identifiers")
    requested: dict[Identifier, Requested] = {}
    refused: list[tuple[Any, Problem]] = []
    for member in value:
        try:
            part = parse_identifier(member, services.suffixes)
            requested.setdefault(part.identifier, part)
        except (RejectedIdentifier, UnsupportedIdentifier) as problem:
            refused.append((member, problem))
    if refused:
        raise _refusal(refused)
    return tuple(requested.values())


def _refusal(refused: Sequence[tuple[Any, Problem]]) -> Problem:
    """One problem for all refused identifiers: the first one's type, a subproblem each when there are several."""
    first = refused[0][1]
    if len(refused) == 1:
        return first
    return type(first)(
        "some identifiers are refused; the subproblems say which and why",
        subproblems=[
            Subproblem(Error(problem.kind, problem.detail), Identifier(member["type"][:SHOWN], member["value"][:SHOWN]))
            for member, problem in refused
        ],
    )


def _proofs(requested: Sequence[Requested]) -> list[tuple[Identifier, bool]]:
    """Which authorization each name rests on: (identifier, subdomainAuthAllowed), in the order of the names.

    RFC 9444 §4.1: a name with `ancestorDomain` rests on the ancestor's. The ancestor itself, where it is in the same
    order, rests on that one too: it proves the domain and all below it.
    """
    ancestors = {part.ancestor for part in requested if part.ancestor is not None}
    return [
        (part.ancestor, True) if part.ancestor is not None else (part.identifier, part.identifier in ancestors)
        for part in requested
    ]


def _authorization(
    transaction: Transaction, request: SignedRequest, services: Services, identifier: Identifier, *, subdomains: bool
) -> Authorization:
    """A valid authorization of the account that can be used again, or a new one."""
    now, account = services.clock(), request.signer
    reusable = transaction.authorizations.reusable(account.id, identifier, subdomains=subdomains, until=now + USABLE)
    if reusable is not None and (found := transaction.authorizations.get(reusable)) is not None:
        return found
    authorization_id = services.new_id()
    authorization = Authorization(
        id=authorization_id,
        account_id=account.id,
        identifier=identifier,
        subdomains=subdomains,
        status=AuthorizationStatus.PENDING,
        expires=now + timedelta(seconds=services.config.acme.order_lifetime),
        created_at=now,
        challenges=tuple(
            Challenge(
                id=services.new_id(),
                authorization_id=authorization_id,
                type=type_,
                status=ChallengeStatus.PENDING,
                token=base64url(services.random(_TOKEN_OCTETS)),
                offer=offer,
            )
            for type_, offer in _offers(services, identifier, subdomains=subdomains)
        ),
    )
    if not authorization.challenges:
        raise RejectedIdentifier(f"there is no challenge here by which {identifier.value} could be proved")
    transaction.authorizations.add(authorization)
    return authorization


def _offers(services: Services, identifier: Identifier, *, subdomains: bool) -> list[tuple[str, Json]]:
    """The challenge types that can prove this, with what each adds to its object."""
    return [
        (type_, offer)
        for type_, challenge in services.challenges.items()
        if challenge.subdomains or not subdomains
        if (offer := challenge.offer(identifier, services.ca)) is not None
    ]
