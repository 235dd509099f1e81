"""RFC 8555 §7.4, §6.7.1: names that this CA certifies for nobody, or only for accounts that a person has approved."""

from __future__ import annotations

from pathlib import Path

import pytest

from acme_server.policy import HIGH_VALUE
from tests.acme_requests import Client
from tests.in_process import NOW
from tests.open_challenge import opened

NAMES = {"refused": ["refused.example", "mail.wide.example"], "high_value": ["big.example", "chat.tall.example"]}


@pytest.fixture
def ca(make_ca):
    return make_ca(names=NAMES, acme={"wildcards": True}, parts={"challenges": opened()})


@pytest.fixture
def client(ca):
    return Client(ca).register()


def dns(*names):
    return {"identifiers": [{"type": "dns", "value": name} for name in names]}


def approve(ca, client, name):
    account_id = client.account.rpartition("/")[2]
    with ca.store.write() as transaction:
        assert transaction.approvals.approve(name, account_id, NOW)


def withdraw(ca, client, name):
    with ca.store.write() as transaction:
        assert transaction.approvals.withdraw(name, client.account.rpartition("/")[2])


def proved(client, *names):
    order = client.order(*names)
    for url in order.json["authorizations"]:
        client.post(client.challenge(url, "open-01")["url"], {})
    return order


@pytest.mark.parametrize(
    "name",
    [
        "refused.example",
        "a.b.refused.example",
        "*.refused.example",
        "REFUSED.example",
        "*.wide.example",
        "*.a.refused.example",
    ],
)
def test_7_4_a_refused_name_and_all_below_it_are_rejected(ca, client, name):
    reply = client.post("new-order", dns(name))
    assert reply.problem == "rejectedIdentifier"
    assert "subproblems" not in reply.json
    assert ca.rows("SELECT count(*) FROM authorizations") == [(0,)]


@pytest.mark.parametrize("name", ["notrefused.example", "wide.example", "*.b.wide.example", "refused.example.org"])
def test_7_4_no_other_name_is(client, name):
    assert client.order(name).status == 201


def test_7_4_a_jid_at_a_refused_name_is_rejected_and_one_at_a_high_value_name_is_not(client):
    for value, status in (("a@refused.example", 400), ("a@big.example", 201)):
        payload = {"identifiers": [{"type": "jid", "value": value}], "profile": "xmpp-user"}
        assert client.post("new-order", payload).status == status


@pytest.mark.parametrize(
    "name", ["big.example", "a.big.example", "*.big.example", "chat.tall.example", "*.tall.example"]
)
def test_7_4_a_high_value_name_is_rejected_until_the_ca_has_approved_it_for_the_account(ca, client, name):
    reply = client.post("new-order", dns(name))
    assert reply.problem == "rejectedIdentifier"
    assert client.account in reply.json["detail"]
    approve(ca, client, name.removeprefix("*."))
    assert client.order(name).status == 201
    assert Client(ca).register().post("new-order", dns(name)).problem == "rejectedIdentifier"
    withdraw(ca, client, name.removeprefix("*."))
    assert client.post("new-order", dns(name)).problem == "rejectedIdentifier"


def test_7_4_an_approval_goes_for_what_is_below_the_name_and_not_for_what_is_above(ca, client):
    approve(ca, client, "a.big.example")
    assert client.order("a.big.example", "b.a.big.example").status == 201
    for name in ("big.example", "b.big.example", "*.big.example"):
        assert client.post("new-order", dns(name)).problem == "rejectedIdentifier"


@pytest.mark.parametrize("name", ["tall.example", "chat2.tall.example", "*.b.tall.example", "example.org"])
def test_7_4_other_names_need_no_approval(client, name):
    assert client.order(name).status == 201


def test_6_7_1_several_refused_names_have_a_subproblem_each(client):
    reply = client.post("new-order", dns("example.org", "refused.example", "localhost", "a.refused.example"))
    assert [part["identifier"]["value"] for part in reply.json["subproblems"]] == [
        "refused.example",
        "localhost",
        "a.refused.example",
    ]
    reply = client.post("new-order", dns("big.example", "example.org", "a.big.example"))
    assert [part["identifier"]["value"] for part in reply.json["subproblems"]] == ["big.example", "a.big.example"]
    assert all(part["type"].endswith(":rejectedIdentifier") for part in reply.json["subproblems"])


def test_7_4_what_is_refused_since_the_order_was_made_is_not_finalized(make_ca):
    earlier = make_ca(parts={"challenges": opened()})
    client, folder = Client(earlier).register(), Path(earlier.config.directory)
    order = proved(client, "example.org", "a.refused.example")
    later = Client(make_ca(folder, names=NAMES, parts={"challenges": opened()}), client.key).register()
    reply = later.finalize(order)
    assert reply.problem == "rejectedIdentifier"
    assert "a.refused.example" in reply.json["detail"]
    assert later.ca.rows("SELECT count(*) FROM certificates") == [(0,)]


def test_7_4_an_approval_that_was_withdrawn_since_is_missing_at_finalize(ca, client):
    approve(ca, client, "big.example")
    order = proved(client, "big.example")
    withdraw(ca, client, "big.example")
    assert client.finalize(order).problem == "rejectedIdentifier"
    approve(ca, client, "big.example")
    assert client.finalize(order).json["status"] == "valid"


def test_the_high_value_names_by_default_are_domains_of_many(make_ca):
    client = Client(make_ca()).register()
    for name in ("jabber.org", "muc.jabber.org", "gmail.com"):
        assert client.post("new-order", dns(name)).problem == "rejectedIdentifier"
    assert len(set(HIGH_VALUE)) == len(HIGH_VALUE)
    assert Client(make_ca(names={"high_value": []})).register().order("jabber.org").status == 201
