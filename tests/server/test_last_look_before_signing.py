"""What may have changed between finalize and the signature: it is looked at once more, and nothing is signed then."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from acme_server.issuance import authority
from acme_server.issuance.keys import spki_sha256
from acme_server.issuance.lint import LintError
from acme_server.model import JobKind
from tests.acme_requests import Client, csr, ec_key
from tests.foreign_signer import Signer
from tests.in_process import NOW, HoldingPool


@pytest.fixture
def signer(ca_folder):
    return Signer(authority.load(ca_folder / "ca", NOW).issuer.signer)


@pytest.fixture
def pool():
    return HoldingPool()


@pytest.fixture
def ca(make_ca, ca_folder, signer, pool):
    certificate = authority.load(ca_folder / "ca", NOW).issuer.certificate
    return make_ca(parts={"issuer": authority.make_issuer(certificate, signer), "pool": lambda _: pool})


@pytest.fixture
def client(ca):
    return Client(ca).register()


def ready(client, pool, *names, **members):
    """An order all of whose names are proved, by a pool that has to be let go."""
    order = client.order(*names, **members)
    for authorization in order.json["authorizations"]:
        client.post(client.publish(authorization)["url"], {})
    pool.let_go()
    return order


def ended(ca, client, order, signer):
    """The problem that the order has ended with, nothing being signed or left over."""
    shown = client.post(order.location).json
    assert shown["status"] == "invalid"
    assert signer.signed == []
    assert ca.rows("SELECT count(*) FROM certificates") == [(0,)]
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'issue'") == [(0,)]
    assert ca.events()[-1] == "order_failed"
    return shown["error"]["type"].rpartition(":")[2], shown["error"]["detail"]


def test_r8_a_key_that_was_blocked_after_finalize_is_not_certified(ca, client, pool, signer):
    order, key = ready(client, pool, "example.org"), ec_key()
    assert client.finalize(order, csr(["example.org"], key)).json["status"] == "processing"
    with ca.store.write() as transaction:
        assert transaction.blocked_keys.block(spki_sha256(key.public_key()), NOW, "keyCompromise")
    pool.let_go()
    kind, detail = ended(ca, client, order, signer)
    assert kind == "badCSR"
    assert "compromised" in detail


def test_7_4_a_notafter_that_has_passed_meanwhile_ends_the_order(ca, client, pool, signer):
    until = (NOW + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    order = ready(client, pool, "example.org", notAfter=until)
    client.finalize(order)
    ca.clock.advance(hours=2)
    pool.let_go()
    kind, detail = ended(ca, client, order, signer)
    assert kind == "malformed"
    assert "has passed" in detail


def test_7_4_the_validity_asked_for_is_the_certificates(ca, client, pool):
    start, end = NOW + timedelta(days=1), NOW + timedelta(days=9)
    asked = {"notBefore": start, "notAfter": end}
    order = ready(client, pool, "example.org", **{name: at.isoformat() for name, at in asked.items()})
    client.finalize(order)
    pool.let_go()
    leaf = client.post(client.post(order.location).json["certificate"]).leaf
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (start, end)


def test_a_finding_of_the_linter_ends_the_order(ca, client, pool, signer):
    def linter(*_):
        raise LintError("pkilint: something")

    handlers = ca.application.workers._handlers
    handlers[JobKind.ISSUE] = replace(handlers[JobKind.ISSUE], linter=linter)
    order = ready(client, pool, "example.org")
    client.finalize(order)
    pool.let_go()
    kind, detail = ended(ca, client, order, signer)
    assert kind == "serverInternal"
    assert "pkilint" not in detail


def test_a_shape_that_has_passed_is_in_the_database_and_passes_once(make_ca, ca, client, pool):
    def issue():
        order = ready(client, pool, "example.org")
        client.finalize(order)
        pool.let_go()
        assert client.post(order.location).json["status"] == "valid"

    issue()
    ((shape, at),) = ca.rows("SELECT shape, passed_at FROM linted_shapes")
    assert "|xmpp|45d|secp256r1|" in shape
    ca.clock.advance(minutes=1)
    again = make_ca(Path(ca.config.directory), parts={"pool": lambda _: pool})
    again.clock.now = ca.clock()
    client.ca = again
    issue()
    assert ca.rows("SELECT shape, passed_at FROM linted_shapes") == [(shape, at)]


def test_the_audit_chain_keeps_every_kind_of_name_as_text(ca, client, pool):
    order = ready(client, pool, "example.org", "www.example.org")
    client.finalize(order)
    pool.let_go()
    (record,) = (record for record in ca.audit() if record.event == "certificate_reserved")
    assert record.detail["names"] == ["example.org", "www.example.org"]
    assert set(record.detail) == {"names", "order", "tbs_sha256"}
    assert json.loads(ca.rows("SELECT identifiers FROM certificates")[0][0])[0] == {
        "type": "dns",
        "value": "example.org",
    }
