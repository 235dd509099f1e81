"""RFC 8555 §7.6, our policy: a certificate's key that itself reports its compromise is used by nobody any more."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance import authority
from acme_server.issuance.keys import spki_sha256
from acme_server.issuance.serials import serial_text
from tests.acme_requests import Client, b64, csr, ec_key, ed25519_key, jwk_of, rsa_key, thumbprint
from tests.in_process import NOW, HoldingPool


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def key():
    return ec_key()


@pytest.fixture
def leaf(client, key):
    return client.issue("example.org", key=key).leaf


def certificate(leaf, **members):
    return {"certificate": b64(leaf.public_bytes(Encoding.DER))} | members


def blocked(ca, key):
    with ca.store.read() as transaction:
        return transaction.blocked_keys.blocked(spki_sha256(key.public_key()))


def revoked(ca):
    """{serial: reason} of the CRL that is published then."""
    ca.clock.advance(seconds=1)
    ca.work_off()
    issuer = authority.load(ca.config.path("ca"), NOW).issuer
    crl = x509.load_der_x509_crl(Client(ca).send("GET", f"{ca.url}/pki/{issuer.id}.crl").content)
    reasons = {}
    for entry in crl:
        found = [e.value.reason.value for e in entry.extensions if isinstance(e.value, x509.CRLReason)]
        reasons[entry.serial_number] = found[0] if found else None
    return reasons


@pytest.mark.parametrize("key", [ec_key(), rsa_key(), ed25519_key()], ids=["EC", "RSA", "OKP"])
def test_7_6_keyCompromise_signed_by_the_certificates_key_blocks_the_key(ca, client, key):
    leaf = client.issue("example.org", key=key).leaf
    assert Client(ca, key).post("revoke-cert", certificate(leaf, reason=1)).status == 200
    assert blocked(ca, key)
    records = {record.event: record for record in ca.audit()[-2:]}
    assert set(records) == {"certificate_revoked", "key_blocked"}
    assert records["key_blocked"].subject == f"key/{thumbprint(key)}"
    assert records["key_blocked"].detail == {"certificate": serial_text(leaf.serial_number)}


@pytest.mark.parametrize("reason", [None, 0, 3, 4, 5])
def test_7_6_another_reason_blocks_no_key(ca, leaf, key, reason):
    assert Client(ca, key).post("revoke-cert", certificate(leaf, reason=reason)).status == 200
    assert not blocked(ca, key)


def test_7_6_an_account_that_says_keyCompromise_revokes_and_blocks_nothing(ca, client, leaf, key):
    """It has not shown that it has the key: else one who has proved a name once could take the key from its owner."""
    other = Client(ca).register()
    other.ready("example.org")
    assert other.post("revoke-cert", certificate(leaf, reason=1)).status == 200
    assert ca.rows("SELECT count(*) FROM blocked_keys") == [(0,)]
    for account in (client, other):
        assert account.post(account.account).json["status"] == "valid"


def test_7_6_a_blocked_key_makes_no_account(ca, leaf, key):
    Client(ca, key).post("revoke-cert", certificate(leaf, reason=1))
    reply = Client(ca, key).post("new-account", {})
    assert (reply.status, reply.problem) == (400, "badPublicKey")
    assert Client(ca, key).post("new-account", {"onlyReturnExisting": True}).problem == "accountDoesNotExist"
    assert ca.rows("SELECT count(*) FROM accounts") == [(1,)]


def test_7_6_a_blocked_key_becomes_no_accounts_key(ca, client, leaf, key):
    Client(ca, key).post("revoke-cert", certificate(leaf, reason=1))
    reply = client.post("key-change", client.key_change(key))
    assert (reply.status, reply.problem) == (400, "badPublicKey")


def test_7_6_a_blocked_key_gets_no_certificate(ca, client, leaf, key):
    Client(ca, key).post("revoke-cert", certificate(leaf, reason=1))
    order = client.ready("www.example.org")
    reply = client.finalize(order, csr(["www.example.org"], key))
    assert (reply.status, reply.problem) == (400, "badCSR")
    assert client.finalize(order).json["status"] == "valid"


def test_7_6_every_other_certificate_of_the_key_is_revoked_with_it(ca, client, leaf, key):
    """Many clients keep the key of a certificate when they renew it."""
    again = client.issue("example.org", key=key).leaf
    other = Client(ca).register().issue("www.example.org", key=key).leaf
    apart = client.issue("apart.example.org").leaf
    assert Client(ca, key).post("revoke-cert", certificate(leaf, reason=1)).status == 200
    assert revoked(ca) == {each.serial_number: "keyCompromise" for each in (leaf, again, other)}
    assert apart.serial_number not in revoked(ca)
    told = ca.rows("SELECT subject FROM notices WHERE event = 'certificate_revoked'")
    assert {subject for (subject,) in told} == {
        f"certificate/{serial_text(each.serial_number)}" for each in (leaf, again, other)
    }


def test_7_6_what_was_revoked_before_keeps_its_time_and_reason(ca, client, leaf, key):
    again = client.issue("example.org", key=key).leaf
    client.post("revoke-cert", certificate(again, reason=4))
    Client(ca, key).post("revoke-cert", certificate(leaf, reason=1))
    assert revoked(ca) == {again.serial_number: "superseded", leaf.serial_number: "keyCompromise"}


def test_7_6_the_key_of_a_certificate_that_is_revoked_already_can_still_be_reported(ca, client, leaf, key):
    again = client.issue("example.org", key=key).leaf
    client.post("revoke-cert", certificate(leaf, reason=4))
    reply = Client(ca, key).post("revoke-cert", certificate(leaf, reason=1))
    assert (reply.status, reply.problem) == (400, "alreadyRevoked")
    assert blocked(ca, key)
    assert revoked(ca) == {leaf.serial_number: "superseded", again.serial_number: "keyCompromise"}


def test_7_6_a_key_is_blocked_once(ca, client, leaf, key):
    def report(_):
        return Client(ca, key).post("revoke-cert", certificate(leaf, reason=1)).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(report, range(8))) == [200] + [400] * 7
    assert ca.events().count("key_blocked") == 1
    assert ca.events().count("certificate_revoked") == 1


def account_of(ca, key):
    """An account whose key is also that of a certificate: made before a version that refuses this (RFC 8555 §11.1)."""
    client = Client(ca).register(contact=["mailto:a@example.org"])
    jwk = json.dumps(jwk_of(key), sort_keys=True, separators=(",", ":"))
    ca.change(
        "UPDATE accounts SET thumbprint = ?, jwk = ? WHERE id = ?",
        thumbprint(key),
        jwk,
        client.account.rpartition("/")[2],
    )
    client.key = key
    return client


@pytest.fixture
def doubled(ca, leaf, key):
    return account_of(ca, key)


def test_7_1_2_the_account_of_a_compromised_key_is_revoked_and_does_nothing_more(ca, leaf, key, doubled):
    order = doubled.ready("www.example.org")
    assert Client(ca, key).post("revoke-cert", certificate(leaf, reason=1)).status == 200
    for url, payload in [
        (doubled.account, None),
        (doubled.account, {"status": "deactivated"}),
        ("key-change", doubled.key_change(ec_key())),
        ("new-order", {"identifiers": [{"type": "dns", "value": "www.example.org"}]}),
        (order.json["finalize"], {"csr": csr(["www.example.org"])}),
        ("revoke-cert", certificate(leaf)),
    ]:
        reply = doubled.post(url, payload)
        assert (reply.status, reply.problem) == (401, "unauthorized"), url
        assert "revoked" in reply.json["detail"]
    assert ca.rows("SELECT status FROM accounts WHERE thumbprint = ?", thumbprint(key)) == [("revoked",)]
    assert "account_revoked" in ca.events()
    assert ca.rows("SELECT subject FROM notices WHERE event = 'account_revoked'") == [
        (doubled.account.removeprefix(f"{ca.url}/acme/"),)
    ]
    again = Client(ca, key).post("new-account", {})
    assert (again.status, again.problem) == (401, "unauthorized")


def test_7_1_2_what_a_revoked_account_had_under_way_is_not_done(make_ca, key):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool})

    def finished(client, order):
        client.post(client.publish(order.json["authorizations"][0])["url"], {})
        pool.let_go()
        return client.finalize(order, csr(["example.org"], key))

    client = Client(ca).register()
    order = client.order("example.org")
    finished(client, order)
    pool.let_go()
    leaf = client.post(client.post(order.location).json["certificate"]).leaf
    doubled = account_of(ca, key)
    waiting, begun = doubled.order("a.example.org"), doubled.order("b.example.org")
    doubled.post(doubled.publish(waiting.json["authorizations"][0])["url"], {})
    pool.let_go()
    assert doubled.finalize(waiting, csr(["a.example.org"])).json["status"] == "processing"
    doubled.post(doubled.publish(begun.json["authorizations"][0])["url"], {})
    asked = len(ca.network.asked)
    assert Client(ca, key).post("revoke-cert", certificate(leaf, reason=1)).status == 200
    pool.let_go()
    ca.work_off()
    pool.let_go()
    assert len(ca.network.asked) == asked
    assert ca.rows("SELECT count(*) FROM certificates") == [(1,)]


def test_7_6_an_account_that_has_had_another_key_since_is_not_touched(ca, leaf, key, doubled):
    new = ec_key()
    doubled.post("key-change", doubled.key_change(new))
    Client(ca, key).post("revoke-cert", certificate(leaf, reason=1))
    doubled.key = new
    assert doubled.post(doubled.account).json["status"] == "valid"


def test_7_6_a_deactivated_account_of_the_key_stays_as_it_is(ca, leaf, key, doubled):
    doubled.post(doubled.account, {"status": "deactivated"})
    Client(ca, key).post("revoke-cert", certificate(leaf, reason=1))
    assert ca.rows("SELECT status FROM accounts WHERE thumbprint = ?", thumbprint(key)) == [("deactivated",)]
    assert "account_revoked" not in ca.events()


def test_7_6_a_key_of_no_certificate_of_ours_blocks_nothing(ca, leaf):
    stranger = ec_key()
    reply = Client(ca, stranger).post("revoke-cert", certificate(leaf, reason=1))
    assert (reply.status, reply.problem) == (403, "unauthorized")
    assert not blocked(ca, stranger)
    assert ca.rows("SELECT count(*) FROM blocked_keys") == [(0,)]


def test_7_6_a_certificate_of_a_blocked_key_can_still_be_revoked_by_it(ca, client, leaf, key):
    """A block ends what a key may do, and revoking does no harm."""
    with ca.store.write() as transaction:
        transaction.blocked_keys.block(spki_sha256(key.public_key()), NOW, "by hand")
    assert Client(ca, key).post("revoke-cert", certificate(leaf, reason=1)).status == 200
    assert revoked(ca) == {leaf.serial_number: "keyCompromise"}
