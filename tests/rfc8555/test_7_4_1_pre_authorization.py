"""RFC 8555 §7.4.1, RFC 9444 §4.2: newAuthz, and the orders that rest on what was authorized in advance."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client
from tests.open_challenge import OpenChallenge, opened

HOST = {"type": "dns", "value": "example.org"}


@pytest.fixture
def client(ca):
    return Client(ca).register()


def ask(client, value="example.org", **members):
    identifier = {"type": "dns", "value": value} if isinstance(value, str) else value
    return client.post("new-authz", {"identifier": identifier} | members)


def count(ca):
    return ca.rows("SELECT count(*) FROM authorizations")[0][0]


def test_7_1_1_the_directory_says_where(ca, client):
    assert client.send("GET", f"{ca.url}/directory").json["newAuthz"] == client.url("new-authz")


def test_7_4_1_a_new_authorization_is_201_with_its_url_and_the_object(client):
    reply = ask(client)
    assert (reply.status, reply.json["status"], reply.json["identifier"]) == (201, "pending", HOST)
    assert reply.json["expires"] == "2026-06-08T12:00:00Z"
    assert [challenge["type"] for challenge in reply.json["challenges"]] == ["http-01", "email-01"]
    assert client.post(reply.location).json == reply.json
    assert "subdomainAuthAllowed" not in reply.json


def test_7_4_1_a_name_is_taken_in_lower_case(client):
    assert ask(client, "Example.ORG").json["identifier"] == HOST


def test_7_4_1_what_is_proved_in_advance_makes_an_order_ready(ca, client):
    authorization = ask(client).location
    client.post(client.publish(authorization)["url"], {})
    order = client.order("example.org")
    assert (order.json["status"], order.json["authorizations"]) == ("ready", [authorization])
    assert client.finalize(order).json["status"] == "valid"
    assert count(ca) == 1


def test_7_4_1_an_order_waits_for_a_proof_of_its_own_while_the_earlier_one_is_pending(ca, client):
    authorization = ask(client).location
    assert client.order("example.org").json["authorizations"] != [authorization]


@pytest.mark.parametrize("proved", [False, True])
def test_7_4_1_an_authorization_that_is_there_is_given_again(ca, client, proved):
    first = ask(client)
    if proved:
        client.post(client.publish(first.location)["url"], {})
    again = ask(client)
    assert (again.status, again.location, again.json["status"]) == (
        201,
        first.location,
        "valid" if proved else "pending",
    )
    assert count(ca) == 1


@pytest.mark.parametrize("end", ["deactivated", "failed", "expired", "almost expired"])
def test_7_4_1_one_that_has_ended_is_not(ca, client, end):
    first = ask(client)
    if end == "deactivated":
        client.post(first.location, {"status": "deactivated"})
    elif end == "failed":
        client.post(client.challenge(first.location, "http-01")["url"], {})
    else:
        ca.clock.advance(days=7, minutes=-59 if end == "almost expired" else 0)
    again = ask(client)
    assert (again.status, again.json["status"]) == (201, "pending")
    assert again.location != first.location


def test_7_4_1_another_account_gets_another_one(ca, client):
    first = ask(client)
    client.post(client.publish(first.location)["url"], {})
    other = Client(ca).register()
    again = ask(other)
    assert (again.location != first.location, again.json["status"]) == (True, "pending")
    assert other.post(first.location).problem == "unauthorized"


@pytest.mark.parametrize(
    ("identifier", "problem"),
    [
        (None, "malformed"),
        ([HOST], "malformed"),
        (["example.org"], "malformed"),
        ({}, "malformed"),
        ({"type": "dns"}, "malformed"),
        ({"type": "dns", "value": "*.example.org"}, "malformed"),
        ({"type": "dns", "value": "a.example.org", "ancestorDomain": "example.org"}, "malformed"),
        ({"type": "ip", "value": "192.0.2.1"}, "unsupportedIdentifier"),
        ({"type": "dns", "value": "co.uk"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "refused.example"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "a.big.example"}, "rejectedIdentifier"),
    ],
)
def test_7_4_1_what_cannot_be_authorized_in_advance_is_refused(make_ca, identifier, problem):
    ca = make_ca(acme={"wildcards": True}, names={"refused": ["refused.example"], "high_value": ["big.example"]})
    assert ask(Client(ca).register(), identifier).problem == problem
    assert count(ca) == 0
    assert ca.events()[-1] == "refused"


def test_7_4_1_a_wildcard_is_refused_where_none_is_issued_at_all(client):
    assert ask(client, "*.example.org").problem == "rejectedIdentifier"


def test_7_4_1_a_name_that_nothing_here_proves_is_rejected(make_ca):
    ca = make_ca(parts={"challenges": opened(OpenChallenge(kinds=()))})
    assert ask(Client(ca).register()).problem == "rejectedIdentifier"
    assert count(ca) == 0


@pytest.mark.parametrize("payload", [b"[]", b"x", None, b"null"])
def test_7_4_1_a_request_that_is_no_object_is_malformed(client, payload):
    assert client.post("new-authz", payload).problem == "malformed"


def test_7_4_1_members_that_are_not_known_are_ignored(client):
    assert ask(client, colour="green", wildcard=True).status == 201


def test_9444_4_2_a_domain_is_authorized_in_advance_with_all_below_it(make_ca):
    ca = make_ca(parts={"challenges": opened()})
    client = Client(ca).register()
    first = ask(client, subdomainAuthAllowed=True)
    assert (first.json["subdomainAuthAllowed"], first.json["identifier"]) == (True, HOST)
    client.post(first.json["challenges"][0]["url"], {})
    below = {"type": "dns", "value": "conference.example.org", "ancestorDomain": "example.org"}
    order = client.order(HOST, below)
    assert (order.json["status"], order.json["authorizations"]) == ("ready", [first.location])
    plain = client.order("example.org")
    assert (plain.json["status"], plain.json["authorizations"] != [first.location]) == ("pending", True)


def test_9444_4_2_only_what_proves_a_domain_as_a_whole_is_offered_for_it(client):
    reply = ask(client, subdomainAuthAllowed=True)
    assert [challenge["type"] for challenge in reply.json["challenges"]] == ["email-01"]


def test_9444_4_2_an_authorization_of_the_name_alone_is_not_taken_for_one_of_all_below_it(client):
    single = ask(client)
    whole = ask(client, subdomainAuthAllowed=True)
    assert len({single.location, whole.location}) == 2
    assert ask(client, subdomainAuthAllowed=False).location == single.location


def test_9444_4_2_without_a_challenge_that_proves_it_a_domain_as_a_whole_is_rejected(make_ca):
    client = Client(make_ca(mail=None)).register()
    assert ask(client, subdomainAuthAllowed=True).problem == "rejectedIdentifier"
    assert ask(client).status == 201


@pytest.mark.parametrize("flag", ["true", 1, None, []])
def test_9444_4_2_the_flag_is_true_or_false(client, flag):
    assert ask(client, subdomainAuthAllowed=flag).problem == "malformed"


def test_9444_4_2_only_a_domain_has_something_below_it(make_ca):
    ca = make_ca(parts={"challenges": opened()})
    jid = {"type": "jid", "value": "juliet@example.org"}
    assert ask(Client(ca).register(), jid, subdomainAuthAllowed=True).problem == "malformed"
