"""Whatever is sent, the answer is a 4xx problem document with a nonce, and nothing is written: no 5xx, no hang."""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acme_server.errors import Malformed
from acme_server.protocol.strict import from_base64url, json_object
from tests.acme_requests import Client, b64, ec_key, flattened

RESOURCES = (
    *("new-account", "new-order", "new-authz", "revoke-cert", "account", "order", "finalize", "authorization"),
    "challenge",
)
MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
numbers = st.integers() | st.floats(allow_nan=True) | st.sampled_from([10**40, -(10**40), 1e308, 2**63, -1, 0])
words = st.sampled_from(
    [
        "dns",
        "example.org",
        "deactivated",
        "mailto:a@example.org",
        "https://ca.example",
        "a" * 300,
        "\0",
        "\ud800",
        "",
        "*",
    ]
)
keys = st.sampled_from(
    [
        "identifiers",
        "type",
        "value",
        "profile",
        "notBefore",
        "notAfter",
        "replaces",
        "identifier",
        "subdomainAuthAllowed",
        "contact",
        "termsOfServiceAgreed",
        "onlyReturnExisting",
        "status",
        "csr",
        "certificate",
        "reason",
        "response",
        "mailbox",
        "ancestorDomain",
        "externalAccountBinding",
        "alg",
        "nonce",
        "url",
        "kid",
        "jwk",
        "crit",
        "kty",
        "crv",
        "x",
        "y",
        "n",
        "e",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | text | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | text, inner, max_size=5),
    max_leaves=12,
)
objects = st.dictionaries(keys, values, max_size=5)


@pytest.fixture(scope="module")
def client(shared_ca):
    return Client(shared_ca, ec_key()).register()


@pytest.fixture(scope="module")
def urls(client):
    """One URL of each resource."""
    order = client.order("example.org")
    (authorization,) = order.json["authorizations"]
    own = {
        "account": client.account,
        "order": order.location,
        "finalize": order.json["finalize"],
        "authorization": authorization,
        "challenge": client.challenge(authorization, "email-01")["url"],
    }
    return {name: own.get(name, f"{client.ca.url}/acme/{name}") for name in RESOURCES}


@pytest.fixture(scope="module")
def unsigned(client):
    """What no refused request changes."""

    def tables():
        return [
            client.ca.rows(f"SELECT * FROM {name}") for name in ("accounts", "orders", "challenges", "certificates")
        ]

    return tables


def encoded(value):
    """JSON as Python writes it, with all that it is too kind about; lone surrogates as octets that are no UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@MANY
@given(resource=st.sampled_from(RESOURCES), body=st.binary(max_size=300))
def test_any_octets_as_a_body_are_refused(client, urls, resource, body):
    reply = client.deliver(urls[resource], body)
    assert reply.problem in {"malformed", "badNonce"}


@MANY
@given(
    resource=st.sampled_from(RESOURCES),
    body=values | st.fixed_dictionaries(dict.fromkeys(("protected", "payload", "signature"), values)),
)
def test_any_json_as_a_body_is_malformed(client, urls, resource, body):
    reply = client.deliver(urls[resource], encoded(body))
    assert reply.problem in {"malformed", "badNonce"}


@MANY
@given(resource=st.sampled_from(RESOURCES), changes=objects, data=st.data())
def test_any_protected_header_with_a_right_signature_over_it_is_refused_or_right(
    client, urls, unsigned, resource, changes, data
):
    header = client.header(urls[resource])
    for name in data.draw(st.sets(st.sampled_from(sorted(header)))):
        header.pop(name)
    before = unsigned()
    reply = client.deliver(urls[resource], flattened(client.key, encoded(header | changes), b"\0"))
    assert 400 <= reply.status < 500 or resource not in {"new-account", "new-order"}
    assert unsigned() == before


@MANY
@given(resource=st.sampled_from(RESOURCES), header=st.binary(max_size=200))
def test_any_octets_as_a_protected_header_are_malformed(client, urls, resource, header):
    assert client.deliver(urls[resource], flattened(client.key, header, b"{}")).problem in {"malformed", "badNonce"}


@MANY
@given(
    jwk=st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k"]),
        values | st.sampled_from(["EC", "RSA", "P-256", "AQAB", b64(bytes(32)), b64(b"\xff" * 256)]),
    )
)
def test_any_jwk_is_refused(client, jwk):
    header = {"alg": "ES256", "nonce": client.nonce(), "url": f"{client.ca.url}/acme/new-account", "jwk": jwk}
    reply = client.deliver("new-account", flattened(client.key, encoded(header), b"{}"))
    assert reply.problem in {"malformed", "badPublicKey", "badSignatureAlgorithm", "unauthorized"}


@MANY
@given(resource=st.sampled_from(RESOURCES), payload=objects)
def test_any_json_as_a_payload_is_answered_without_a_fault_of_ours(client, urls, resource, payload):
    if payload.get("status") == "deactivated":
        payload.pop("status")
    sender = Client(client.ca, client.key) if resource == "new-account" else client
    reply = sender.deliver(urls[resource], flattened(client.key, sender.header(urls[resource]), encoded(payload)))
    assert reply.status < 500


identifier = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["dns", "jid", "ip"]) | text,
        "value": text | words | st.from_regex(r"[a-zA-Z0-9_.*-]{1,40}\.(org|co\.uk|xn--p1ai)", fullmatch=True),
    },
    optional={"ancestorDomain": words | text},
)
times = st.datetimes(datetime(2026, 5, 1), datetime(2026, 9, 1)).map("{:%Y-%m-%dT%H:%M:%SZ}".format)  # noqa: DTZ001
names_of_certificates = st.tuples(st.binary(max_size=30), st.binary(max_size=30)).map(
    lambda parts: ".".join(map(b64, parts))
)


@MANY
@given(identifiers=st.lists(identifier, min_size=1, max_size=4), profile=st.sampled_from(["xmpp", "xmpp-user", "tls"]))
def test_any_names_are_taken_or_refused_and_what_is_taken_is_lower_case_ldh(client, identifiers, profile):
    payload = encoded({"identifiers": identifiers, "profile": profile})
    reply = client.deliver("new-order", flattened(client.key, client.header("new-order"), payload))
    if reply.status == 201:
        for part in reply.json["identifiers"]:
            assert part["value"].isascii()
            assert set(part["value"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    else:
        assert reply.problem in {"rejectedIdentifier", "unsupportedIdentifier", "malformed", "invalidProfile"}


@MANY
@given(identifier=identifier | values, flag=values)
def test_any_identifier_is_authorized_in_advance_or_refused(client, identifier, flag):
    payload = encoded({"identifier": identifier, "subdomainAuthAllowed": flag})
    reply = client.deliver("new-authz", flattened(client.key, client.header("new-authz"), payload))
    if reply.status == 201:
        assert set(reply.json["identifier"]["value"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
        assert reply.json.get("subdomainAuthAllowed", False) is flag
    else:
        assert reply.problem in {"rejectedIdentifier", "unsupportedIdentifier", "malformed"}


@MANY
@given(before=values | times, after=values | times, replaces=values)
def test_any_validity_and_any_certificate_to_replace_is_taken_or_malformed(client, before, after, replaces):
    members = {"notBefore": before, "notAfter": after, "replaces": replaces}
    payload = encoded({"identifiers": [{"type": "dns", "value": "example.org"}]} | members)
    reply = client.deliver("new-order", flattened(client.key, client.header("new-order"), payload))
    if reply.status == 201:
        told = {name: datetime.fromisoformat(value) for name, value in members.items() if value is not None}
        assert {name: datetime.fromisoformat(reply.json[name]) for name in told} == told
    else:
        assert reply.problem == "malformed"


@MANY
@given(name=st.text(st.characters(codec="utf-8"), max_size=60).map(quote_plus) | names_of_certificates)
def test_any_name_of_a_certificate_is_unknown_or_malformed(client, name):
    reply = client.send("GET", f"{client.ca.url}/acme/renewal-info/{name}")
    assert (reply.status, reply.problem) in {(400, "malformed"), (404, "malformed")}


@MANY
@given(der=st.binary(max_size=200))
def test_any_octets_as_csr_or_certificate_are_refused(client, urls, der):
    assert client.post("revoke-cert", {"certificate": b64(der)}).problem == "malformed"
    assert client.post(urls["finalize"], {"csr": b64(der)}).problem in {"orderNotReady", "badCSR"}


@MANY
@given(octets=st.binary(max_size=100) | values.map(encoded))
def test_json_is_read_as_it_stands_or_malformed(octets):
    try:
        value = json_object(octets, "text")
    except Malformed:
        return
    assert json.loads(octets) == value
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@MANY
@given(octets=st.binary(max_size=100))
def test_base64url_comes_back_as_it_was(octets):
    assert from_base64url(b64(octets), "text") == octets


@MANY
@given(value=text | values)
def test_one_octet_string_has_one_base64url_text_and_all_others_are_malformed(value):
    try:
        octets = from_base64url(value, "text")
    except Malformed:
        return
    assert b64(octets) == value
