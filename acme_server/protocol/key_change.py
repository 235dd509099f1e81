"""Another key for an account (RFC 8555 §7.3.5).

The new key signs the inner JWS and the old key the request around it, so that neither holder alone can tie the account
to a key. Orders, authorizations and challenges under way are left as they are.
"""

from __future__ import annotations

from dataclasses import replace

from acme_server.errors import KeyInUse, Malformed, Unauthorized
from acme_server.limits import Limit
from acme_server.protocol import jws
from acme_server.protocol.accounts import refuse_unfit, reply_of
from acme_server.protocol.messages import Reply
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import json_object
from challenges.base import Json

__all__ = ["change_key"]

_WHAT = "inner JWS"


def change_key(request: SignedRequest, services: Services) -> Reply:
    """Check in the sequence of RFC 8555 §7.3.5, then write the new key. Raises Problem."""
    signed = jws.parse_inner(json_object(request.payload, "payload"), _WHAT)
    if signed.jwk is None:
        raise Malformed("the inner JWS must hold the new key as `jwk`")
    new = jws.load_key(jws.canonical_jwk(signed.jwk))
    jws.verify(signed, new)
    payload = json_object(signed.payload, f"payload of the {_WHAT}")
    _check(payload, signed.url, request, services)
    account, now = request.signer, services.clock()
    with services.store.write() as transaction:
        refuse_unfit(transaction, new, now)
        holder = transaction.accounts.by_thumbprint(new.thumbprint)
        if holder is not None:
            url = services.urls.account(holder.id)
            raise KeyInUse("an account has this key; Location says which", headers={"Location": url})
        changed = replace(account, thumbprint=new.thumbprint, jwk=new.jwk)
        if not transaction.accounts.rekey(changed, account.thumbprint):
            raise Unauthorized("the account was given another key, or deactivated, meanwhile")
        services.limiter.spend(transaction, Limit.CHANGES, account.id, now)
        transaction.audit.append(
            "account_key_changed",
            actor=f"account/{account.id}",
            subject=f"account/{account.id}",
            at=now,
            detail={"from": account.thumbprint, "to": new.thumbprint},
        )
    return reply_of(changed, services)


def _check(payload: Json, url: str, request: SignedRequest, services: Services) -> None:
    """The key change that is signed is the one that is asked for. Raises Malformed."""
    account, old = payload.get("account"), payload.get("oldKey")
    if not isinstance(account, str) or not isinstance(old, dict):
        raise Malformed("a key change has `account`, a URL, and `oldKey`, a JWK")
    if url != request.url:
        raise Malformed("the `url` of the inner JWS is not the one of the request around it")
    if account != services.urls.account(request.signer.id):
        raise Malformed("`account` is not the URL of the account that signed the request")
    if not jws.is_jwk_of(old, request.key):
        raise Malformed("`oldKey` is not the account's key")
