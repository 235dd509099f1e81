"""RFC 8555 §7.1.2, §7.1.2.1: an account object leads to the list of its orders, a page at a time."""

from __future__ import annotations

import re

import pytest

from acme_server.model import OrderIdentifier
from acme_server.protocol import orders_list
from acme_server.states import AuthorizationStatus
from challenges.base import Identifier
from tests.acme_requests import Client, csr, flattened
from tests.store_values import authorization, order


@pytest.fixture
def client(ca):
    return Client(ca).register()


def orders_url(client):
    """As the account object says it: a client builds no URL."""
    return client.post(client.account).json["orders"]


def next_page(reply):
    found = [re.fullmatch(r'<(.*)>;rel="next"', link) for link in reply.headers.get_all("Link")]
    return next((match[1] for match in found if match), None)


def listed(client):
    """The orders of all pages, and how many pages there were."""
    url, orders, pages = orders_url(client), [], 0
    while url is not None:
        reply = client.post(url)
        assert (reply.status, set(reply.json)) == (200, {"orders"})
        orders += reply.json["orders"]
        pages += 1
        url = next_page(reply)
    return orders, pages


def test_7_1_2_every_account_object_names_its_orders(ca, client):
    again = Client(ca, client.key).post("new-account", {})
    updated = client.post(client.account, {"contact": []})
    shown = client.post(client.account)
    assert {reply.json["orders"] for reply in (again, updated, shown)} == {f"{client.account}/orders"}


def test_7_1_2_1_an_account_without_orders_has_an_empty_list(client):
    reply = client.post(orders_url(client))
    assert (reply.status, reply.json, next_page(reply)) == (200, {"orders": []}, None)


def test_7_1_2_1_the_list_has_every_order_that_is_not_invalid(ca, client):
    pending = client.order("pending.example.org")
    ready = client.ready("ready.example.org")
    valid = client.ready("valid.example.org")
    client.finalize(valid)
    deactivated = client.order("deactivated.example.org")
    client.post(deactivated.json["authorizations"][0], {"status": "deactivated"})
    refuted = client.order("refuted.example.org")
    client.post(client.challenge(refuted.json["authorizations"][0], "http-01")["url"], {})
    orders, _ = listed(client)
    assert sorted(orders) == sorted(each.location for each in (pending, ready, valid))
    for url in orders:
        assert client.post(url).json["status"] in {"pending", "ready", "valid"}


def test_7_1_2_1_an_order_that_expired_is_not_in_the_list_and_one_with_a_certificate_stays(ca, client):
    client.order("example.org")
    valid = client.ready("www.example.org")
    client.finalize(valid)
    ca.clock.advance(days=8)
    assert listed(client) == ([valid.location], 1)


def test_7_1_2_1_an_order_that_failed_is_not_in_the_list(ca, client):
    failed = client.ready("example.org")
    with ca.store.write() as transaction:
        assert transaction.orders.fail(failed.location.rpartition("/")[2], {"type": "x"})
    assert listed(client) == ([], 1)


def test_7_1_2_1_nobody_else_sees_the_list(ca, client):
    client.order("example.org")
    other = Client(ca).register()
    reply = other.post(orders_url(client))
    assert (reply.status, reply.problem) == (403, "unauthorized")
    assert listed(other) == ([], 1)


def test_7_1_2_1_the_list_is_read_by_POST_as_GET_alone(client):
    assert client.send("GET", orders_url(client)).problem == "malformed"
    assert client.post(orders_url(client), {}).problem == "malformed"


@pytest.mark.parametrize(
    "query",
    ["?", "?after=", "?after=a&after=b", "?after=a/b", "?before=a", "?after=" + "a" * 65, "?after=a%20", "/", "#x"],
)
def test_7_1_2_1_a_page_that_nobody_was_led_to_is_not_there(client, query):
    url = orders_url(client)
    reply = client.deliver(url + query.replace("#", "%23"), _signed(client, url + query))
    assert reply.problem in {"malformed", "unauthorized"}
    assert reply.status in {404, 403}


def _signed(client, url):
    return flattened(client.key, client.header(url), None)


def test_6_4_the_query_is_a_part_of_the_url_that_is_signed(client):
    url = orders_url(client)
    assert client.deliver(f"{url}?after=x", _signed(client, url)).problem == "unauthorized"
    assert client.deliver(url, _signed(client, f"{url}?after=x")).problem == "unauthorized"


def fill(ca, client, count, authorizations=1, status=AuthorizationStatus.PENDING):
    """Put orders into the store; their URLs."""
    account_id, until = client.account.rpartition("/")[2], ca.clock().replace(year=2027)
    made = []
    with ca.store.write() as transaction:
        for number in range(count):
            parts = [(Identifier("dns", f"{i}.example.org"), f"a-{number}-{i}") for i in range(authorizations)]
            for identifier, id_ in parts:
                values = {"identifier": identifier, "status": status, "expires": until, "challenges": ()}
                transaction.authorizations.add(authorization(id_, account_id=account_id, **values))
            identifiers = tuple(OrderIdentifier(*part) for part in parts)
            id_ = f"o-{number:05}"
            transaction.orders.add(order(id_, account_id=account_id, identifiers=identifiers, expires=until))
            made.append(f"{ca.url}/acme/order/{id_}")
    return made


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (250, 3)])
def test_7_1_2_1_a_page_has_a_hundred_orders_and_a_link_to_the_next(ca, client, count, pages):
    made = fill(ca, client, count)
    assert listed(client) == (made, pages)


def test_7_1_2_1_a_page_of_nothing_but_invalid_orders_leads_on(ca, client):
    fill(ca, client, 150, status=AuthorizationStatus.INVALID)
    still = client.order("example.org")
    first = client.post(orders_url(client))
    assert first.json["orders"] == [] or still.location in first.json["orders"]
    assert next_page(first) is not None
    assert listed(client) == ([still.location], 2)


def test_7_1_2_1_orders_of_many_names_make_short_pages_and_none_is_lost(ca, client, monkeypatch):
    monkeypatch.setattr(orders_list, "READS", 10)
    made = fill(ca, client, 8, authorizations=4)
    assert listed(client) == (made, 4)
    monkeypatch.setattr(orders_list, "READS", 1)
    assert listed(client) == (made, 8)


def test_7_1_2_1_an_order_made_while_the_list_is_read_loses_no_other(ca, client):
    made = fill(ca, client, 101)
    first = client.post(orders_url(client))
    client.order("example.org")
    second = client.post(next_page(first))
    assert set(made) <= {*first.json["orders"], *second.json["orders"]}


def test_7_1_2_1_a_finalized_order_needs_no_look_at_its_authorizations(ca, client):
    order = client.ready("example.org")
    client.finalize(order, csr(["example.org"]))
    client.post(order.json["authorizations"][0], {"status": "deactivated"})
    assert listed(client) == ([order.location], 1)
