"""Pre-authorization: newAuthz (RFC 8555 §7.4.1), with `subdomainAuthAllowed` for all below a domain (RFC 9444 §4.2).

A wildcard cannot be authorized in advance; what is, serves any later order of the account that wants exactly that.
"""

from __future__ import annotations

from acme_server.errors import Malformed, RejectedIdentifier, UnsupportedIdentifier
from acme_server.identifiers import Requested
from acme_server.model import Authorization
from acme_server.policy import USABLE
from acme_server.protocol.messages import Reply, authorization_json
from acme_server.protocol.proofs import Proof, authorizations_for
from acme_server.protocol.requested import check_approvals, read_identifier
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import flag, json_object
from acme_server.store import Transaction

__all__ = ["new_authorization"]


class _Rejected(RejectedIdentifier):
    """As newOrder's, but for the status: RFC 8555 §7.4.1 wants 403 here."""

    status = 403


class _Unsupported(UnsupportedIdentifier):
    """The same of a type."""

    status = 403


def new_authorization(request: SignedRequest, services: Services) -> Reply:
    """The account's authorization for the identifier: a valid one, one that waits, or a new one. Raises Problem."""
    try:
        return _new(request, services)
    except RejectedIdentifier as problem:
        raise _Rejected(problem.detail) from problem
    except UnsupportedIdentifier as problem:
        raise _Unsupported(problem.detail) from problem


def _new(request: SignedRequest, services: Services) -> Reply:
    payload = json_object(request.payload, "payload")
    identifier = _read(payload.get("identifier"), services).identifier
    # A member of the identifier (RFC 9444 §4.2), or beside it as in the authorization.
    subdomains = flag(payload["identifier"], "subdomainAuthAllowed") or flag(payload, "subdomainAuthAllowed")
    if subdomains and identifier.type != "dns":
        raise Malformed("`subdomainAuthAllowed` goes with identifiers of type `dns` alone (RFC 9444 §4)")
    proof = Proof(identifier, subdomains)
    with services.store.write() as transaction:
        check_approvals(transaction, request.signer.id, (identifier,), services)
        authorization = _waiting(transaction, request.signer.id, proof, services)
        if authorization is None:
            services.limiter.authorization(transaction, request.signer.id, identifier, services.clock())
            authorization = authorizations_for(transaction, request.signer.id, (proof,), services)[proof]
    return Reply(
        authorization_json(authorization, services.clock(), services.urls),
        status=201,
        location=services.urls.authorization(authorization.id),
    )


def _read(value: object, services: Services) -> Requested:
    requested = read_identifier(value, services)
    if requested.identifier.type == "dns" and requested.identifier.value.startswith("*."):
        # RFC 8555 §7.4.1: the identifier is the authorization's own, which never has a wildcard (§7.1.4).
        raise Malformed("a wildcard name cannot be authorized in advance; order it")
    if requested.ancestor is not None:
        raise Malformed("`ancestorDomain` is for orders: ask for the domain itself, with `subdomainAuthAllowed`")
    return requested


def _waiting(transaction: Transaction, account_id: str, proof: Proof, services: Services) -> Authorization | None:
    """One that waits for its proof, unless there is a valid one."""
    until = services.clock() + USABLE
    found = transaction.authorizations
    if found.reusable(account_id, proof.identifier, subdomains=proof.subdomains, until=until) is not None:
        return None
    waiting = found.pending(account_id, proof.identifier, subdomains=proof.subdomains, until=until)
    return None if waiting is None else found.get(waiting)
