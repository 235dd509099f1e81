"""RFC 8555 §6.7: every refusal is a problem document, and a fault of ours tells an incident id and nothing else."""

from __future__ import annotations

import inspect
import json
import logging
import sqlite3

import pytest
import structlog

from acme_server import errors
from acme_server.store import StoreUnavailable
from tests.acme_requests import Client, flattened

PROBLEMS = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.Problem)]
KINDS = {
    # RFC 8555 §6.7
    *("accountDoesNotExist", "alreadyRevoked", "badCSR", "badNonce", "badPublicKey", "badRevocationReason"),
    *("badSignatureAlgorithm", "caa", "compound", "connection", "dns", "externalAccountRequired"),
    *("incorrectResponse", "invalidContact", "malformed", "orderNotReady", "rateLimited", "rejectedIdentifier"),
    *("serverInternal", "tls", "unauthorized", "unsupportedContact", "unsupportedIdentifier", "userActionRequired"),
    # RFC 9773 §7.4
    "alreadyReplaced",
    # draft-ietf-acme-profiles §6
    "invalidProfile",
}


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_6_7_each_error_has_a_registered_type_and_a_status_of_its_kind(problem):
    document = problem("what happened", extra={"algorithms": []}).to_json()
    assert document["type"].removeprefix(errors.URN) in KINDS
    assert document == {"type": document["type"], "detail": "what happened", "status": problem.status, "algorithms": []}
    assert 400 <= problem.status < 500 or problem.kind == "serverInternal"
    assert set(errors.__all__) >= {problem.__name__}


def test_6_7_every_reply_links_the_directory(ca, client):
    replies = [client.post(client.account), client.post("order/x"), client.post("new-nonce")]
    replies += [client.send("GET", "new-order"), client.send("GET", f"{ca.url}/nothing")]
    for reply in replies:
        assert f'<{ca.url}/directory>;rel="index"' in reply.headers.get_all("Link")
        assert reply.headers["Cache-Control"] == "no-store"


def test_6_7_1_each_refused_identifier_has_a_subproblem_with_its_own_name_and_reason(client):
    names = ["example.org", "localhost", "*.example.org", "example.net"]
    identifiers = [{"type": "dns", "value": name} for name in names] + [{"type": "ip", "value": "192.0.2.1"}]
    reply = client.post("new-order", {"identifiers": identifiers})
    assert reply.problem == "rejectedIdentifier"
    told = [(part["identifier"]["value"], part["type"].rpartition(":")[2]) for part in reply.json["subproblems"]]
    assert told == [
        ("localhost", "rejectedIdentifier"),
        ("*.example.org", "rejectedIdentifier"),
        ("192.0.2.1", "unsupportedIdentifier"),
    ]


class _Broken:
    """A store that fails in one way."""

    def __init__(self, error):
        self.error = error

    def read(self):
        raise self.error

    write = read


def _with_store(ca, error):
    from dataclasses import replace

    from acme_server.web.acme import create_edge

    return create_edge(replace(ca.services, store=_Broken(error))).test_client()


def test_6_7_a_fault_of_ours_is_logged_under_the_incident_that_the_client_is_told_and_nothing_more(ca, client):
    body = flattened(client.key, client.header("new-order"), {})
    with structlog.testing.capture_logs() as logs:
        web = _with_store(ca, sqlite3.DatabaseError("secret: /var/lib/x is malformed"))
        response = web.post("/acme/new-order", json=body, content_type="application/jose+json")
    document = json.loads(response.get_data())
    assert (response.status_code, document["type"]) == (500, errors.URN + "serverInternal")
    assert "secret" not in response.get_data(as_text=True)
    (incident,) = [entry for entry in logs if entry["event"] == "incident"]
    assert incident["incident"] in document["detail"]
    assert incident["exc_info"]
    assert response.headers["Replay-Nonce"]


def test_6_7_a_store_that_cannot_be_used_now_is_503_with_Retry_After(ca, client):
    body = flattened(client.key, client.header("new-order"), {})
    with structlog.testing.capture_logs() as logs:
        web = _with_store(ca, StoreUnavailable("disk full"))
        response = web.post("/acme/new-order", json=body, content_type="application/jose+json")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.headers["Replay-Nonce"]
    assert "disk" not in response.get_data(as_text=True)
    assert [entry["event"] for entry in logs] == ["store_unavailable"]


@pytest.mark.parametrize("url", ["new-order", "revoke-cert"])
def test_6_7_a_refusal_where_a_certificate_is_at_stake_is_in_the_audit_chain(ca, client, url):
    client.post(url, {})
    record = ca.audit()[-1]
    account = client.account.rpartition("/")[2]
    assert (record.event, record.actor, record.subject) == ("refused", f"account/{account}", f"/acme/{url}")
    assert record.detail["type"].startswith(errors.URN)


def test_6_7_what_a_stranger_sends_does_not_fill_the_audit_chain(ca, client):
    names = [{"type": "dns", "value": "x" * 30_000}, {"type": "dns", "value": "y.invalid"}]
    reply = client.post("new-order", {"identifiers": names})
    assert len(reply.content) < 3000
    assert len(str(ca.audit()[-1].detail)) < 500


def test_6_7_a_refusal_by_somebody_without_account_is_recorded_under_the_key(ca):
    client = Client(ca)
    client.post("revoke-cert", {})
    from tests.acme_requests import thumbprint

    assert ca.audit()[-1].actor == f"key/{thumbprint(client.key)}"


def test_6_7_nothing_is_logged_twice_by_flask(ca):
    assert not ca.application.flask.debug
    assert logging.getLogger("xmpp-ica").handlers == []
