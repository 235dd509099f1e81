"""Record before sign: at no moment is there a signature that the database knows nothing of, nor an order stuck.

The signer is the place to look from: when it is asked, what it will sign must already be durable; when it fails or
never answers, what was reserved must end on the CRL.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from acme_server.issuance import authority
from acme_server.issuance.issuer import Request, TicketSpent, issue, new_serial, prepare
from acme_server.issuance.profiles import PROFILES
from acme_server.model import JobKind
from acme_server.store import StoreUnavailable
from acme_server.validation.queue import LEASE
from challenges.base import Identifier
from tests.acme_requests import Client
from tests.foreign_signer import Signer
from tests.in_process import NOW, HoldingPool


class PowerCut(BaseException):
    """Nothing in the server may catch it: as a kill -9 is not caught."""


@pytest.fixture
def signer(ca_folder):
    return Signer(authority.load(ca_folder / "ca", NOW).issuer.signer)


@pytest.fixture
def parts(ca_folder, signer):
    issuer = authority.load(ca_folder / "ca", NOW).issuer
    return {"issuer": authority.make_issuer(issuer.certificate, signer)}


@pytest.fixture
def ca(make_ca, parts):
    return make_ca(parts=parts)


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def order(client):
    return client.ready("example.org", "www.example.org")


def serials(ca):
    return dict(ca.rows("SELECT serial, status FROM certificates"))


def published(ca):
    ca.clock.advance(seconds=1)
    ca.work_off()
    (der,) = ca.rows("SELECT der FROM crls")[0]
    return {f"{entry.serial_number:x}" for entry in x509.load_der_x509_crl(der)}


def test_when_the_signer_is_asked_serial_and_hash_of_what_it_signs_are_on_the_disk(ca, client, order, signer):
    seen = []
    query = (
        "SELECT c.serial, c.status, c.der, c.tbs_sha256, o.certificate, o.processing_since IS NOT NULL"
        " FROM certificates c JOIN orders o ON o.id = c.order_id"
    )
    signer.before = lambda content: seen.append((ca.rows(query), ca.events()[-1], hashlib.sha256(content).digest()))
    done = client.finalize(order)
    ((rows, event, digest),) = seen
    ((serial, status, der, recorded, certificate, processing),) = rows
    assert (status, der, certificate, processing, event) == ("reserved", None, None, 1, "certificate_reserved")
    assert recorded == digest
    assert done.json["certificate"].endswith(serial)
    assert serials(ca) == {serial: "issued"}


def test_the_certificate_its_order_its_audit_record_and_its_notice_are_one_transaction(ca, client, order, signer):
    """Each of them is made impossible in turn: then none of them is there, and the order gets a new serial."""
    statements = {
        "order": "CREATE TRIGGER stop BEFORE UPDATE OF certificate ON orders BEGIN SELECT RAISE(FAIL, 'disk'); END",
        "audit": "CREATE TRIGGER stop BEFORE INSERT ON audit WHEN NEW.event = 'certificate_issued'"
        " BEGIN SELECT RAISE(FAIL, 'disk'); END",
        "notice": "CREATE TRIGGER stop BEFORE INSERT ON notices BEGIN SELECT RAISE(FAIL, 'disk'); END",
        "job": "CREATE TRIGGER stop BEFORE DELETE ON jobs BEGIN SELECT RAISE(FAIL, 'disk'); END",
    }
    for number, statement in enumerate(statements.values(), start=1):
        ca.change(statement)
        client.finalize(order) if number == 1 else ca.work_off()
        assert len(signer.signed) == number
        assert sorted(serials(ca).values()) == ["orphan"] * (number - 1) + ["reserved"]
        assert ca.rows("SELECT certificate, error FROM orders") == [(None, None)]
        assert "certificate_issued" not in ca.events()
        assert ca.rows("SELECT count(*) FROM notices") == [(0,)]
        ca.change("DROP TRIGGER stop")
        ca.clock.advance(minutes=10)
    ca.work_off()
    assert sorted(serials(ca).values()) == ["issued"] + ["orphan"] * 4
    assert client.post(order.location).json["status"] == "valid"
    assert ca.events().count("certificate_issued") == 1
    assert published(ca) == {serial for serial, status in serials(ca).items() if status == "orphan"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_power_cut_at_the_signer_leaves_a_reserved_serial_that_the_next_start_puts_on_the_crl(
    make_ca, parts, signer, moment
):
    pool = HoldingPool()
    ca = make_ca(parts=parts | {"pool": lambda _: pool})
    client = Client(ca).register()
    order = client.order("example.org")
    client.post(client.publish(order.json["authorizations"][0])["url"], {})
    pool.let_go()
    client.finalize(order)

    def cut(*_):
        raise PowerCut

    setattr(signer, moment, cut)
    with pytest.raises(PowerCut):
        pool.let_go()
    ((lost, status),) = serials(ca).items()
    assert status == "reserved"

    setattr(signer, moment, lambda *_: None)
    again = make_ca(Path(ca.config.directory), parts=parts)
    again.clock.now = ca.clock() + LEASE  # of the process that is dead
    again.work_off()
    owner = Client(again, client.key)
    owner.account = client.account
    shown = owner.post(order.location).json
    assert shown["status"] == "valid"
    new = shown["certificate"].rpartition("/")[2]
    assert serials(again) == {lost: "orphan", new: "issued"}
    assert published(again) == {lost}
    assert again.events().count("certificate_orphaned") == 1


def test_a_signer_that_fails_for_a_while_costs_a_serial_each_time_and_the_order_becomes_valid(
    ca, client, order, signer
):
    def fail(_):
        raise OSError("the HSM is away")

    signer.before = fail
    assert client.finalize(order).json["status"] == "processing"
    assert list(serials(ca).values()) == ["reserved"]
    ca.clock.advance(seconds=10)
    ca.work_off()
    assert sorted(serials(ca).values()) == ["orphan", "reserved"]
    signer.before = lambda _: None
    ca.clock.advance(seconds=20)
    ca.work_off()
    assert sorted(serials(ca).values()) == ["issued", "orphan", "orphan"]
    assert client.post(order.location).json["status"] == "valid"
    assert len(published(ca)) == 2


def test_a_signer_that_fails_for_good_ends_the_order_after_five_times(ca, client, order, signer):
    def fail(_):
        raise OSError("the HSM is away")

    signer.before = fail
    client.finalize(order)
    for _ in range(6):
        ca.clock.advance(minutes=10)
        ca.work_off()
    shown = client.post(order.location).json
    assert (shown["status"], shown["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:serverInternal")
    assert "HSM" not in shown["error"]["detail"]
    assert list(serials(ca).values()) == ["orphan"] * 5
    assert published(ca) == set(serials(ca))
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'issue'") == [(0,)]


def test_a_signature_that_is_not_over_what_was_recorded_is_never_given_out(ca, client, order, signer):
    honest = signer.key
    signer.key = ec.generate_private_key(ec.SECP256R1())  # another key answers
    signer.public_key = honest.public_key
    shown = client.finalize(order).json
    assert (shown["status"], shown["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:serverInternal")
    assert list(serials(ca).values()) == ["orphan"]
    assert ca.rows("SELECT count(*) FROM certificates WHERE der IS NOT NULL") == [(0,)]


def test_a_certificate_that_the_lint_refuses_ends_the_order_and_is_never_signed(ca, client, order, signer):
    handlers = ca.application.workers._handlers
    handlers[JobKind.ISSUE] = replace(handlers[JobKind.ISSUE], random=lambda count: bytes(count - 1) + b"\2")
    shown = client.finalize(order).json  # the serial 1 has not come from 159 random bits
    assert (shown["status"], shown["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:serverInternal")
    assert signer.signed == []
    assert serials(ca) == {}
    assert ca.events()[-1] == "order_failed"
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'issue'") == [(0,)]


def test_an_issuer_whose_own_life_ends_tomorrow_ends_the_order(ca, client, signer):
    issuer = ca.parts.issuer.certificate
    ca.clock.now = issuer.not_valid_after_utc - timedelta(hours=23)
    order = client.ready("example.org")
    assert client.finalize(order).json["status"] == "invalid"
    assert signer.signed == []


def test_who_has_lost_the_lease_before_the_signature_reserves_nothing(ca, client, order, signer):
    order_id = order.location.rpartition("/")[2]
    finalizer = ca.application.workers._handlers[JobKind.ISSUE]
    seen = []

    def takes_over(count):
        if not seen:
            seen.append(count)
            ca.change("UPDATE jobs SET owner = 'f-1-1' WHERE ref = ?", order_id)
        return bytes([7]) * count

    slow = replace(finalizer, random=takes_over)
    ca.application.workers._handlers[JobKind.ISSUE] = slow
    assert client.finalize(order).json["status"] == "processing"
    assert serials(ca) == {}
    assert signer.signed == []


def test_who_has_lost_the_lease_during_the_signature_gives_out_nothing_and_its_serial_is_on_the_crl(
    ca, client, order, signer
):
    order_id = order.location.rpartition("/")[2]

    def overtaken(_):
        signer.before = lambda _: None
        ca.change("UPDATE jobs SET owner = NULL, lease_until = NULL WHERE ref = ?", order_id)
        ca.work_off()  # another process does the whole job meanwhile

    signer.before = overtaken
    shown = client.finalize(order).json
    assert shown["status"] == "valid"
    won = shown["certificate"].rpartition("/")[2]
    states = serials(ca)
    assert states.pop(won) == "issued"
    assert list(states.values()) == ["orphan"]
    assert published(ca) == set(states)
    assert len(signer.signed) == 2


def test_a_job_of_an_order_that_is_done_does_nothing(ca, client, order, signer):
    client.finalize(order)
    ca.run_job(JobKind.ISSUE, order.location.rpartition("/")[2])
    ca.run_job(JobKind.ISSUE, "no such order")
    assert len(signer.signed) == 1
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'issue'") == [(0,)]


def test_a_ticket_is_redeemed_once(parts, signer):
    """Even by a caller that tries: the second signature does not happen."""
    names = (Identifier("dns", "example.org"),)
    request = Request(PROFILES["tls"], names, ec.generate_private_key(ec.SECP256R1()).public_key(), "https://x")
    ticket = prepare(request, parts["issuer"], NOW, new_serial(lambda count: b"\1" * count))
    issue(ticket, parts["issuer"])
    with pytest.raises(TicketSpent):
        issue(ticket, parts["issuer"])
    assert len(signer.signed) == 1


def test_a_full_disk_at_the_reservation_means_no_signature(ca, client, order, signer):
    ca.change(
        "CREATE TRIGGER stop BEFORE INSERT ON certificates BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
    )
    assert client.finalize(order).json["status"] == "processing"
    assert signer.signed == []
    ca.change("DROP TRIGGER stop")
    ca.clock.advance(minutes=2)
    ca.work_off()
    assert client.post(order.location).json["status"] == "valid"


def test_the_database_itself_refuses_an_issued_certificate_without_bytes_and_an_orphan_that_is_not_revoked(ca, client):
    client.issue("example.org")
    for statement in (
        "UPDATE certificates SET der = NULL",
        "UPDATE certificates SET status = 'reserved'",
        "UPDATE certificates SET status = 'orphan', der = NULL",
        "UPDATE orders SET error = '{}'",
        "INSERT INTO orders SELECT 'x', account_id, profile, expires, created_at, NULL, NULL, NULL, certificate, NULL, NULL, NULL FROM orders",
    ):
        with contextlib.suppress(StoreUnavailable), pytest.raises(sqlite3.IntegrityError):
            ca.change(statement)
    assert json.loads(ca.rows("SELECT identifiers FROM certificates")[0][0]) == [
        {"type": "dns", "value": "example.org"}
    ]
