"""RFC 8555 §7.3.4, §7.3.5: whatever stands in the place of an inner JWS is refused, and ties no key to anything."""

from __future__ import annotations

import hmac
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acme_server.model import ExternalAccountKey
from tests.acme_requests import Client, b64, ec_key, flattened, jwk_of
from tests.in_process import NOW

SOME = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEY, NEW = ec_key(), ec_key()
KID, MAC_KEY = "kid", bytes(32)

text = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | text
names = st.sampled_from(
    [
        "alg",
        "jwk",
        "kid",
        "url",
        "nonce",
        "crit",
        "b64",
        "account",
        "oldKey",
        "kty",
        "crv",
        "x",
        "y",
        "n",
        "e",
        "k",
        "d",
    ]
)
words = st.sampled_from(
    ["ES256", "HS256", "none", "EC", "RSA", "OKP", "oct", "P-256", "Ed25519", "AQAB", b64(bytes(32)), KID]
)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | text, inner, max_size=5),
    max_leaves=10,
)
objects = st.dictionaries(names, values, max_size=6)


@pytest.fixture(scope="module")
def client(shared_ca):
    with shared_ca.store.write() as transaction:
        transaction.external_keys.add(ExternalAccountKey(KID, MAC_KEY, "", NOW))
    return Client(shared_ca, KEY).register()


def left(client):
    """What a refusal leaves as it was: accounts that may sign, keys that have bound none, and whether ours still may."""
    tables = ("accounts WHERE status = 'valid'", "external_keys WHERE account_id IS NULL")
    counts = [client.ca.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    return [*counts, client.post(client.account).status]


def sent(client, url, payload):
    """The client's own checks: below 500, a problem document, a nonce."""
    reply = client.post(url, json.dumps(payload).encode("utf-8", "surrogatepass"))
    assert 400 <= reply.status < 500


@SOME
@given(value=values | objects)
def test_rubbish_instead_of_an_inner_jws_is_refused(client, value):
    sent(client, "key-change", value)
    stranger = Client(client.ca, NEW)
    if value is not None:
        sent(stranger, "new-account", {"externalAccountBinding": value})
    assert left(client) == [1, 1, 200]


@SOME
@given(header=objects, payload=objects)
def test_an_inner_jws_of_rubbish_is_refused_however_well_it_is_signed(client, header, payload):
    right = {"alg": "ES256", "jwk": jwk_of(NEW), "url": client.url("key-change")}
    members = {"account": client.account, "oldKey": jwk_of(KEY)}
    for head, body in ((right | {"url": "x"} | header, members | payload), (right, payload), (header, members)):
        sent(client, "key-change", flattened(NEW, head, body))
    head = b64(json.dumps({"alg": "HS256", "kid": KID, "url": "x"} | header).encode())
    body = b64(json.dumps(payload).encode())
    bound = {
        "protected": head,
        "payload": body,
        "signature": b64(hmac.digest(MAC_KEY, f"{head}.{body}".encode(), "sha256")),
    }
    sent(Client(client.ca, NEW), "new-account", {"externalAccountBinding": bound})
    assert left(client) == [1, 1, 200]
