"""RFC 8555 §7.3.5: another key for an account, signed by both; and what goes on under way meanwhile (§8.1)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.protocol.jws import canonical_jwk, load_key
from challenges.base import Error, Fault
from challenges.mail_code import answer, parse_code
from tests.acme_requests import (
    REMOVED,
    Client,
    b64,
    ec_key,
    ed25519_key,
    flattened,
    jwk_of,
    number,
    rsa_key,
    thumbprint,
)
from tests.in_process import NOW, HoldingPool

NEW = ec_key()


@pytest.fixture
def client(ca):
    return Client(ca).register(contact=["mailto:admin@example.org"])


def changed(client, new):
    """The client after a key change."""
    reply = client.post("key-change", client.key_change(new))
    assert reply.status == 200, reply.content
    client.key = new
    return reply


def refused(client, reply):
    """(status, error) of a reply that has changed nothing."""
    assert client.ca.rows("SELECT thumbprint FROM accounts WHERE id = ?", client.account.rpartition("/")[2]) == [
        (thumbprint(client.key),)
    ]
    assert client.post(client.account).status == 200
    assert "account_key_changed" not in client.ca.events()
    return reply.status, reply.problem


def test_7_1_1_the_directory_names_keyChange(ca):
    assert Client(ca).send("GET", f"{ca.url}/directory").json["keyChange"] == f"{ca.url}/acme/key-change"


@pytest.mark.parametrize(
    "new", [NEW, ec_key(ec.SECP384R1()), rsa_key(), ed25519_key()], ids=["P-256", "P-384", "RSA", "Ed25519"]
)
def test_7_3_5_the_new_key_signs_for_the_account_and_the_old_one_no_more(ca, client, new):
    old = client.key
    before = client.post(client.account).json
    reply = changed(client, new)
    assert reply.json == before
    assert client.post(client.account).json == before
    client.key = old
    again = client.post(client.account)
    same_algorithm = new is NEW
    assert again.problem == ("unauthorized" if same_algorithm else "badSignatureAlgorithm")


def test_7_3_5_newAccount_finds_the_account_by_its_new_key_and_makes_one_for_the_old(ca, client):
    old = client.key
    changed(client, NEW)
    found = Client(ca, NEW).post("new-account", {"onlyReturnExisting": True})
    assert (found.status, found.location) == (200, client.account)
    assert Client(ca, old).post("new-account", {"onlyReturnExisting": True}).problem == "accountDoesNotExist"
    other = Client(ca, old).register()
    assert other.account != client.account


def test_7_3_5_the_change_is_told_to_the_audit_chain(ca, client):
    old = client.key
    changed(client, NEW)
    record = ca.audit()[-1]
    subject = client.account.removeprefix(f"{ca.url}/acme/")
    assert (record.event, record.actor, record.subject) == ("account_key_changed", subject, subject)
    assert record.detail == {"from": thumbprint(old), "to": thumbprint(NEW)}


def test_7_3_5_a_key_can_be_changed_again_and_back(client):
    first = client.key
    for new in (NEW, ed25519_key(), first):
        changed(client, new)
    assert client.post(client.account).json["status"] == "valid"


def test_7_3_5_a_key_that_an_account_has_is_answered_409_with_its_location(ca, client):
    other = Client(ca, NEW).register()
    reply = client.post("key-change", client.key_change(NEW))
    assert refused(client, reply) == (409, "malformed")
    assert reply.location == other.account


def test_7_3_5_the_accounts_own_key_is_in_use_too(client):
    reply = client.post("key-change", client.key_change(client.key))
    assert refused(client, reply) == (409, "malformed")
    assert reply.location == client.account


def test_7_3_5_the_key_of_a_deactivated_account_stays_its_own(ca, client):
    other = Client(ca, NEW).register()
    other.post(other.account, {"status": "deactivated"})
    reply = client.post("key-change", client.key_change(NEW))
    assert refused(client, reply) == (409, "malformed")


def test_7_3_5_of_two_accounts_that_want_one_key_one_gets_it(ca):
    def change(_):
        client = Client(ca).register()
        return client.post("key-change", client.key_change(NEW)).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(change, range(8))) == [200] + [409] * 7
    assert ca.rows("SELECT count(*) FROM accounts WHERE thumbprint = ?", thumbprint(NEW)) == [(1,)]


def test_7_3_5_of_parallel_changes_of_one_account_one_is_made(ca, client):
    def change(new):
        clone = Client(ca, client.key)
        clone.account = client.account
        return clone.post("key-change", clone.key_change(new)).status

    keys = [ec_key() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, keys))
    assert sorted(statuses) == [200] + [403] * 7
    client.key = keys[statuses.index(200)]
    assert client.post(client.account).status == 200
    assert ca.events().count("account_key_changed") == 1


def test_7_3_5_newAccount_and_key_change_that_want_one_key_make_one_account_of_it(ca):
    def want(position):
        if position % 2:
            return Client(ca, NEW).post("new-account", {}).status
        client = Client(ca).register()
        return client.post("key-change", client.key_change(NEW)).status

    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(want, range(8)))
    assert statuses <= {200, 201, 409}
    assert ca.rows("SELECT count(*) FROM accounts WHERE thumbprint = ?", thumbprint(NEW)) == [(1,)]


@pytest.mark.parametrize(
    "payload",
    [None, b"", b"x", b"[]", b"{}", {"protected": "", "payload": "", "signature": ""}, {"account": "x", "oldKey": {}}],
)
def test_7_3_5_what_is_no_inner_jws_is_malformed(client, payload):
    assert refused(client, client.post("key-change", payload)) == (400, "malformed")


def test_7_3_5_an_inner_jws_with_more_than_its_members_is_malformed(client):
    inner = client.key_change(NEW)
    assert refused(client, client.post("key-change", inner | {"header": {}})) == (400, "malformed")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"jwk": REMOVED}, "malformed"),
        ({"jwk": REMOVED, "kid": "x"}, "malformed"),
        ({"kid": "x"}, "malformed"),
        ({"jwk": 1}, "malformed"),
        ({"nonce": "AAAA"}, "malformed"),
        ({"nonce": None}, "malformed"),
        ({"url": REMOVED}, "malformed"),
        ({"url": "https://ca.example/acme/new-account"}, "malformed"),
        ({"url": "https://evil.example/acme/key-change"}, "malformed"),
        ({"crit": []}, "malformed"),
        ({"alg": REMOVED}, "malformed"),
        ({"alg": "none"}, "badSignatureAlgorithm"),
        ({"alg": "HS256"}, "badSignatureAlgorithm"),
        ({"alg": "RS256"}, "badSignatureAlgorithm"),
        ({"jwk": jwk_of(NEW) | {"y": number(1, 32)}}, "badPublicKey"),
        ({"jwk": jwk_of(NEW) | {"d": number(1, 32)}}, "badPublicKey"),
        ({"jwk": {"kty": "RSA", "n": number(2**1024 + 1), "e": "AQAB"}}, "badPublicKey"),
        ({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32))}}, "badPublicKey"),
        ({"jwk": {"kty": "oct", "k": "AAAA"}}, "badPublicKey"),
    ],
    ids=str,
)
def test_7_3_5_an_inner_header_that_is_not_what_a_key_change_has_is_refused(client, header, problem):
    reply = client.post("key-change", client.key_change(NEW, {}, **header))
    assert refused(client, reply) == (400, problem)


def test_7_3_5_an_inner_jws_that_the_new_key_has_not_signed_is_unauthorized(client):
    """Else somebody could tie his account to the key of another."""
    inner = client.key_change(NEW)
    for forger in (client.key, ec_key()):
        head = {"alg": "ES256", "jwk": jwk_of(NEW), "url": client.url("key-change")}
        forged = flattened(forger, head, {"account": client.account, "oldKey": jwk_of(client.key)})
        assert refused(client, client.post("key-change", forged)) == (403, "unauthorized")
    swapped = inner | {"payload": b64(b"{}")}
    assert refused(client, client.post("key-change", swapped)) == (403, "unauthorized")


@pytest.mark.parametrize(
    "payload",
    [
        {"account": REMOVED},
        {"oldKey": REMOVED},
        {"account": 1},
        {"account": ""},
        {"account": "https://ca.example/acme/account/x"},
        {"oldKey": {}},
        {"oldKey": 1},
        {"oldKey": jwk_of(NEW)},
        {"oldKey": jwk_of(rsa_key())},
        {"oldKey": {"kty": "EC"}},
    ],
    ids=str,
)
def test_7_3_5_a_payload_that_is_not_this_accounts_key_change_is_malformed(client, payload):
    reply = client.post("key-change", client.key_change(NEW, payload))
    assert refused(client, reply) == (400, "malformed")


def test_6_2_nothing_that_an_inner_header_names_is_fetched(ca, client):
    foreign = {"jku": "http://evil.example/k", "x5u": "http://evil.example/c", "x5c": ["AA"]}
    assert client.post("key-change", client.key_change(NEW, {}, **foreign)).status == 200
    assert ca.network.asked == []


def test_7_3_5_the_old_key_may_be_told_with_members_that_name_no_key(client):
    old = jwk_of(client.key) | {"use": "sig", "kid": "x"}
    assert client.post("key-change", client.key_change(NEW, {"oldKey": old, "x": 1})).status == 200


def test_7_3_5_a_key_change_that_was_made_for_another_account_is_malformed(ca, client):
    """The new key's owner has signed for one account, and it is not tied to another one."""
    other = Client(ca).register()
    reply = client.post("key-change", other.key_change(NEW))
    assert refused(client, reply) == (400, "malformed")


def test_7_3_5_the_request_itself_is_signed_by_the_account(ca, client):
    stranger = Client(ca, NEW)
    assert stranger.post("key-change", client.key_change(NEW)).problem == "malformed"  # `jwk` is not taken here
    stranger.account = client.account
    assert stranger.post("key-change", client.key_change(NEW)).problem == "unauthorized"
    client.post(client.account, {"status": "deactivated"})
    reply = client.post("key-change", client.key_change(NEW))
    assert (reply.status, reply.problem) == (401, "unauthorized")
    assert "account_key_changed" not in ca.events()


def test_7_3_5_a_blocked_key_is_badPublicKey(ca, client):
    with ca.store.write() as transaction:
        transaction.blocked_keys.block(load_key(canonical_jwk(jwk_of(NEW))).spki_sha256, NOW, "test")
    reply = client.post("key-change", client.key_change(NEW))
    assert refused(client, reply) == (400, "badPublicKey")


def test_7_3_5_orders_authorizations_and_certificates_stay_the_accounts_own(ca, client):
    pending, ready = client.order("a.example.org"), client.ready("b.example.org")
    leaf = client.issue("c.example.org").leaf
    changed(client, NEW)
    assert client.post(pending.location).json["status"] == "pending"
    assert client.finalize(ready).json["status"] == "valid"
    client.prove(pending)
    assert client.finalize(pending).json["status"] == "valid"
    body = {"certificate": b64(leaf.public_bytes(Encoding.DER))}
    assert client.post("revoke-cert", body).status == 200


def test_7_3_5_a_challenge_that_is_being_validated_is_judged_by_the_key_it_was_answered_with(make_ca):
    """RFC 8555 §7.3.5: a key change MUST NOT invalidate what is pending."""
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool})
    client = Client(ca).register()
    order = client.order("example.org")
    url = client.publish(order.json["authorizations"][0])["url"]
    assert client.post(url, {}).json["status"] == "processing"
    changed(client, NEW)
    pool.let_go()
    assert client.post(url).json["status"] == "valid"


def test_8_1_a_response_by_the_new_key_is_judged_by_the_new_key(ca, client):
    """What was answered with the old key and met a passing fault can be answered anew."""
    order = client.order("example.org")
    authorization = order.json["authorizations"][0]
    ca.network.down = Fault(Error("connection", "no answer"), transient=True)
    url = client.publish(authorization)["url"]
    assert client.post(url, {}).json["status"] == "processing"
    ca.network.down = None
    changed(client, NEW)
    client.publish(authorization)  # the key authorization of the new key alone
    ca.clock.now += timedelta(seconds=1)
    assert client.post(url, {}).json["status"] == "valid"


def test_8_1_a_mailed_code_is_good_for_the_key_that_asked_for_it_alone(make_ca, mail_sink):
    """email-01: the second half of an answer is the key's, so the new key asks for a code of its own."""
    ca = make_ca(mail={"from": "acme@ca.example", "smarthost": mail_sink.address})
    mail_sink.start()
    client = Client(ca).register()
    order = client.order("example.org")
    challenge = client.challenge(order.json["authorizations"][0], "email-01")
    url = challenge["url"]
    client.post(url, {})
    ca.work_off()
    old = answer(parse_code(mail_sink.code()), f"{challenge['token']}.{thumbprint(client.key)}")
    changed(client, NEW)
    assert client.post(url, {"response": old}).problem == "malformed"
    assert client.post(url).json["status"] == "processing"
    client.post(url, {})
    ca.work_off()
    assert len(mail_sink.mails) == 2
    new = answer(parse_code(mail_sink.code()), f"{challenge['token']}.{thumbprint(NEW)}")
    assert client.post(url, {"response": new}).json["status"] == "valid"


def test_8_1_a_code_that_waits_to_be_mailed_is_not_mailed_once_another_key_has_asked(make_ca, mail_sink):
    ca = make_ca(mail={"from": "acme@ca.example", "smarthost": mail_sink.address})
    client = Client(ca).register()
    url = client.challenge(client.order("example.org").json["authorizations"][0], "email-01")["url"]
    client.post(url, {})
    changed(client, NEW)
    client.post(url, {})
    assert ca.rows("SELECT count(*) FROM outbox") == [(1,)]
    mail_sink.start()
    ca.clock.advance(minutes=1)
    ca.work_off()
    assert len(mail_sink.mails) == 1
