"""RFC 8555 §6.4: the signed `url` is, byte for byte, the URL the request was sent to."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client, flattened

BASE = "https://ca.example"


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}/acme/revoke-cert",
        f"{BASE}/acme/new-order/",
        f"{BASE}/acme/new-order?",
        f"{BASE}/acme/new-order#",
        f"{BASE}/acme/%6eew-order",
        f"{BASE}/acme/./new-order",
        f"{BASE}//acme/new-order",
        f"{BASE}:443/acme/new-order",
        "HTTPS://ca.example/acme/new-order",
        "https://CA.example/acme/new-order",
        "http://ca.example/acme/new-order",
        "https://evil.example/acme/new-order",
        "https://ca.example.evil.example/acme/new-order",
        "/acme/new-order",
        "new-order",
        "",
        f"{BASE}/acme/new-order\0",
    ],
)
def test_6_4_a_url_that_is_not_where_it_was_sent_is_unauthorized(ca, client, url):
    payload = {"identifiers": [{"type": "dns", "value": "example.org"}]}
    reply = client.post("new-order", payload, url=url)
    assert (reply.status, reply.problem) == (403, "unauthorized")
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


def test_6_4_a_query_is_part_of_where_it_was_sent(client):
    body = flattened(client.key, client.header("new-order"), {"identifiers": []})
    assert client.deliver("new-order?x=1", body).problem == "unauthorized"


def test_6_4_a_request_for_one_order_does_not_count_for_another(client):
    first, second = client.order("a.example.org"), client.order("b.example.org")
    body = flattened(client.key, client.header(first.location), None)
    assert client.deliver(second.location, body).problem == "unauthorized"
    assert client.deliver(first.location, body).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1", "", "ca.example\r\n", "a b"])
def test_6_4_the_host_header_is_not_believed(ca, client, host):
    web = ca.application.flask.test_client()
    headers = {"Host": host.replace("\r\n", ""), "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    body = flattened(client.key, client.header("new-account"), {})
    for response in (
        web.get("/directory", headers=headers),
        web.post("/acme/new-account", headers=headers, json=body, content_type="application/jose+json"),
    ):
        assert b"evil" not in response.get_data()
        assert all("evil" not in value for _, value in response.headers)
