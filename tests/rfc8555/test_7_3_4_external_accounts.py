"""RFC 8555 §7.3.4: a new account is bound to an account elsewhere, by a MAC and by nothing else."""

from __future__ import annotations

import hmac
import json
from concurrent.futures import ThreadPoolExecutor

import acme.messages
import josepy
import pytest

from acme_server.model import ExternalAccountKey
from tests.acme_requests import REMOVED, Client, b64, binding, ec_key, ed25519_key, flattened, jwk_of, rsa_key
from tests.in_process import NOW

KID, MAC_KEY = "kid-1", bytes(range(32))
KEY = ec_key()


def add_key(ca, kid=KID, mac_key=MAC_KEY):
    with ca.store.write() as transaction:
        assert transaction.external_keys.add(ExternalAccountKey(kid, mac_key, "somebody", NOW))


@pytest.fixture
def ca(make_ca):
    ca = make_ca(acme={"external_account_required": True})
    add_key(ca)
    return ca


def bound(client, **changes):
    """The payload of newAccount with a binding that is right, then the changes to the binding's header."""
    url = client.url("new-account")
    return {"externalAccountBinding": binding(client.key, url, KID, MAC_KEY, **changes)}


def refused(ca, reply):
    """(status, error) of a reply that has left nothing behind."""
    assert ca.rows("SELECT count(*) FROM accounts") == [(0,)]
    assert ca.rows("SELECT account_id FROM external_keys WHERE kid = ?", KID) == [(None,)]
    return reply.status, reply.problem


@pytest.mark.parametrize("required", [True, False])
def test_7_3_4_the_directory_says_whether_a_binding_is_required(make_ca, required):
    ca = make_ca(acme={"external_account_required": required})
    meta = Client(ca).send("GET", f"{ca.url}/directory").json["meta"]
    assert meta["externalAccountRequired"] is required


@pytest.mark.parametrize("payload", [{}, {"externalAccountBinding": None}])
def test_7_3_4_without_a_binding_that_is_required_it_is_externalAccountRequired(ca, payload):
    assert refused(ca, Client(ca).post("new-account", payload)) == (403, "externalAccountRequired")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("key", [KEY, rsa_key(), ed25519_key()], ids=["EC", "RSA", "OKP"])
def test_7_3_4_the_account_object_shows_the_binding_as_it_came(ca, alg, key):
    client = Client(ca, key)
    payload = bound(client, alg=alg)
    reply = client.post("new-account", payload)
    assert reply.status == 201
    assert reply.json["externalAccountBinding"] == payload["externalAccountBinding"]
    client.account = reply.location
    assert client.post(client.account).json == reply.json
    updated = client.post(client.account, {"contact": ["mailto:a@example.org"]}).json
    assert updated["externalAccountBinding"] == payload["externalAccountBinding"]


def test_7_3_4_the_account_and_its_binding_are_made_together_and_told_to_the_audit_chain(ca):
    client = Client(ca)
    client.register(**bound(client))
    account_id = client.account.rpartition("/")[2]
    assert ca.rows("SELECT account_id FROM external_keys") == [(account_id,)]
    (record,) = ca.audit()
    assert (record.event, record.detail["external_key"]) == ("account_created", KID)


def test_7_3_4_the_same_request_again_finds_the_account(ca):
    client = Client(ca)
    payload = bound(client)
    first = client.post("new-account", payload)
    again = client.post("new-account", payload)
    assert (again.status, again.location, again.json) == (200, first.location, first.json)
    found = client.post("new-account", {"onlyReturnExisting": True})
    assert (found.status, found.json["externalAccountBinding"]) == (200, payload["externalAccountBinding"])


def test_7_3_4_a_key_that_is_used_up_binds_no_other_account(ca):
    first = Client(ca)
    first.register(**bound(first))
    other = Client(ca)
    reply = other.post("new-account", bound(other))
    assert (reply.status, reply.problem) == (403, "unauthorized")
    assert ca.rows("SELECT count(*) FROM accounts") == [(1,)]
    assert ca.events() == ["account_created"]


def test_7_3_4_of_parallel_accounts_one_gets_the_key(ca):
    def register(_):
        client = Client(ca)
        return client.post("new-account", bound(client)).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(register, range(12))) == [201] + [403] * 11
    assert ca.rows("SELECT count(*) FROM accounts") == [(1,)]


def test_7_3_4_a_revoked_key_binds_nothing(ca):
    with ca.store.write() as transaction:
        assert transaction.external_keys.revoke(KID, NOW)
    client = Client(ca)
    assert refused(ca, client.post("new-account", bound(client))) == (403, "unauthorized")


def test_7_3_4_a_key_that_is_revoked_later_leaves_its_account_as_it_is(ca):
    client = Client(ca)
    client.register(**bound(client))
    with ca.store.write() as transaction:
        assert transaction.external_keys.revoke(KID, NOW)
    assert client.post(client.account).json["status"] == "valid"


@pytest.mark.parametrize("kid", ["", "kid-2", "kid-1 ", "KID-1", "kid-1\0", "é"])
def test_7_3_4_a_kid_that_nobody_has_is_unauthorized(ca, kid):
    client = Client(ca)
    assert refused(ca, client.post("new-account", bound(client, kid=kid))) == (403, "unauthorized")


@pytest.mark.parametrize("mac_key", [b"", bytes(32), MAC_KEY[:-1], MAC_KEY + b"\1", b64(MAC_KEY).encode()])
@pytest.mark.parametrize("kid", [KID, "kid-2"])
def test_7_3_4_a_mac_of_another_key_is_unauthorized(ca, kid, mac_key):
    client = Client(ca)
    made = binding(client.key, client.url("new-account"), kid, mac_key)
    reply = client.post("new-account", {"externalAccountBinding": made})
    assert refused(ca, reply) == (403, "unauthorized")


@pytest.mark.parametrize(
    "tamper",
    [
        lambda made: made | {"signature": ""},
        lambda made: made | {"signature": b64(bytes(31))},
        lambda made: made | {"signature": made["signature"] + "AAAA"},
        lambda made: made | {"signature": b64(bytes(32))},
    ],
    ids=range(4),
)
def test_7_3_4_a_mac_that_was_changed_is_unauthorized(ca, tamper):
    client = Client(ca)
    made = bound(client)["externalAccountBinding"]
    reply = client.post("new-account", {"externalAccountBinding": tamper(made)})
    assert refused(ca, reply) == (403, "unauthorized")


def test_7_3_4_who_has_no_key_is_not_told_which_kids_there_are(ca):
    client = Client(ca)
    url = client.url("new-account")
    details = {
        client.post("new-account", {"externalAccountBinding": binding(client.key, url, kid, mac_key)}).json["detail"]
        for kid in (KID, "kid-2")
        for mac_key in (b"x", b"")
    }
    assert len(details) == 1


@pytest.mark.parametrize("alg", ["none", "ES256", "RS256", "EdDSA", "hs256", "HS1", ""])
def test_7_3_4_an_alg_that_is_no_mac_is_badSignatureAlgorithm_with_the_macs(ca, alg):
    client = Client(ca)
    reply = client.post("new-account", bound(client, alg=alg))
    assert refused(ca, reply) == (400, "badSignatureAlgorithm")
    assert reply.json["algorithms"] == ["HS256", "HS384", "HS512"]


def test_7_3_4_a_mac_over_another_hash_than_alg_says_is_unauthorized(ca):
    client = Client(ca)
    made = binding(client.key, client.url("new-account"), KID, MAC_KEY, alg="HS256")
    other = binding(client.key, client.url("new-account"), KID, MAC_KEY, alg="HS512")
    mixed = made | {"signature": other["signature"]}
    assert refused(ca, client.post("new-account", {"externalAccountBinding": mixed})) == (403, "unauthorized")


def test_7_3_4_a_signature_by_the_account_key_is_no_binding(ca):
    client = Client(ca, KEY)
    header = {"alg": "ES256", "kid": KID, "url": client.url("new-account")}
    made = flattened(KEY, header, jwk_of(KEY))
    reply = client.post("new-account", {"externalAccountBinding": made})
    assert refused(ca, reply) == (400, "badSignatureAlgorithm")


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "AAAA"},
        {"nonce": None},
        {"kid": REMOVED},
        {"kid": 1},
        {"kid": None},
        {"kid": REMOVED, "jwk": jwk_of(KEY)},
        {"jwk": jwk_of(KEY)},
        {"url": REMOVED},
        {"url": "https://ca.example/acme/new-order"},
        {"url": "https://ca.example/acme/new-account/"},
        {"url": "https://evil.example/acme/new-account"},
        {"url": 1},
        {"alg": REMOVED},
        {"alg": None},
        {"crit": ["exp"]},
        {"b64": False},
        {"zip": "DEF"},
    ],
    ids=str,
)
def test_7_3_4_a_header_that_is_not_what_a_binding_has_is_malformed(ca, changes):
    client = Client(ca)
    assert refused(ca, client.post("new-account", bound(client, **changes))) == (400, "malformed")


@pytest.mark.parametrize("inside", [ec_key(), rsa_key(), ed25519_key()], ids=["EC", "RSA", "OKP"])
def test_7_3_4_another_key_inside_is_malformed(ca, inside):
    client = Client(ca)
    made = binding(inside, client.url("new-account"), KID, MAC_KEY)
    assert refused(ca, client.post("new-account", {"externalAccountBinding": made})) == (400, "malformed")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"x", b'{"kty":"oct","k":"AAAA"}', b'{"kty":"EC","kty":"EC"}'])
def test_7_3_4_what_is_no_key_inside_is_malformed(ca, content):
    client = Client(ca)
    made = bound(client)["externalAccountBinding"] | {"payload": b64(content)}
    mac = hmac.digest(MAC_KEY, f"{made['protected']}.{made['payload']}".encode(), "sha256")
    reply = client.post("new-account", {"externalAccountBinding": made | {"signature": b64(mac)}})
    assert refused(ca, reply) == (400, "malformed")


def test_7_3_4_members_of_the_key_inside_that_name_no_key_are_ignored(ca):
    client = Client(ca)
    made = bound(client)["externalAccountBinding"]
    made["payload"] = b64(json.dumps(jwk_of(client.key) | {"use": "sig", "alg": "ES256"}).encode())
    mac = hmac.digest(MAC_KEY, f"{made['protected']}.{made['payload']}".encode(), "sha256")
    assert client.post("new-account", {"externalAccountBinding": made | {"signature": b64(mac)}}).status == 201


@pytest.mark.parametrize(
    "change",
    [
        lambda made: "x",
        lambda made: [made],
        lambda made: {},
        lambda made: made | {"header": {}},
        lambda made: {name: value for name, value in made.items() if name != "payload"},
        lambda made: made | {"signature": made["signature"] + "="},
        lambda made: made | {"protected": "e30"},
        lambda made: made | {"protected": b64(b"[]")},
        lambda made: made | {"payload": 1},
        lambda made: True,
    ],
    ids=range(10),
)
def test_7_3_4_what_is_no_flattened_jws_is_malformed(ca, change):
    client = Client(ca)
    made = change(bound(client)["externalAccountBinding"])
    assert refused(ca, client.post("new-account", {"externalAccountBinding": made})) == (400, "malformed")


def test_6_2_nothing_that_a_bindings_header_names_is_fetched(ca):
    client = Client(ca)
    foreign = {"jku": "http://evil.example/k", "x5u": "http://evil.example/c", "typ": "JWT"}
    assert client.post("new-account", bound(client, **foreign)).status == 201
    assert ca.network.asked == []


def test_7_3_4_a_binding_that_is_not_required_is_checked_all_the_same(make_ca):
    ca = make_ca()
    add_key(ca)
    client = Client(ca)
    wrong = binding(client.key, client.url("new-account"), KID, b"x" * 32)
    assert refused(ca, client.post("new-account", {"externalAccountBinding": wrong})) == (403, "unauthorized")
    right = client.post("new-account", bound(client))
    assert (right.status, "externalAccountBinding" in right.json) == (201, True)
    assert "externalAccountBinding" not in Client(ca).post("new-account", {}).json


def test_7_3_4_a_request_of_its_own_is_never_signed_by_a_mac(ca):
    client = Client(ca)
    client.register(**bound(client))
    header = client.header(client.account, kid=KID)
    body = binding(client.key, client.account, KID, MAC_KEY, **header | {"alg": "HS256"})
    assert client.deliver(client.account, body).problem == "malformed"
    body = binding(
        client.key, client.url(client.account), KID, MAC_KEY, **header | {"kid": client.account, "alg": "HS256"}
    )
    assert client.deliver(client.account, body).problem == "badSignatureAlgorithm"


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_7_3_4_the_binding_that_certbots_library_makes_is_taken(ca, alg):
    client = Client(ca, KEY)
    directory = acme.messages.Directory({"newAccount": client.url("new-account")})
    public = josepy.JWKEC.from_json(jwk_of(KEY))
    made = acme.messages.ExternalAccountBinding.from_data(public, KID, b64(MAC_KEY), directory, alg)
    assert client.post("new-account", {"externalAccountBinding": made}).status == 201
