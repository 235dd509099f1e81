"""RFC 8555 §7.5.1, §8.2: Retry-After says when there will be news."""

from __future__ import annotations

import pytest

from acme_server.model import JobKind
from challenges.base import Error, Fault
from tests.acme_requests import Client, csr
from tests.in_process import HoldingPool

PASSING = Fault(Error("connection", "example.org did not answer"), transient=True)


@pytest.fixture
def client(ca):
    return Client(ca).register()


def waits(client, *urls):
    return [client.post(url).headers.get("Retry-After") for url in urls]


def test_8_2_it_counts_down_to_the_next_try(ca, client):
    (authorization,) = client.order("example.org").json["authorizations"]
    challenge = client.publish(authorization)["url"]
    ca.network.down = PASSING
    assert client.post(challenge, {}).headers["Retry-After"] == "3"
    assert waits(client, challenge, authorization) == ["3", "3"]
    ca.clock.advance(seconds=0.4)
    assert waits(client, challenge, authorization) == ["3", "3"]
    ca.clock.advance(seconds=1.6)
    assert waits(client, challenge, authorization) == ["1", "1"]
    ca.clock.advance(seconds=60)
    assert waits(client, challenge, authorization) == ["1", "1"]
    ca.work_off()
    assert waits(client, challenge, authorization) == ["6", "6"]
    ca.network.down = None
    ca.clock.advance(seconds=6)
    ca.work_off()
    assert waits(client, challenge, authorization) == [None, None]


def test_8_2_the_sooner_of_two_challenges_counts_for_their_authorization(ca, client):
    (authorization,) = client.order("example.org").json["authorizations"]
    ca.network.down = PASSING
    client.post(client.publish(authorization)["url"], {})
    client.post(client.challenge(authorization, "email-01")["url"], {})
    assert waits(client, authorization) == ["1"]


def test_7_4_an_order_whose_making_has_to_wait_says_for_how_long(make_ca):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool})
    client = Client(ca).register()
    order = client.order("example.org")
    client.post(client.publish(order.json["authorizations"][0])["url"], {})
    pool.let_go()
    assert client.finalize(order, csr(["example.org"])).headers["Retry-After"] == "1"
    due = ca.clock().timestamp() + 40
    ca.change("UPDATE jobs SET tries = 2, due = ? WHERE kind = ?", due, JobKind.ISSUE.value)
    assert waits(client, order.location) == ["40"]
    ca.clock.advance(seconds=39.5)
    assert waits(client, order.location) == ["1"]


def test_7_5_nothing_is_said_where_the_next_step_is_the_clients(client):
    order = client.order("example.org")
    (authorization,) = order.json["authorizations"]
    challenge = client.challenge(authorization, "http-01")["url"]
    assert waits(client, order.location, authorization, challenge) == [None, None, None]
    client.post(client.publish(authorization)["url"], {})
    assert waits(client, order.location, authorization, challenge) == [None, None, None]
    client.post(authorization, {"status": "deactivated"})
    assert waits(client, order.location, authorization) == [None, None]


def test_7_5_2_a_deactivated_authorization_waits_for_nothing(ca, client):
    (authorization,) = client.order("example.org").json["authorizations"]
    ca.network.down = PASSING
    client.post(client.publish(authorization)["url"], {})
    assert "Retry-After" not in client.post(authorization, {"status": "deactivated"}).headers
