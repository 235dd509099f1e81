"""The URL table, and the way from an HTTP request to a handler and back (RFC 8555 §6, §7.1).

One row is one resource, with the kind of signature it takes: an auditor sees here who may call what. Only this module
renders a Problem; an exception that is none is logged under an incident id, and the client is told that id only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError

from acme_server.errors import (
    URN,
    MethodNotAllowed,
    NotFound,
    Problem,
    RateLimited,
    ServerInternal,
    ServiceUnavailable,
    TooLarge,
    UnsupportedMediaType,
)
from acme_server.protocol import (
    accounts,
    authorizations,
    certificates,
    key_change,
    new_authorization,
    orders,
    orders_list,
    renewal_info,
    requests,
)
from acme_server.protocol.messages import Reply
from acme_server.protocol.requests import Signature
from acme_server.protocol.services import Services, SignedRequest
from acme_server.store import StoreUnavailable

__all__ = ["SIGNED", "UNSIGNED", "create_edge"]

SMALL, LARGE = 64 * 1024, 1024 * 1024
"""Octets of a request body; the large limit where a CSR or a certificate comes in."""

Handler = Callable[[SignedRequest, Services], Reply]


@dataclass(frozen=True, slots=True)
class Row:
    """One resource that takes signed POSTs."""

    path: str
    signature: Signature
    handler: Handler
    limit: int = SMALL
    audited: bool = False
    """Whether a refusal goes into the audit chain: where a certificate is at stake."""


SIGNED = (
    Row("/directory", Signature.KID, requests.read_directory),
    Row("/acme/new-nonce", Signature.KID, requests.read_new_nonce),
    Row("/acme/new-account", Signature.JWK, accounts.new_account),
    Row("/acme/account/<target>", Signature.KID, accounts.show_account),
    Row("/acme/account/<target>/orders", Signature.KID, orders_list.list_orders),
    Row("/acme/key-change", Signature.KID, key_change.change_key),
    Row("/acme/new-order", Signature.KID, orders.new_order, audited=True),
    Row("/acme/new-authz", Signature.KID, new_authorization.new_authorization, audited=True),
    Row("/acme/order/<target>", Signature.KID, orders.show_order),
    Row("/acme/order/<target>/finalize", Signature.KID, orders.finalize, LARGE, audited=True),
    Row("/acme/authorization/<target>", Signature.KID, authorizations.show_authorization),
    Row("/acme/challenge/<target>", Signature.KID, authorizations.answer_challenge),
    Row("/acme/certificate/<target>", Signature.KID, certificates.show_certificate),
    Row("/acme/certificate/<target>/alternate/<_number>", Signature.KID, certificates.show_certificate),
    Row("/acme/revoke-cert", Signature.EITHER, certificates.revoke_certificate, LARGE, audited=True),
)

UNSIGNED: dict[str, Callable[[Services, str], Reply]] = {
    "/directory": lambda services, _: requests.directory(services),
    "/acme/new-nonce": lambda _, __: requests.new_nonce(request.method),
    "/acme/renewal-info/<target>": lambda services, target: renewal_info.renewal_info(target, services),
    "/pki/<target>.cer": lambda services, target: certificates.issuer_certificate(target, services),
    "/pki/<target>.crl": lambda services, target: certificates.issuer_crl(target, services),
}

_log = structlog.get_logger()


def create_edge(services: Services) -> Flask:
    """The Flask application."""
    flask = Flask("xmpp-ica", static_folder=None)
    # Else another spelling of a URL is answered by a redirect to the Host of the request.
    flask.url_map.merge_slashes = False
    edge = _Edge(services)
    for row in SIGNED:
        rule = f"POST {row.path}"
        flask.add_url_rule(row.path, rule, edge.signed(row), methods=["POST"], provide_automatic_options=False)
    for path, handler in UNSIGNED.items():
        flask.add_url_rule(path, path, edge.unsigned(handler), methods=["GET"], provide_automatic_options=False)
    flask.register_error_handler(HTTPException, edge.unrouted)
    return flask


class _Edge:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._index = f'<{services.urls.directory}>;rel="index"'

    def signed(self, row: Row) -> Callable[..., Response]:
        """The view of a row of the URL table."""

        def view(target: str = "", **_: str) -> Response:
            return self._answer(lambda: self._handle(row, target), nonce=True)

        return view

    def unsigned(self, handler: Callable[[Services, str], Reply]) -> Callable[..., Response]:
        """The view of a resource that anybody may GET."""

        def view(target: str = "") -> Response:
            nonce = request.path == "/acme/new-nonce"
            return self._answer(lambda: handler(self._services, target), nonce=nonce)

        return view

    def unrouted(self, error: HTTPException) -> Response:
        """No row has this URL, or not this method (RFC 8555 §6.3: 405 for a GET of what wants a POST)."""
        if error.code == MethodNotAllowed.status and request.method == "OPTIONS":
            return _preflight(error.get_response().headers["Allow"])
        problem: Problem = NotFound("nothing is at this URL; the directory tells those there are")
        if isinstance(error, InternalServerError):
            problem = self._incident()
        elif error.code == MethodNotAllowed.status:
            allow = error.get_response().headers["Allow"]
            problem = MethodNotAllowed("this URL is used by another method", headers={"Allow": allow})

        def refuse() -> Reply:
            raise problem

        return self._answer(refuse, nonce=request.method == "POST")

    def _handle(self, row: Row, target: str) -> Reply:
        # RFC 8555 §6.2: other media types are refused with 415.
        if request.content_type != "application/jose+json":
            raise UnsupportedMediaType("the Content-Type of a request must be `application/jose+json`")
        body = request.get_data(cache=False)
        if len(body) > row.limit:
            raise TooLarge(f"the request is larger than {row.limit} octets")
        query = request.environ.get("QUERY_STRING")
        url = self._services.urls.base + request.environ["PATH_INFO"] + (f"?{query}" if query else "")
        address = request.environ.get("REMOTE_ADDR", "")
        signed = requests.authenticate(body, url, row.signature, target, self._services, address)
        try:
            return row.handler(signed, self._services)
        except Problem as problem:
            if row.audited:
                self._record_refusal(signed, problem)
            raise

    def _record_refusal(self, signed: SignedRequest, problem: Problem) -> None:
        actor = f"account/{signed.account.id}" if signed.account else f"key/{signed.key.thumbprint}"
        path = signed.url.removeprefix(self._services.urls.base)
        now = self._services.clock()
        count = len(problem.subproblems)
        detail = {"type": URN + problem.kind, "detail": problem.detail[:300], "subproblems": count}
        try:
            with self._services.store.write() as transaction:
                # Of bounded number and size: what a stranger sends must not fill the chain.
                self._services.limiter.refusal(transaction, signed.address, now)
                transaction.audit.append("refused", actor=actor, subject=path[:300], at=now, detail=detail)
        except RateLimited:
            # The reason is told all the same: who shares the address with that stranger needs it.
            _log.warning("refusal_not_recorded", actor=actor, path=path[:300], address=signed.address)

    def _answer(self, handle: Callable[[], Reply], *, nonce: bool) -> Response:
        try:
            response = self._render(handle())
        except Problem as problem:
            response = self._problem(problem)
        except StoreUnavailable as error:
            _log.error("store_unavailable", error=str(error))
            headers = {"Retry-After": "5"}
            response = self._problem(ServiceUnavailable("the server cannot write now; come back", headers=headers))
        except Exception:  # noqa: BLE001 - the edge: whatever else went wrong is ours, and is told nobody
            response = self._problem(self._incident())
        if nonce:
            response.headers["Replay-Nonce"] = self._services.nonces.new()
        return response

    def _incident(self) -> ServerInternal:
        """The exception at hand goes to the log; the client is told where to find it there."""
        incident = self._services.new_id()
        _log.exception("incident", incident=incident, path=request.path)
        return ServerInternal(f"incident {incident}: tell it to the people who run this CA")

    def _render(self, reply: Reply) -> Response:
        body = reply.body if isinstance(reply.body, bytes) else b""
        if isinstance(reply.body, dict):
            body = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode()
        response = Response(body, reply.status)
        headers = response.headers
        if reply.body is None:
            # COMPAT: ejabberd's client reads an empty body as JSON where the type says so.
            del headers["Content-Type"]
        else:
            headers["Content-Type"] = reply.content_type
        headers["Cache-Control"] = "no-store"
        if request.path != "/directory":  # RFC 8555 §7.1
            headers.add("Link", self._index)
        for url, relation in reply.links:
            headers.add("Link", f'<{url}>;rel="{relation}"')
        if reply.location is not None:
            headers["Location"] = reply.location
        if reply.retry_after is not None:
            headers["Retry-After"] = str(reply.retry_after)
        for name, value in reply.headers.items():
            headers[name] = value
        return response

    def _problem(self, problem: Problem) -> Response:
        response = Response(json.dumps(problem.to_json(), ensure_ascii=False), problem.status)
        response.headers["Content-Type"] = "application/problem+json"
        response.headers["Cache-Control"] = "no-store"
        response.headers.add("Link", self._index)
        for name, value in problem.headers.items():
            response.headers.add(name, value)
        return response


def _preflight(allow: str) -> Response:
    """What a web page may send here (CORS; RFC 8555 §6.1); the adapter says, as in every answer, that any page may."""
    response = Response(status=204)
    response.headers["Allow"] = allow
    response.headers["Access-Control-Allow-Methods"] = allow
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Access-Control-Max-Age"] = "86400"
    del response.headers["Content-Type"]
    return response
