"""What changes between reading and writing, and what is left when a part is taken away: nothing is lost or stuck."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance import authority
from acme_server.model import JobKind
from acme_server.states import Event
from challenges.http_01 import Http01
from tests.acme_requests import Client, b64, flattened
from tests.foreign_signer import Signer
from tests.in_process import NOW, HoldingPool


@pytest.fixture
def client(ca):
    return Client(ca).register()


class Meddling(Http01):
    """http-01, and somebody else who writes to the challenge in the middle of a response."""

    def __init__(self, times):
        object.__setattr__(self, "meddle", lambda: None)
        object.__setattr__(self, "left", [None] * times)

    def begin(self, task, payload, outbox, ca):
        if self.left:
            self.left.pop()
            self.meddle()
        return super().begin(task, payload, outbox, ca)


@pytest.mark.parametrize(("times", "status"), [(1, 200), (4, 200), (5, 503)])
def test_a_response_that_races_with_another_is_taken_anew_or_told_to_come_back(make_ca, times, status):
    kind = Meddling(times)
    ca = make_ca(parts={"challenges": {"http-01": kind}})
    object.__setattr__(kind, "meddle", lambda: ca.change("UPDATE challenges SET revision = revision + 1"))
    client = Client(ca).register()
    url = client.publish(client.order("example.org").json["authorizations"][0])["url"]
    body = flattened(client.key, client.header(url), {})
    reply = client.send("POST", url, json.dumps(body).encode(), "application/jose+json")
    assert reply.status == status
    if status == 200:
        assert reply.json["status"] == "valid"
    else:
        assert (reply.problem, reply.headers["Retry-After"]) == ("serverInternal", "2")
        assert ca.network.asked == []


def test_a_challenge_that_is_answered_again_while_it_is_validated_is_fetched_once(ca, client):
    order = client.order("example.org")
    challenge = client.publish(order.json["authorizations"][0])["url"]

    def again():
        ca.network.before = lambda: None
        client.post(challenge, {})

    ca.network.before = again
    assert client.post(challenge, {}).json["status"] == "valid"
    assert len(ca.network.asked) == 1
    assert ca.events().count("authorization_valid") == 1


def test_an_outcome_whose_lease_was_lost_is_not_written(ca, client):
    order = client.order("example.org")
    challenge = client.publish(order.json["authorizations"][0])["url"]
    ca.network.before = lambda: ca.change("UPDATE jobs SET owner = 'f-1-1'")
    assert client.post(challenge, {}).json["status"] == "processing"
    assert "authorization_valid" not in ca.events()


def test_a_job_for_a_challenge_that_has_ended_does_nothing(ca, client):
    order = client.ready("example.org")
    url = client.challenge(order.json["authorizations"][0], "http-01")["url"]
    ca.run_job(JobKind.VALIDATE, url.rpartition("/")[2])
    assert len(ca.network.asked) == 1
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'validate'") == [(0,)]


def test_a_deactivation_that_races_with_a_validation_is_told_to_read_again(make_ca):
    """Compare-and-set: the second of two that have read the same status changes nothing."""
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool})
    client = Client(ca).register()
    (authorization,) = client.order("example.org").json["authorizations"]
    with ca.store.read() as transaction:
        read = transaction.authorizations.get(authorization.rpartition("/")[2])
    client.post(client.publish(authorization)["url"], {})
    pool.let_go()
    with ca.store.write() as transaction:
        assert transaction.authorizations.advance(read, Event.DEACTIVATED) is None
    assert client.post(authorization).json["status"] == "valid"


@pytest.fixture
def signer(ca_folder):
    return Signer(authority.load(ca_folder / "ca", NOW).issuer.signer)


@pytest.fixture
def signing_ca(make_ca, ca_folder, signer):
    certificate = authority.load(ca_folder / "ca", NOW).issuer.certificate
    return make_ca(parts={"issuer": authority.make_issuer(certificate, signer)})


def test_what_is_revoked_while_a_crl_is_signed_is_on_the_one_that_is_published(signing_ca, signer):
    ca = signing_ca
    client = Client(ca).register()
    leaf = client.issue("example.org").leaf

    def revoke(_):
        signer.before_crl = lambda _: None
        client.post("revoke-cert", {"certificate": b64(leaf.public_bytes(Encoding.DER))})

    signer.before_crl = revoke
    ca.work_off()
    (der,) = ca.rows("SELECT der FROM crls")[0]
    assert [entry.serial_number for entry in x509.load_der_x509_crl(der)] == [leaf.serial_number]


def test_a_crl_that_cannot_be_signed_is_tried_for_ever(signing_ca, signer):
    ca = signing_ca

    def fail(_):
        raise OSError("the HSM is away")

    signer.before_crl = fail
    for _ in range(8):
        ca.work_off()
        ca.clock.advance(minutes=5)
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'crl'") == [(1,)]
    signer.before_crl = lambda _: None
    ca.work_off()
    assert ca.rows("SELECT count(*) FROM crls") == [(1,)]


def test_a_mail_that_no_gateway_can_send_is_given_up_and_the_client_is_told(ca, client):
    (authorization,) = client.order("example.org").json["authorizations"]
    url = client.challenge(authorization, "email-01")["url"]
    client.post(url, {})
    ca.change("UPDATE outbox SET recipient = 'post master@example.org'")
    for _ in range(6):
        ca.work_off()
        ca.clock.advance(minutes=3)
    shown = client.post(url).json
    assert (shown["status"], shown["error"]["type"]) == ("processing", "urn:ietf:params:acme:error:serverInternal")
    assert ca.rows("SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM jobs WHERE kind = 'mail')") == [(0,)]


def test_mail_that_waits_when_the_smarthost_is_taken_out_of_the_configuration_is_refused(ca, make_ca, client):
    (authorization,) = client.order("example.org").json["authorizations"]
    url = client.challenge(authorization, "email-01")["url"]
    client.post(url, {})
    again = make_ca(Path(ca.config.directory), mail=None)
    again.work_off()
    owner = Client(again, client.key)
    owner.account = client.account
    assert "hostmaster@example.org" in owner.post(url).json["error"]["detail"]
    assert again.rows("SELECT count(*) FROM outbox") == [(0,)]


@pytest.mark.parametrize("change", ["status = 'deactivated'", "expires = 0"])
def test_an_authorization_that_is_lost_while_finalize_reads_the_csr_ends_it_as_orderNotReady(ca, client, change):
    """The status is read again inside the transaction that decides."""
    order = client.ready("example.org")
    lease = ca.application.workers.lease

    def meanwhile(kind, ref, account_id):
        ca.change(f"UPDATE authorizations SET {change}")
        return lease(kind, ref, account_id)

    ca.application.workers.lease = meanwhile
    assert client.finalize(order).problem == "orderNotReady"
    assert ca.rows("SELECT csr, processing_since FROM orders") == [(None, None)]
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'issue'") == [(0,)]
