"""RFC 8555 §7.4: notBefore and notAfter of an order, RFC 3339 times within the profile's life."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.acme_requests import Client
from tests.in_process import NOW

HOST = {"identifiers": [{"type": "dns", "value": "example.org"}]}
BEFORE, AFTER = "2026-06-03T12:00:00Z", "2026-06-20T12:00:00Z"


@pytest.fixture
def client(ca):
    return Client(ca).register()


def at(text):
    return datetime.fromisoformat(text)


def test_7_4_what_is_asked_for_is_shown_and_made_to_the_second(client):
    order = client.ready("example.org", notBefore=BEFORE, notAfter=AFTER)
    assert (order.json["notBefore"], order.json["notAfter"]) == (BEFORE, AFTER)
    done = client.finalize(order)
    assert (done.json["notBefore"], done.json["notAfter"]) == (BEFORE, AFTER)
    leaf = client.post(done.json["certificate"]).leaf
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (at(BEFORE), at(AFTER))


@pytest.mark.parametrize("member", ["notBefore", "notAfter"])
def test_7_4_one_of_them_is_enough(client, member):
    order = client.order("example.org", **{member: AFTER})
    assert order.json[member] == AFTER
    assert {"notBefore", "notAfter"} & set(client.post(order.location).json) == {member}


def test_7_4_an_order_that_asks_for_neither_shows_neither(client):
    order = client.order("example.org", notBefore=None, notAfter=None)
    assert not {"notBefore", "notAfter"} & set(order.json)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-06-20T14:00:00+02:00", AFTER),
        ("2026-06-20T02:30:00-09:30", AFTER),
        ("2026-06-20T12:00:00.000Z", AFTER),
        ("2026-06-20t12:00:00z", AFTER),
        ("2026-06-20T12:00:00-00:00", AFTER),
    ],
)
def test_rfc_3339_each_way_to_write_a_second_is_read(client, written, meant):
    assert client.order("example.org", notAfter=written).json["notAfter"] == meant


@pytest.mark.parametrize("member", ["notBefore", "notAfter"])
@pytest.mark.parametrize(
    "value",
    [
        *(1, 1_781_956_800, True, [], {}, "", "now", "2026-06-20", "2026-06-20T12:00:00", "2026-06-20 12:00:00Z"),
        *("2026-06-20T12:00:00.5Z", "2026-06-20T12:00:00.Z", "2026-06-20T12:00Z", "20260620T120000Z", "2026-W25-6"),
        *("2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-06-20T24:00:00Z", "2026-06-20T12:00:60Z"),
        *("2026-06-20T12:00:00+2:00", "2026-06-20T12:00:00+24:00", " 2026-06-20T12:00:00Z", "2026-06-20T12:00:00Z\n"),
        *(
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "\uff12026-06-20T12:00:00Z",
        ),
    ],
)
def test_rfc_3339_nothing_else_is_a_time(ca, client, member, value):
    assert client.post("new-order", HOST | {member: value}).problem == "malformed"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, NOW),
        (None, NOW - timedelta(days=1)),
        (None, NOW + timedelta(days=46)),
        (NOW - timedelta(days=1), None),
        (NOW + timedelta(days=46), None),
        (NOW + timedelta(days=2), NOW + timedelta(days=1)),
        (NOW + timedelta(days=2), NOW + timedelta(days=2)),
    ],
)
def test_7_4_what_the_profile_does_not_give_is_malformed(ca, client, before, after):
    asked = {"notBefore": before, "notAfter": after}
    payload = HOST | {name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in asked.items() if time is not None}
    assert client.post("new-order", payload).problem == "malformed"
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


def test_7_4_an_order_ends_with_the_life_that_it_asks_for(ca, client):
    order = client.ready("example.org", notAfter="2026-06-02T12:00:00Z")
    assert order.json["expires"] == "2026-06-02T12:00:00Z"
    ca.clock.now = datetime(2026, 6, 2, 12, tzinfo=UTC)
    assert client.finalize(order).problem == "orderNotReady"


def test_7_4_members_of_an_order_that_are_not_known_are_ignored(client):
    order = client.order("example.org", colour="green", status="valid", error={}, certificate="x", finalize=1)
    assert (order.json["status"], "error" in order.json, "colour" in order.json) == ("pending", False, False)
