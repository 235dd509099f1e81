"""RFC 8555 §6.1: what is asked of every HTTP client and told to every one; and web pages may be clients (CORS)."""

from __future__ import annotations

import asyncio

import pytest

from acme_server.web.asgi import Adapter, hosts_of
from tests.acme_requests import Client

RESOURCES = [
    ("/directory", {"GET", "HEAD", "POST"}),
    ("/acme/new-nonce", {"GET", "HEAD", "POST"}),
    ("/acme/new-account", {"POST"}),
    ("/acme/new-order", {"POST"}),
    ("/acme/account/x", {"POST"}),
    ("/acme/order/x/finalize", {"POST"}),
    ("/acme/challenge/x", {"POST"}),
    ("/acme/certificate/x", {"POST"}),
    ("/acme/revoke-cert", {"POST"}),
    ("/acme/key-change", {"POST"}),
]
PREFLIGHT = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}


def exchange(ca, method, path, headers=(), content=b""):
    """Through the adapter, as the HTTP server calls it: status, headers, body."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": content}

    async def send(message):
        sent.append(message)

    named = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]
    what = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"ca.example"), *named],
    }
    adapter = Adapter(ca.application.flask, lambda: None, hosts=hosts_of(ca.url))
    try:
        asyncio.run(adapter(what, receive, send))
    finally:
        adapter._threads.shutdown()
    told = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], dict(told), sent[1]["body"]


def test_6_1_every_url_is_https(ca):
    client = Client(ca).register()
    order = client.ready("example.org")
    done = client.finalize(order)
    directory = client.send("GET", f"{ca.url}/directory").json
    urls = [value for name, value in directory.items() if name != "meta"]
    urls += [
        client.account,
        order.location,
        order.json["finalize"],
        *order.json["authorizations"],
        done.json["certificate"],
    ]
    assert all(url.startswith("https://ca.example/") for url in urls)


def test_6_1_neither_User_Agent_nor_Accept_Language_nor_Accept_is_asked_for(ca):
    status, headers, _ = exchange(ca, "GET", "/directory")
    assert (status, headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(("path", "methods"), RESOURCES)
def test_6_1_a_preflight_says_what_a_page_may_send(ca, path, methods):
    status, headers, content = exchange(ca, "OPTIONS", path, PREFLIGHT)
    assert (status, content) == (204, b"")
    assert headers["access-control-allow-origin"] == "*"
    assert set(headers["access-control-allow-methods"].split(", ")) == methods == set(headers["allow"].split(", "))
    assert headers["access-control-allow-headers"] == "Content-Type"
    assert int(headers["access-control-max-age"]) > 0
    assert "access-control-allow-credentials" not in headers
    assert "content-type" not in headers


@pytest.mark.parametrize("path", ["/", "/nothing", "*"])
def test_6_1_a_preflight_of_nothing_is_404(ca, path):
    status, headers, _ = exchange(ca, "OPTIONS", path, PREFLIGHT)
    assert (status, headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(("path", "methods"), RESOURCES)
def test_6_1_every_resource_may_be_read_by_any_page(ca, path, methods):
    for method in ("GET", "POST"):
        _, headers, _ = exchange(ca, method, path, {"Origin": "https://page.example"})
        assert headers["access-control-allow-origin"] == "*"
        exposed = set(headers["access-control-expose-headers"].split(", "))
        assert exposed == {"Link", "Location", "Replay-Nonce", "Retry-After"}


def test_6_1_a_page_goes_through_a_whole_registration(ca):
    _, headers, _ = exchange(ca, "HEAD", "/acme/new-nonce", {"Origin": "https://page.example"})
    assert headers["replay-nonce"]
    assert headers["cache-control"] == "no-store"


def test_6_1_HEAD_of_the_directory_is_a_GET_without_the_body(ca):
    status, headers, content = exchange(ca, "HEAD", "/directory")
    assert (status, content) == (200, b"")
    assert headers["content-type"] == "application/json"


def test_6_1_json_has_no_parameter_in_its_media_type_whatever_the_resource(ca):
    """COMPAT: ejabberd compares the whole header."""
    client = Client(ca).register()
    order = client.ready("example.org")
    authorization = order.json["authorizations"][0]
    urls = [client.account, order.location, authorization, client.challenge(authorization, "http-01")["url"]]
    for reply in [order, *(client.post(url) for url in urls), client.send("GET", f"{ca.url}/directory")]:
        assert reply.headers["Content-Type"] == "application/json"


def test_6_1_all_resources_but_the_directory_link_it(ca):
    client = Client(ca).register()
    order = client.ready("example.org")
    done = client.finalize(order)
    index = f'<{ca.url}/directory>;rel="index"'
    for reply in (
        order,
        client.post(client.account),
        client.post(done.json["certificate"]),
        client.send("GET", "new-nonce"),
    ):
        assert index in reply.headers.get_all("Link")
    for reply in (client.send("GET", f"{ca.url}/directory"), client.post(f"{ca.url}/directory")):
        assert index not in reply.headers.get_all("Link")
