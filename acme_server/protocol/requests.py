"""From a POST body to a SignedRequest, or a Problem (RFC 8555 §6.2 to §6.5), and the two resources without a signature.

This is the one place where a request is authenticated: the URL table says which kind of key a resource takes, and
whatever it does not say is refused.
"""

from __future__ import annotations

from enum import StrEnum

from acme_server.errors import Malformed, Unauthorized
from acme_server.model import Account
from acme_server.protocol import jws
from acme_server.protocol.accounts import signer
from acme_server.protocol.messages import Reply
from acme_server.protocol.services import Services, SignedRequest

__all__ = ["Signature", "authenticate", "directory", "new_nonce", "read_directory", "read_new_nonce", "refuse_payload"]


class Signature(StrEnum):
    """What a resource takes as the signing key (RFC 8555 §6.2)."""

    JWK = "jwk"
    """The key itself: newAccount."""
    KID = "kid"
    """An account's URL: everything else, but for"""
    EITHER = "jwk or kid"
    """revokeCert (§7.6)."""


def authenticate(
    body: bytes, url: str, wanted: Signature, target: str, services: Services, address: str = ""
) -> SignedRequest:
    """Check everything that makes a request somebody's. Raises Problem.

    `url`: what the request was sent to, built from `external_url`; `target`: the id in it; `address`: who has sent it.
    """
    signed = jws.parse(body)
    if signed.url != url:
        # RFC 8555 §6.4: byte by byte, and the type is `unauthorized`.
        raise Unauthorized("`url` in the protected header is not the URL this was sent to")
    if wanted not in {Signature.EITHER, Signature.JWK if signed.kid is None else Signature.KID}:
        raise Malformed(f"this resource wants `{wanted}` in the protected header")
    account = None
    if signed.kid is not None:
        account = signer(_account(signed.kid, services))
        key = jws.load_key(account.jwk)
    else:
        assert signed.jwk is not None  # parse: exactly one of the two
        key = jws.load_key(jws.canonical_jwk(signed.jwk))
    jws.verify(signed, key)
    # Last, so that only a request that would be taken spends its nonce.
    services.nonces.redeem(signed.nonce)
    return SignedRequest(url, key, account, signed.payload, target, address)


def _account(kid: str, services: Services) -> Account | None:
    prefix = services.urls.account("")
    if not kid.startswith(prefix):
        raise Malformed("`kid` is not the URL of an account here")
    with services.store.read() as transaction:
        return transaction.accounts.get(kid[len(prefix) :])


def directory(services: Services) -> Reply:
    """RFC 8555 §7.1.1, RFC 9444 §4, draft-ietf-acme-profiles §3, draft-ietf-acme-dns-persist-02 §3.2."""
    urls, acme, names = services.urls, services.config.acme, services.ca.issuer_domain_names
    meta = {
        "termsOfService": acme.terms_of_service,
        "website": acme.website,
        "profiles": {profile.name: profile.description for profile in services.profiles.values()},
        "externalAccountRequired": acme.external_account_required,
        "subdomainAuthAllowed": True,
        # A CA at `localhost` has no name that a DNS record could hold.
        "caaIdentities": list(names) or None,
        "issuerDomainNames": list(names) or None,
        "accountHashPrefix": services.ca.account_hash_prefix if names else None,
    }
    return Reply(
        {
            "newNonce": urls.resource("new-nonce"),
            "newAccount": urls.resource("new-account"),
            "newOrder": urls.resource("new-order"),
            "newAuthz": urls.resource("new-authz"),
            "revokeCert": urls.resource("revoke-cert"),
            "renewalInfo": urls.resource("renewal-info"),
            "keyChange": urls.resource("key-change"),
            "meta": {name: value for name, value in meta.items() if value is not None},
        }
    )


def new_nonce(method: str) -> Reply:
    """RFC 8555 §7.2: 200 to HEAD, 204 to GET; the edge adds the nonce and `Cache-Control: no-store`."""
    return Reply(status=200 if method == "HEAD" else 204)


def read_directory(request: SignedRequest, services: Services) -> Reply:
    """POST-as-GET of the directory (RFC 8555 §6.3)."""
    refuse_payload(request)
    return directory(services)


def read_new_nonce(request: SignedRequest, _services: Services) -> Reply:
    """POST-as-GET of newNonce (RFC 8555 §6.3)."""
    refuse_payload(request)
    return new_nonce("POST")


def refuse_payload(request: SignedRequest) -> None:
    """Raises Malformed unless this is a POST-as-GET (RFC 8555 §6.3)."""
    if request.payload:
        raise Malformed("this resource is read by POST-as-GET, with an empty payload")
