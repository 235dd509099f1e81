"""RFC 9444 §4.2: in newAuthz `subdomainAuthAllowed` is a member of the identifier, as the document's example has it."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client

HOST = {"type": "dns", "value": "example.org"}


@pytest.fixture
def client(ca):
    return Client(ca).register()


def test_9444_4_2_the_flag_in_the_identifier_asks_for_all_names_below(client):
    reply = client.post("new-authz", {"identifier": HOST | {"subdomainAuthAllowed": True}})
    assert reply.status == 201
    assert (reply.json["identifier"], reply.json["subdomainAuthAllowed"]) == (HOST, True)
    plain = client.post("new-authz", {"identifier": HOST | {"subdomainAuthAllowed": False}})
    assert plain.location != reply.location
    assert plain.json.get("subdomainAuthAllowed", False) is False


@pytest.mark.parametrize("flag", ["true", 1, None, []])
def test_9444_4_2_a_flag_in_the_identifier_that_is_no_boolean_is_malformed(client, flag):
    reply = client.post("new-authz", {"identifier": HOST | {"subdomainAuthAllowed": flag}})
    assert (reply.status, reply.problem) == (400, "malformed")
