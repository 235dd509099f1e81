"""RFC 8555 §7.3, §7.3.2, §7.3.6: what an account object tells, what an update can change, and what ends with it."""

from __future__ import annotations

import pytest

from challenges.base import Error, Fault
from tests.acme_requests import Client
from tests.in_process import HoldingPool

TERMS = "https://ca.example/terms"


@pytest.fixture
def client(ca):
    return Client(ca).register(contact=["mailto:admin@example.org"])


def test_7_3_what_the_account_object_has_no_member_for_is_not_reflected(ca, client):
    unknown = {"onlyReturnExisting": False, "nickname": "x", "initialIp": "192.0.2.1", "createdAt": "x", "key": {}}
    replies = [
        Client(ca).post("new-account", unknown),
        Client(ca, client.key).post("new-account", unknown | {"onlyReturnExisting": True}),
        client.post(client.account, unknown),
        client.post(client.account),
    ]
    for reply in replies:
        assert reply.status in {200, 201}
        assert not set(unknown) & set(reply.json)


def test_7_3_onlyReturnExisting_makes_no_account_whatever_else_is_said(ca):
    payload = {"onlyReturnExisting": True, "termsOfServiceAgreed": True, "contact": ["mailto:a@example.org"]}
    assert Client(ca).post("new-account", payload).problem == "accountDoesNotExist"
    assert ca.rows("SELECT count(*) FROM accounts") == [(0,)]


def test_7_3_unsupportedContact_says_which_contacts_are_taken(ca):
    reply = Client(ca).post("new-account", {"contact": ["tel:+123"]})
    assert (reply.status, reply.problem) == (400, "unsupportedContact")
    assert "mailto:" in reply.json["detail"]


def test_7_3_terms_that_are_demanded_are_named_in_the_directory(make_ca):
    ca = make_ca(acme={"terms_of_service": TERMS})
    client = Client(ca)
    assert client.send("GET", f"{ca.url}/directory").json["meta"]["termsOfService"] == TERMS
    assert client.post("new-account", {}).status == 403
    assert ca.rows("SELECT count(*) FROM accounts") == [(0,)]


def test_7_3_2_an_update_changes_the_contacts_and_nothing_else(client):
    before = client.post(client.account).json
    new = ["mailto:new@example.org"]
    reply = client.post(
        client.account,
        {"contact": new, "termsOfServiceAgreed": False, "orders": "https://x", "externalAccountBinding": {}},
    )
    assert (reply.status, reply.json) == (200, before | {"contact": new})
    for status in ("valid", "revoked"):
        client.post(client.account, {"status": status})
        assert client.post(client.account).json == before | {"contact": new}


def test_7_3_6_only_the_account_itself_can_deactivate_it(ca, client):
    other = Client(ca).register()
    assert other.post(client.account, {"status": "deactivated"}).problem == "unauthorized"
    assert other.post(client.account, {"status": "deactivated"}, kid=client.account).problem == "unauthorized"
    assert client.post(client.account).json["status"] == "valid"


def test_7_3_6_what_a_deactivated_account_had_under_way_is_not_done(ca, make_ca, mail_sink):
    """A validation that was begun, one that is to be retried, and a mail that waits."""
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool}, mail={"from": "acme@ca.example", "smarthost": mail_sink.address})
    client = Client(ca).register()
    begun, retried, mailed = (client.order(f"{name}.example.org").json["authorizations"][0] for name in "abc")
    ca.network.down = Fault(Error("connection", "no answer"), transient=True)
    client.post(client.challenge(retried, "http-01")["url"], {})
    pool.let_go()
    asked = len(ca.network.asked)
    client.post(client.challenge(begun, "http-01")["url"], {})
    client.post(client.challenge(mailed, "email-01")["url"], {})
    client.post(client.account, {"status": "deactivated"})
    mail_sink.start()
    for _ in range(3):
        pool.let_go()
        ca.clock.advance(seconds=30)
        ca.work_off()
    pool.let_go()
    assert len(ca.network.asked) == asked
    assert mail_sink.mails == []
    assert "authorization_valid" not in ca.events()


def test_7_3_6_certificates_outlive_the_account(ca, client):
    client.issue("example.org")
    client.post(client.account, {"status": "deactivated"})
    ca.work_off()
    assert ca.rows("SELECT status, revoked_at FROM certificates") == [("issued", None)]
