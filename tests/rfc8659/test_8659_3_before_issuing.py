"""RFC 8659 §3: no name is certified without a look at CAA: when it is validated, and when it is signed for."""

from __future__ import annotations

import pytest

from tests.acme_requests import URN, Client
from tests.rfc8659.caa_lab import FAILED, FORBIDDEN, LOOPED, error_of, nothing_was_signed

HOURS = 3600


@pytest.fixture
def client(ca):
    return Client(ca).register()


def respond(client, order):
    """Answer http-01 for each name, whatever comes of it; the authorizations then."""
    urls = order.json["authorizations"]
    for url in urls:
        client.post(client.publish(url)["url"], {})
    return [client.post(url).json for url in urls]


def test_3_a_proved_name_is_asked_for_once_and_not_again_when_it_is_signed_at_once(ca, client):
    order = client.ready("www.example.org")
    (asked,) = ca.caa.asked
    assert (asked.name, asked.wildcard, asked.method, asked.account_url) == (
        "www.example.org",
        False,
        "http-01",
        client.account,
    )
    assert client.finalize(order).json["status"] == "valid"
    assert ca.caa.asked == [asked]


def test_3_a_name_that_is_not_proved_is_not_asked_for(ca, client):
    order = client.order("example.org")
    client.post(client.challenge(order.json["authorizations"][0], "http-01")["url"], {})
    assert ca.caa.asked == []


def test_3_a_name_that_is_forbidden_is_not_valid_however_well_it_is_proved(ca, client):
    ca.caa.forbidden["example.org"] = FORBIDDEN
    order = client.order("example.org")
    (authorization,) = respond(client, order)
    challenge = next(part for part in authorization["challenges"] if part["type"] == "http-01")
    assert (authorization["status"], challenge["status"]) == ("invalid", "invalid")
    assert challenge["error"] == {"type": URN + "caa", "detail": "CAA at org forbids it"}
    assert error_of(client, order) == ("caa", [("caa", "example.org")])
    assert client.finalize(order).problem == "orderNotReady"
    detail = next(record.detail for record in ca.audit() if record.event == "authorization_invalid")
    assert detail["evidence"]["address"] == "192.0.2.1"
    assert detail["error"]["type"] == URN + "caa"


@pytest.mark.parametrize("position", range(3))
def test_3_each_name_of_an_order_is_asked_for_and_the_one_that_is_forbidden_ends_it(ca, client, position):
    names = ["example.org", "example.net", "example.com"]
    ca.caa.forbidden[names[position]] = FORBIDDEN
    order = client.order(*names)
    shown = respond(client, order)
    assert ca.caa.names() == set(names)
    assert [each["status"] == "valid" for each in shown] == [place != position for place in range(3)]
    assert error_of(client, order) == ("caa", [("caa", names[position])])


def test_3_a_lookup_that_fails_is_made_again_and_refuses_in_the_end(ca, client):
    ca.caa.forbidden["example.org"] = FAILED
    order = client.order("example.org")
    (shown,) = respond(client, order)
    for _ in range(2):
        challenge = next(part for part in shown["challenges"] if part["type"] == "http-01")
        assert (shown["status"], challenge["status"]) == ("pending", "processing")
        assert challenge["error"]["type"] == URN + "dns"
        ca.clock.advance(seconds=6)
        ca.work_off()
        shown = client.post(order.json["authorizations"][0]).json
    assert shown["status"] == "invalid"
    assert len(ca.caa.asked) == len(ca.network.asked) == 3
    assert error_of(client, order) == ("dns", [("dns", "example.org")])


def test_3_a_lookup_that_failed_once_does_not_refuse(ca, client):
    ca.caa.forbidden["example.org"] = FAILED
    order = client.order("example.org")
    respond(client, order)
    ca.caa.forbidden.clear()
    ca.clock.advance(seconds=3)
    ca.work_off()
    assert client.post(order.location).json["status"] == "ready"


def test_3_a_fault_that_does_not_pass_refuses_at_once(ca, client):
    ca.caa.forbidden["example.org"] = LOOPED
    order = client.order("example.org")
    respond(client, order)
    assert len(ca.caa.asked) == 1
    assert error_of(client, order) == ("dns", [("dns", "example.org")])


@pytest.mark.parametrize(("seconds", "again"), [(8 * HOURS - 1, set()), (8 * HOURS, {"example.org", "example.net"})])
def test_3_before_signing_all_names_are_asked_for_again_after_eight_hours(ca, client, seconds, again):
    order = client.ready("example.org", "example.net")
    ca.caa.names()
    ca.clock.advance(seconds=seconds)
    assert client.finalize(order).json["status"] == "valid"
    assert ca.caa.names() == again


@pytest.mark.parametrize("position", range(3))
def test_3_a_name_that_has_become_forbidden_is_not_signed_for_wherever_it_stands(ca, client, position):
    names = ["example.org", "example.net", "example.com"]
    order = client.ready(*names)
    ca.clock.advance(hours=9)
    ca.caa.names()
    ca.caa.forbidden[names[position]] = FORBIDDEN
    client.finalize(order)
    assert ca.caa.names() == set(names)
    assert error_of(client, order) == ("caa", [("caa", names[position])])
    assert nothing_was_signed(ca)
    assert ca.events()[-1] == "order_failed"


@pytest.mark.parametrize("fault", [LOOPED, FAILED])
def test_3_the_order_ends_with_what_does_not_pass_and_says_of_each_name_why(ca, client, fault):
    order = client.ready("example.org", "example.net", "example.com")
    ca.clock.advance(hours=9)
    ca.caa.forbidden |= {"example.org": FORBIDDEN, "example.com": fault}
    client.finalize(order)
    assert error_of(client, order) == ("compound", [("caa", "example.org"), ("dns", "example.com")])
    assert nothing_was_signed(ca)


def test_3_before_signing_a_lookup_that_fails_is_made_again_and_refuses_in_the_end(ca, client):
    order = client.ready("example.org")
    ca.clock.advance(hours=9)
    ca.caa.names()
    ca.caa.forbidden["example.org"] = FAILED
    assert client.finalize(order).json["status"] == "processing"
    for _ in range(2):
        assert client.post(order.location).json["status"] == "processing"
        ca.clock.advance(seconds=6)
        ca.work_off()
    assert len(ca.caa.asked) == 3
    assert error_of(client, order) == ("dns", [("dns", "example.org")])
    assert nothing_was_signed(ca)
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'issue'") == [(0,)]


def test_3_before_signing_a_lookup_that_failed_once_does_not_refuse(ca, client):
    order = client.ready("example.org")
    ca.clock.advance(hours=9)
    ca.caa.forbidden["example.org"] = FAILED
    client.finalize(order)
    ca.caa.forbidden.clear()
    ca.clock.advance(seconds=3)
    ca.work_off()
    assert client.post(order.location).json["status"] == "valid"


def test_3_a_lookup_before_signing_counts_for_the_next_eight_hours(ca, client):
    client.issue("example.org")
    ca.clock.advance(hours=9)
    ca.caa.names()
    client.issue("example.org")
    assert ca.caa.names() == {"example.org"}
    ca.clock.advance(hours=7)
    client.issue("example.org")
    assert ca.caa.names() == set()
    ca.clock.advance(hours=1)
    client.issue("example.org")
    assert ca.caa.names() == {"example.org"}


def test_3_a_clock_that_was_set_back_makes_no_lookup_last_longer(ca, client):
    order = client.ready("example.org")
    ca.caa.names()
    ca.clock.advance(hours=-1)
    client.finalize(order)
    assert ca.caa.names() == {"example.org"}


def test_3_an_authorization_of_before_is_asked_for_before_signing(ca, client):
    order = client.ready("example.org")
    ca.caa.names()
    ca.change("UPDATE authorizations SET caa_checked_at = NULL")
    client.finalize(order)
    assert ca.caa.names() == {"example.org"}
