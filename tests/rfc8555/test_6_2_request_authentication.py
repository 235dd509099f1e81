"""RFC 8555 §6.2: who may have signed a request, and in which way. Every refusal is a 4xx problem document."""

from __future__ import annotations

import base64
import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acme_server.issuance.serials import serial_text
from tests.acme_requests import REMOVED, Client, b64, ec_key, ed25519_key, flattened, jwk_of, octets_of, rsa_key, sign

P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
KEY = ec_key()
OTHER = ec_key()
RSA = rsa_key()
ED25519 = ed25519_key()


@pytest.fixture
def client(ca):
    return Client(ca, KEY).register()


@pytest.fixture
def stranger(ca):
    """Has a key and no account."""
    return Client(ca, KEY)


def refused(reply):
    """(status, error), of a reply that Client.deliver has found to be a problem document with a nonce."""
    return reply.status, reply.problem


@pytest.mark.parametrize(
    "key",
    [ec_key(), ec_key(ec.SECP384R1()), ec_key(ec.SECP521R1()), RSA, ED25519],
    ids=["ES256", "ES384", "ES512", "RS256", "EdDSA"],
)
def test_6_2_each_algorithm_of_the_list_makes_an_account_and_signs_for_it(ca, key):
    client = Client(ca, key).register()
    assert client.post(client.account).json["status"] == "valid"


@pytest.mark.parametrize(
    "alg",
    [
        "none",
        "None",
        "NONE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "ES384",
        "ES256K",
        "PS256",
        "EdDSA",
        "es256",
        "ES256 ",
    ],
)
def test_6_2_an_alg_that_is_not_the_keys_is_badSignatureAlgorithm_with_the_list(client, stranger, alg):
    for reply in (client.post(client.account, None, alg=alg), stranger.post("new-account", {}, alg=alg)):
        assert refused(reply) == (400, "badSignatureAlgorithm")
        assert reply.json["algorithms"] == ["RS256", "ES256", "ES384", "ES512", "EdDSA"]


def test_6_2_alg_none_with_an_empty_signature_is_refused(client):
    body = flattened(KEY, client.header(client.account, alg="none"), None) | {"signature": ""}
    assert refused(client.deliver(client.account, body)) == (400, "badSignatureAlgorithm")


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("key", [KEY, RSA, ED25519], ids=["EC", "RSA", "OKP"])
def test_6_2_a_mac_over_the_public_key_is_refused(ca, key, form):
    client = Client(ca, key).register()
    secret = key.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    head = b64(octets_of(client.header(client.account, alg="HS256")))
    body = {"protected": head, "payload": "", "signature": b64(hmac.digest(secret, f"{head}.".encode(), "sha256"))}
    assert refused(client.deliver(client.account, body)) == (400, "badSignatureAlgorithm")


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSA, "ES256"),
        (KEY, "RS256"),
        (ec_key(ec.SECP384R1()), "ES256"),
        *((ED25519, alg) for alg in ("ES256", "RS256", "Ed25519", "eddsa", "none")),
    ],
)
def test_6_2_RS_and_ES_are_not_confused(ca, key, alg):
    client = Client(ca, key).register()
    assert refused(client.post(client.account, None, alg=alg)) == (400, "badSignatureAlgorithm")


def test_6_2_a_signature_of_another_key_is_unauthorized(client):
    body = flattened(OTHER, client.header(client.account), None)
    assert refused(client.deliver(client.account, body)) == (403, "unauthorized")


@pytest.mark.parametrize(
    "tamper",
    [
        lambda body: body | {"payload": b64(b'{"contact":["mailto:evil@example.org"]}')},
        lambda body: body | {"signature": b64(b"\0" * 64)},
        lambda body: body | {"signature": b64(b"\xff" * 64)},
        lambda body: body | {"signature": ""},
        lambda body: body | {"signature": body["signature"][:-2]},
        lambda body: body | {"signature": "AAAA" + body["signature"]},
    ],
)
def test_6_2_a_changed_payload_or_signature_is_unauthorized_and_changes_nothing(client, tamper):
    body = flattened(KEY, client.header(client.account), {"contact": ["mailto:a@example.org"]})
    assert refused(client.deliver(client.account, tamper(body))) == (403, "unauthorized")
    assert "contact" not in client.post(client.account).json


@pytest.mark.parametrize(
    "tamper",
    [
        lambda signature: bytes(64),
        lambda signature: b"",
        lambda signature: signature[:63],
        lambda signature: signature + b"\0",
        lambda signature: (
            signature[:32] + (int.from_bytes(signature[32:], "little") + ED25519_L).to_bytes(32, "little")
        ),
    ],
    ids=["zero", "empty", "short", "long", "S + L"],
)
def test_6_2_an_EdDSA_signature_that_is_not_the_one_encoding_of_it_is_unauthorized(ca, tamper):
    client = Client(ca, ED25519).register()
    body = flattened(ED25519, client.header(client.account), None)
    signature = base64.urlsafe_b64decode(body["signature"] + "==")
    assert refused(client.deliver(client.account, body | {"signature": b64(tamper(signature))})) == (
        403,
        "unauthorized",
    )


ED25519_L = 2**252 + 27742317777372353535851937790883648493
"""The order of its group (RFC 8032 §5.1)."""


def test_6_2_an_ecdsa_signature_in_DER_is_unauthorized(client):
    head = b64(octets_of(client.header(client.account)))
    der = KEY.sign(f"{head}.".encode(), ec.ECDSA(hashes.SHA256()))
    body = {"protected": head, "payload": "", "signature": b64(der)}
    assert refused(client.deliver(client.account, body)) == (403, "unauthorized")


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("new-account", {"jwk": jwk_of(KEY), "kid": "…"}),
        ("new-account", {"jwk": REMOVED}),
        ("new-account", {"jwk": REMOVED, "kid": "…"}),
        ("new-order", {"jwk": jwk_of(KEY)}),
        ("new-order", {"kid": REMOVED}),
        ("new-order", {"jwk": jwk_of(KEY), "kid": REMOVED}),
        ("new-order", {"jwk": None, "kid": None}),
        ("new-order", {"kid": 1}),
        ("new-order", {"kid": ["a"]}),
        ("new-order", {"kid": REMOVED, "jwk": "a"}),
        ("revoke-cert", {"kid": REMOVED}),
        ("revoke-cert", {"jwk": jwk_of(KEY)}),
        ("directory", {"jwk": jwk_of(KEY), "kid": REMOVED}),
    ],
)
def test_6_2_exactly_the_one_of_jwk_and_kid_that_the_resource_takes(ca, client, url, header):
    url = f"{ca.url}/directory" if url == "directory" else url
    header = {name: client.account if value == "…" else value for name, value in header.items()}
    if url == "new-account":
        client.account, account = "", client.account
        header.setdefault("kid", REMOVED)
        header["kid"] = account if header["kid"] == account else header["kid"]
    assert refused(client.post(url, {}, **header)) == (400, "malformed")


def _kids(ca, account):
    return [
        account.removeprefix(ca.url),
        account.replace("https", "http"),
        account.replace("ca.example", "CA.example"),
        account.replace("ca.example", "ca.example:443"),
        account.replace("ca.example", "evil.example"),
        account.replace("/acme/", "//acme/"),
        "https://evil.example/acme/account/1",
        "",
        "\0",
    ]


def test_6_2_a_kid_that_is_not_byte_for_byte_an_account_url_of_ours_is_malformed(ca, client):
    for kid in _kids(ca, client.account):
        assert refused(client.post(client.account, None, kid=kid)) == (400, "malformed"), kid


@pytest.mark.parametrize("suffix", ["/", "?", "#", "\0", " ", "x", "/../1", "é"])
def test_6_2_a_kid_with_something_behind_it_names_no_account(client, suffix):
    reply = client.post(client.account, None, kid=client.account + suffix)
    assert refused(reply) == (400, "accountDoesNotExist")


def test_6_2_a_kid_of_another_account_does_not_verify(ca, client):
    other = Client(ca, OTHER).register()
    assert refused(client.post(client.account, None, kid=other.account)) == (403, "unauthorized")


@pytest.mark.parametrize("resource", ["account", "order", "authorization", "challenge", "finalize", "certificate"])
def test_6_2_what_one_account_owns_is_refused_to_every_other(ca, client, resource):
    order = client.ready("example.org")
    authorization = order.json["authorizations"][0]
    certificate = client.issue("www.example.org")
    urls = {
        "account": client.account,
        "order": order.location,
        "authorization": authorization,
        "challenge": client.challenge(authorization, "http-01")["url"],
        "finalize": order.json["finalize"],
        "certificate": f"certificate/{serial_text(certificate.leaf.serial_number)}",
    }
    other = Client(ca, OTHER).register()
    payload = {"csr": b64(b"x")} if resource == "finalize" else None
    assert refused(other.post(urls[resource], payload)) == (403, "unauthorized")


@pytest.mark.parametrize(
    "url",
    ["account/x", "order/x", "order/x/finalize", "authorization/x", "challenge/x", "certificate/x", "certificate/%00"],
)
def test_6_2_what_does_not_exist_is_not_shown(client, url):
    reply = client.post(
        url, {"csr": ""} if "finalize" in url else None, url=f"{client.ca.url}/acme/{url}".replace("%00", "\0")
    )
    assert refused(reply) in {(404, "malformed"), (403, "unauthorized")}


@pytest.mark.parametrize(
    "member", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": None}, {"b64": False}, {"b64": True}, {"zip": "DEF"}]
)
def test_6_2_crit_b64_and_zip_are_refused(client, member):
    assert refused(client.post(client.account, None, **member)) == (400, "malformed")


def test_6_2_jku_x5u_and_x5c_are_not_looked_at(ca, client):
    reply = client.post(
        client.account, None, jku="http://evil.example/k", x5u="http://evil.example/c", x5c=["AA"], typ=1, cty=None
    )
    assert reply.status == 200
    assert ca.network.asked == []


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/jose",
        "application/jose+json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
    ],
)
def test_6_2_another_content_type_is_415(client, content_type):
    body = flattened(KEY, client.header(client.account), None)
    assert refused(client.deliver(client.account, body, content_type)) == (415, "malformed")


@pytest.mark.parametrize("name", ["alg", "url"])
@pytest.mark.parametrize("value", [REMOVED, None, 1, ["a"], {}])
def test_6_2_alg_and_url_are_strings_that_must_be_there(client, name, value):
    assert refused(client.post(client.account, None, **{name: value})) == (400, "malformed")


def test_6_2_members_of_a_jwk_that_name_no_key_make_no_other_account(ca):
    client = Client(ca, KEY).register()
    again = Client(ca, KEY)
    reply = again.post(
        "new-account", {}, jwk=jwk_of(KEY) | {"alg": "none", "use": "enc", "kid": "x", "x5u": "http://x"}
    )
    assert (reply.status, reply.location) == (200, client.account)


def test_6_2_the_stored_key_is_the_one_that_counts(ca, client):
    """A signature by KEY counts for the account however the header names the key."""
    body = flattened(OTHER, client.header("revoke-cert", kid=REMOVED, jwk=jwk_of(KEY)), {"certificate": ""})
    assert refused(client.deliver("revoke-cert", body)) == (403, "unauthorized")


def test_6_2_a_signature_counts_for_its_own_header_only(client):
    header = client.header(client.account)
    body = flattened(KEY, header, None)
    moved = b64(octets_of(header | {"nonce": client.nonce()}))
    assert refused(client.deliver(client.account, body | {"protected": moved})) == (403, "unauthorized")
    assert sign(KEY, b"") != b""
