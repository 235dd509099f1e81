"""RFC 8555 §6.4.1, §6.5.2: `url` and `nonce` count in the protected header, and nowhere else."""

from __future__ import annotations

import pytest

from tests.acme_requests import REMOVED, Client, flattened


@pytest.fixture
def client(ca):
    return Client(ca).register()


def elsewhere(client, name):
    """Requests that have the member, with its right value, in every place but the right one."""
    header = client.header("new-order")
    value = header.pop(name)
    yield flattened(client.key, header, {name: value, "identifiers": []})
    yield flattened(client.key, header, {"identifiers": []}) | {name: value}
    yield flattened(client.key, header, {"identifiers": []}) | {"header": {name: value}}
    yield flattened(client.key, header | {"jku": {name: value}}, {"identifiers": []})


def test_6_4_1_a_url_beside_the_protected_header_does_not_count(client):
    for body in elsewhere(client, "url"):
        assert client.deliver("new-order", body).problem == "malformed"
    assert client.post("new-order", {}, url=["https://ca.example/acme/new-order"]).problem == "malformed"


def test_6_5_2_a_nonce_beside_the_protected_header_does_not_count(client):
    for body in elsewhere(client, "nonce"):
        assert client.deliver("new-order", body).problem in {"malformed", "badNonce"}
    assert client.post("new-order", {"nonce": client.nonce()}, nonce=REMOVED).problem == "badNonce"
