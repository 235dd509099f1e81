"""RFC 8555 §6.3: a POST-as-GET is authenticated as any request, and shows what it shows to the owner alone."""

from __future__ import annotations

import json

import pytest

from tests.acme_requests import Client, flattened, jwk_of


@pytest.fixture
def client(ca):
    return Client(ca).register(contact=["mailto:secret@example.org"])


def test_6_3_a_POST_as_GET_is_for_the_owner_alone(ca, client):
    order = client.ready("example.org")
    (authorization,) = order.json["authorizations"]
    certificate = client.finalize(order).json["certificate"]
    urls = [client.account, order.location, authorization, certificate]
    urls.append(client.post(authorization).json["challenges"][0]["url"])
    other = Client(ca).register()
    for url in urls:
        assert client.post(url).status == 200
        forged = flattened(other.key, client.header(url), None)
        as_key = flattened(client.key, {**client.header(url), "kid": None, "jwk": jwk_of(client.key)}, None)
        for reply in (
            other.post(url),
            client.deliver(url, forged),
            client.deliver(url, as_key),
            client.deliver(url, json.dumps({}).encode()),
        ):
            assert reply.problem in {"unauthorized", "malformed"}
            assert b"example.org" not in reply.content
            assert b"CERTIFICATE" not in reply.content
