"""External account binding (RFC 8555 §7.3.4): a new account shows that somebody who has an account elsewhere made it.

Here alone a MAC is believed, and only over the key of the very request that carries it. A key binds one account.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from acme_server.errors import (
    BadSignatureAlgorithm,
    ExternalAccountRequired,
    Malformed,
    Unauthorized,
)
from acme_server.protocol import jws
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import json_object
from acme_server.store import Transaction
from challenges.base import Json

__all__ = ["Binding", "bind", "read_binding"]

_MACS: Mapping[str, str] = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
"""RFC 7518 §3.2: which hash the HMAC is made with."""
_WHAT = "`externalAccountBinding`"


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding whose MAC is right."""

    kid: str
    jws: Json
    """As it came: the account object shows it (RFC 8555 §7.3.4)."""


def read_binding(payload: Json, request: SignedRequest, services: Services) -> Binding | None:
    """The binding that newAccount brings, checked; None: none is wanted and none came.

    Raises ExternalAccountRequired, Malformed, BadSignatureAlgorithm, Unauthorized.
    """
    value = payload.get("externalAccountBinding")
    if value is None:
        if services.config.acme.external_account_required:
            raise ExternalAccountRequired(
                "a new account needs an external account binding: ask the people who run this CA for a key"
            )
        return None
    signed = jws.parse_inner(value, _WHAT)
    if signed.kid is None:
        raise Malformed(f"the {_WHAT} must name its key by `kid`")
    if signed.alg not in _MACS:
        raise BadSignatureAlgorithm(f"the {_WHAT} must be signed by a MAC", extra={"algorithms": list(_MACS)})
    if signed.url != request.url:
        raise Malformed(f"the `url` of the {_WHAT} is not the one of the request around it")
    if not jws.is_jwk_of(json_object(signed.payload, f"payload of the {_WHAT}"), request.key):
        raise Malformed(f"the payload of the {_WHAT} is not the key that signed the request around it")
    _verify(signed, signed.kid, services)
    return Binding(signed.kid, value)


def bind(transaction: Transaction, binding: Binding, account_id: str) -> None:
    """Use the key up, in the transaction that makes the account. Raises Unauthorized."""
    if not transaction.external_keys.bind(binding.kid, account_id, binding.jws):
        raise Unauthorized("the external account's key is revoked, or has bound an account already: ask for another")


def _verify(signed: jws.Jws, kid: str, services: Services) -> None:
    """Check the MAC; who does not have the key learns nothing about it. Raises Unauthorized."""
    with services.store.read() as transaction:
        key = transaction.external_keys.get(kid)
    mac = hmac.digest(b"" if key is None else key.mac_key, signed.signing_input, _MACS[signed.alg])
    if not hmac.compare_digest(mac, signed.signature) or key is None:
        raise Unauthorized(f"no key of an external account has this `kid` and has made this {_WHAT}")
