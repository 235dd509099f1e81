"""Orders: newOrder, the order, finalize (RFC 8555 §7.4, RFC 9444 §4, RFC 9773 §5, draft-ietf-acme-profiles §4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from acme_server.errors import (
    AlreadyReplaced,
    InvalidProfile,
    Malformed,
    NotFound,
    OrderNotReady,
    Unauthorized,
)
from acme_server.issuance.csr import match, read_csr
from acme_server.issuance.profiles import Profile, check_validity
from acme_server.model import Authorization, JobKind, Order, OrderIdentifier
from acme_server.protocol.certificate_keys import check_certificate_key
from acme_server.protocol.messages import Reply, order_json, retry_after
from acme_server.protocol.proofs import authorizations_for, proofs_of
from acme_server.protocol.renewal_info import named_certificate, serial_named
from acme_server.protocol.requested import check_approvals, check_names, check_profile, read_identifiers
from acme_server.protocol.requests import refuse_payload
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import from_base64url, json_object
from acme_server.protocol.validity import read_validity
from acme_server.states import OrderStatus
from acme_server.store import Transaction
from challenges.base import Identifier

__all__ = ["finalize", "new_order", "show_order"]

_TRIES = 10
"""Orders that may try to replace one certificate until the first of them expires: all but one in vain."""


def new_order(request: SignedRequest, services: Services) -> Reply:
    """Take an order (RFC 8555 §7.4). Members that are not known here are ignored."""
    payload = json_object(request.payload, "payload")
    profile = _profile(payload.get("profile", services.config.acme.default_profile), services)
    requested = read_identifiers(payload.get("identifiers"), services)
    names = [part.identifier for part in requested]
    check_profile(profile, names, services)
    now = services.clock()
    not_before, not_after = read_validity(payload)
    check_validity(profile, now, not_before, not_after)
    proofs = proofs_of(requested)
    with services.store.write() as transaction:
        check_approvals(transaction, request.signer.id, names, services)
        replaces = _replaces(transaction, payload.get("replaces"), names, request.signer.id)
        services.limiter.order(transaction, request.signer.id, names, now, _serial(replaces))
        _check_unreplaced(transaction, replaces, now)
        authorizations = authorizations_for(transaction, request.signer.id, proofs, services)
        ends = now + timedelta(seconds=services.config.acme.order_lifetime)
        order = Order(
            id=services.new_id(),
            account_id=request.signer.id,
            profile=profile.name,
            identifiers=tuple(
                OrderIdentifier(part.identifier, authorizations[proof].id)
                for part, proof in zip(requested, proofs, strict=True)
            ),
            # A certificate that has ended before it is made is no use to anybody.
            expires=ends if not_after is None else min(ends, not_after),
            created_at=now,
            not_before=not_before,
            not_after=not_after,
            replaces=replaces,
        )
        transaction.orders.add(order)
    document = order_json(order, tuple(authorizations.values()), now, services.urls)
    return Reply(document, status=201, location=services.urls.order(order.id))


def show_order(request: SignedRequest, services: Services) -> Reply:
    """POST-as-GET of an order (RFC 8555 §7.4)."""
    refuse_payload(request)
    return _shown(request, services)


def finalize(request: SignedRequest, services: Services) -> Reply:
    """Take the CSR and have the certificate made (RFC 8555 §7.4)."""
    payload = json_object(request.payload, "payload")
    der = from_base64url(payload.get("csr"), "`csr`")
    now = services.clock()
    with services.store.read() as transaction:
        order, authorizations = _own(transaction, request)
    status = order.status_at(now, authorizations)
    if status in {OrderStatus.PROCESSING, OrderStatus.VALID} and order.csr == der:
        return _shown(request, services)  # the same request again, its first answer lost
    if status is not OrderStatus.READY:
        raise OrderNotReady(f"the order is {status}, and can be finalized only when it is ready")
    csr = read_csr(der)
    match(csr, order.names, _profile(order.profile, services))
    job = services.work.lease(JobKind.ISSUE, order.id, order.account_id)
    with services.store.write() as transaction:
        check_certificate_key(transaction, csr.public_key)
        # What the CA certifies, and for whom, may have changed since the order was made.
        check_names(order.names, services)
        check_approvals(transaction, order.account_id, order.names, services)
        # Read again inside the transaction: an authorization may have been deactivated since.
        order, authorizations = _own(transaction, request)
        status = order.status_at(now, authorizations)
        if status is not OrderStatus.READY or not transaction.orders.start(order.id, der, now):
            raise OrderNotReady(f"the order is {status}: another request has been faster")
        services.limiter.certificate(transaction, order.account_id, order.names, now, _serial(order.replaces))
        held = transaction.jobs.add(job, now)
    services.work.run(job, held=held)
    return _shown(request, services)


def _shown(request: SignedRequest, services: Services) -> Reply:
    """The signer's order as it is now. Raises NotFound, Unauthorized."""
    now = services.clock()
    with services.store.read() as transaction:
        order, authorizations = _own(transaction, request)
        wait = None
        if order.status_at(now, authorizations) is OrderStatus.PROCESSING:
            wait = retry_after(transaction.jobs.get(JobKind.ISSUE, order.id), now)
    document = order_json(order, authorizations, now, services.urls)
    return Reply(document, location=services.urls.order(order.id), retry_after=wait)


def _own(transaction: Transaction, request: SignedRequest) -> tuple[Order, tuple[Authorization, ...]]:
    """The order that the URL names, and what it rests on. Raises NotFound, Unauthorized."""
    order = transaction.orders.get(request.target)
    if order is None:
        raise NotFound("no order has this URL")
    if order.account_id != request.signer.id:
        raise Unauthorized("this is another account's order")
    return order, _authorizations(transaction, order)


def _authorizations(transaction: Transaction, order: Order) -> tuple[Authorization, ...]:
    """What the order's status still depends on: nothing, once finalize was accepted or it has ended."""
    if order.processing_since is not None or order.error is not None:
        return ()
    authorizations = (transaction.authorizations.get(id_) for id_ in order.authorization_ids)
    # Foreign keys keep every one of them.
    return tuple(authorization for authorization in authorizations if authorization is not None)


def _profile(name: Any, services: Services) -> Profile:
    profile = services.profiles.get(name) if isinstance(name, str) else None
    if profile is None:
        raise InvalidProfile(f"the profile is not one of {', '.join(services.profiles)}")
    return profile


def _replaces(transaction: Transaction, name: Any, names: Sequence[Identifier], account_id: str) -> str | None:
    """What newOrder's `replaces` names (RFC 9773 §5). Raises Malformed, Unauthorized."""
    if name is None:
        return None
    if not isinstance(name, str):
        raise Malformed("`replaces` must be the name of a certificate (RFC 9773 §4.1)")
    certificate = named_certificate(transaction, name)
    if certificate is None:
        raise Malformed("`replaces` names no certificate of this CA")
    if certificate.account_id != account_id:
        raise Unauthorized("`replaces` names another account's certificate")
    if not set(names) & set(certificate.identifiers):
        raise Malformed("`replaces` names a certificate that shares no identifier with the order")
    return name


def _check_unreplaced(transaction: Transaction, replaces: str | None, now: datetime) -> None:
    """No order that has not failed replaces the same certificate (RFC 9773 §5). Raises AlreadyReplaced.

    An order whose authorization has failed is told from a living one by reading it with all of them, inside the write
    transaction: so there are never more than _TRIES, and what one request reads is bounded.
    """
    if replaces is None:
        return
    candidates = transaction.orders.replacing(replaces, now, _TRIES)
    if len(candidates) == _TRIES:
        raise AlreadyReplaced(
            f"{_TRIES} orders that have not expired were to replace that certificate: wait until one of them has, "
            "or order without `replaces`"
        )
    for order_id in candidates:
        other = transaction.orders.get(order_id)
        if other is not None and other.status_at(now, _authorizations(transaction, other)) is not OrderStatus.INVALID:
            raise AlreadyReplaced("another order replaces that certificate already, and has not failed")


def _serial(replaces: str | None) -> str | None:
    """Of the certificate that `Order.replaces` names."""
    return None if replaces is None else serial_named(replaces)
