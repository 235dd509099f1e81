"""The adapter: no thread is taken before the whole body is there, and a body has a limit and one deadline."""

from __future__ import annotations

import asyncio
import json
import threading
from ipaddress import ip_network

import pytest

from acme_server.web import asgi
from acme_server.web.asgi import BODY_LIMIT, Adapter, client_address, hosts_of
from tests.acme_requests import Client, flattened


class Wsgi:
    """Answers with what it was given."""

    def __init__(self):
        self.environs = []
        self.closed = 0

    def __call__(self, environ, start_response):
        self.environs.append(environ)
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Length", str(len(body)))])
        wsgi = self

        class Chunks(list):
            def close(self):
                wsgi.closed += 1

        return Chunks([b"one ", b"two"])


@pytest.fixture
def wsgi():
    return Wsgi()


@pytest.fixture
def adapter(wsgi):
    closed = threading.Event()
    made = Adapter(wsgi, closed.set, hosts=hosts_of("https://ca.example"))
    made.was_closed = closed
    yield made
    made._threads.shutdown()


HOST = (b"host", b"ca.example")


def scope(method="POST", path="/acme/new-order", query=b"", headers=(), host=(HOST,)):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [*host, *headers],
        "client": ("192.0.2.1", 1),
    }


def call(adapter, what, *messages, hang=False):
    """What is sent for one connection event; `hang`: after its messages the client is silent."""
    sent, left = [], list(messages)

    async def receive():
        if left:
            return left.pop(0)
        if hang:
            await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(adapter(what, receive, send))
    return sent


def body(content, more=False):
    return {"type": "http.request", "body": content, "more_body": more}


def test_a_body_in_pieces_reaches_the_application_as_one(adapter, wsgi):
    start, content = call(adapter, scope(), body(b"a", True), {"type": "http.request", "more_body": True}, body(b"bc"))
    assert (start["status"], dict(start["headers"])[b"x-length"]) == (200, b"3")
    assert content["body"] == b"one two"
    assert wsgi.closed == 1
    assert wsgi.environs[0]["CONTENT_LENGTH"] == "3"


def test_a_body_over_the_limit_is_413_before_the_rest_of_it_comes(adapter, wsgi):
    start, content = call(adapter, scope(), body(b"x" * BODY_LIMIT, True), body(b"x", True), hang=True)
    assert (start["status"], json.loads(content["body"])["status"]) == (413, 413)
    assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
    assert wsgi.environs == []


def test_a_body_of_exactly_the_limit_is_taken(adapter):
    start, _ = call(adapter, scope(), body(b"x" * BODY_LIMIT))
    assert start["status"] == 200


@pytest.mark.parametrize("begun", [(), (body(b"x", True),)])
def test_a_body_that_does_not_come_in_time_is_408(adapter, wsgi, monkeypatch, begun):
    monkeypatch.setattr(asgi, "BODY_DEADLINE", 0.02)
    start, content = call(adapter, scope(), *begun, hang=True)
    assert (start["status"], json.loads(content["body"])["type"]) == (408, "urn:ietf:params:acme:error:malformed")
    assert wsgi.environs == []


def test_a_body_in_small_drops_has_one_deadline_for_all_of_them(adapter, wsgi, monkeypatch):
    monkeypatch.setattr(asgi, "BODY_DEADLINE", 0.05)
    sent = []

    async def receive():
        await asyncio.sleep(0.01)
        return body(b"x", True)

    async def send(message):
        sent.append(message)

    asyncio.run(adapter(scope(), receive, send))
    assert sent[0]["status"] == 408


def test_a_body_that_breaks_off_is_400_and_reaches_no_application(adapter, wsgi):
    """The client may be gone, or may have broken the framing and still listen."""
    start, content = call(adapter, scope(), body(b"x", True), {"type": "http.disconnect"})
    assert (start["status"], json.loads(content["body"])["status"]) == (400, 400)
    assert wsgi.environs == []


def test_six_hundred_half_sent_bodies_keep_nobody_from_an_answer(adapter):
    async def scenario():
        release = asyncio.Event()

        async def silent():
            await release.wait()
            return {"type": "http.disconnect"}

        async def nothing(_):
            pass

        waiting = [asyncio.create_task(adapter(scope(), silent, nothing)) for _ in range(600)]
        sent = []

        async def whole():
            return body(b"x")

        async def send(message):
            sent.append(message)

        await asyncio.wait_for(adapter(scope(), whole, send), 5)
        release.set()
        await asyncio.gather(*waiting)
        return sent

    assert asyncio.run(scenario())[0]["status"] == 200


def test_over_the_limit_of_octets_held_large_bodies_are_503_and_usual_ones_are_taken(adapter, monkeypatch):
    monkeypatch.setattr(asgi, "OCTETS_LIMIT", 25)
    monkeypatch.setattr(asgi, "USUAL", 10)

    async def scenario():
        release, answers = asyncio.Event(), []

        def half():
            left = [body(b"x" * 10, True)]

            async def receive():
                if left:
                    return left.pop()
                await release.wait()
                return {"type": "http.disconnect"}

            return receive

        async def send(message):
            answers.append(message)

        async def usual():
            return body(b"x" * 10)

        async def large():
            return body(b"x" * 11)

        waiting = [asyncio.create_task(adapter(scope(), half(), send)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await adapter(scope(), large, send)
        await adapter(scope(), usual, send)
        release.set()
        await asyncio.gather(*waiting)
        await adapter(scope(), large, send)
        return answers

    refused, document, usual, _, *_broken_off, large, _ = asyncio.run(scenario())
    assert (refused["status"], dict(refused["headers"])[b"retry-after"]) == (503, b"5")
    assert json.loads(document["body"])["type"] == "urn:ietf:params:acme:error:serverInternal"
    assert (usual["status"], large["status"]) == (200, 200)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_no_body_is_read_but_of_a_POST(adapter, wsgi, method):
    start, _ = call(adapter, scope(method), hang=True)
    assert start["status"] == 200
    assert "CONTENT_LENGTH" not in wsgi.environs[0]
    assert wsgi.environs[0]["wsgi.input"].read() == b""


def test_the_host_and_the_lengths_that_the_client_claims_are_not_handed_on(adapter, wsgi):
    headers = [
        (b"content-length", b"99"),
        (b"transfer-encoding", b"chunked"),
        (b"content-type", b"application/jose+json"),
        (b"x-forwarded-host", b"evil.example"),
        (b"user-agent", b"\xfftest"),
    ]
    call(adapter, scope(headers=headers), body(b"x"))
    (environ,) = wsgi.environs
    assert {"HTTP_HOST", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"}.isdisjoint(environ)
    assert (environ["CONTENT_LENGTH"], environ["CONTENT_TYPE"]) == ("1", "application/jose+json")
    assert environ["HTTP_USER_AGENT"] == "\xfftest"
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("192.0.2.1", "https")


def test_a_path_is_handed_on_as_wsgi_has_it(adapter, wsgi):
    call(adapter, scope(path="/ü", query=b"a=%ff&b"), body(b""))
    assert wsgi.environs[0]["PATH_INFO"].encode("latin-1").decode() == "/ü"
    assert wsgi.environs[0]["QUERY_STRING"] == "a=%ff&b"


def test_the_server_is_told_when_it_starts_and_closes_when_it_stops(adapter):
    sent = call(adapter, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert adapter.was_closed.is_set()


def test_other_kinds_of_connections_are_not_answered(adapter):
    assert call(adapter, {"type": "websocket"}) == []


def test_a_whole_acme_request_goes_through(ca):
    adapter = Adapter(ca.application.flask, lambda: None, hosts=hosts_of(ca.url))
    client = Client(ca)
    request = json.dumps(flattened(client.key, client.header("new-account"), {})).encode()
    what = scope(path="/acme/new-account", headers=[(b"content-type", b"application/jose+json")])
    start, content = call(adapter, what, body(request))
    headers = dict(start["headers"])
    assert (start["status"], json.loads(content["body"])["status"]) == (201, "valid")
    assert headers[b"location"].startswith(b"https://ca.example/acme/account/")
    assert headers[b"replay-nonce"]
    start, content = call(adapter, scope("HEAD", "/acme/new-nonce"))
    assert (start["status"], content["body"]) == (200, b"")
    adapter._threads.shutdown()


@pytest.mark.parametrize(
    ("urls", "hosts"),
    [
        (["https://CA.example"], {b"ca.example", b"ca.example:443"}),
        (["https://ca.example:443"], {b"ca.example", b"ca.example:443"}),
        (["https://ca.example:8443"], {b"ca.example:8443"}),
        (["https://[2001:DB8::1]"], {b"[2001:db8::1]", b"[2001:db8::1]:443"}),
        (["https://[::1]:443"], {b"[::1]", b"[::1]:443"}),
        (
            ["https://ca.example", "http://pki.example/ca"],
            {b"ca.example", b"ca.example:443", b"pki.example", b"pki.example:80"},
        ),
    ],
)
def test_the_hosts_are_those_of_the_configured_urls_with_and_without_the_default_port(urls, hosts):
    assert hosts_of(*urls) == hosts


@pytest.mark.parametrize("host", [b"ca.example", b"CA.Example", b"ca.example:443"])
def test_a_request_for_our_host_is_answered(adapter, host):
    start, _ = call(adapter, scope(host=[(b"host", host)]), body(b"x"))
    assert start["status"] == 200


@pytest.mark.parametrize(
    "host",
    [b"evil.example", b"ca.example.evil.example", b"ca.example:8443", b"ca.example.", b"xca.example", b"\xff", b" "],
)
def test_a_request_for_another_host_is_421_and_nothing_of_it_is_read(adapter, wsgi, host):
    start, content = call(adapter, scope(host=[(b"host", host)]), hang=True)
    document = json.loads(content["body"])
    assert (start["status"], document["type"]) == (421, "urn:ietf:params:acme:error:malformed")
    assert b"evil" not in content["body"]
    assert wsgi.environs == []


@pytest.mark.parametrize("hosts", [[], [b""], [b"ca.example", b"ca.example"], [b"ca.example", b"evil.example"]])
def test_a_request_without_a_host_or_with_two_is_400(adapter, wsgi, hosts):
    start, content = call(adapter, scope(host=[(b"host", host) for host in hosts]), hang=True)
    assert (start["status"], json.loads(content["body"])["status"]) == (400, 400)
    assert wsgi.environs == []


def test_every_answer_may_be_read_by_any_web_page_and_none_takes_credentials(adapter, monkeypatch):
    monkeypatch.setattr(asgi, "BODY_DEADLINE", 0.02)
    answers = [
        call(adapter, scope(), body(b"x")),
        call(adapter, scope("GET")),
        call(adapter, scope(), body(b"x" * BODY_LIMIT, True), body(b"x", True)),
        call(adapter, scope(), hang=True),
        call(adapter, scope(host=[(b"host", b"evil.example")])),
    ]
    for start, _ in answers:
        headers = dict(start["headers"])
        assert headers[b"access-control-allow-origin"] == b"*"
        assert headers[b"access-control-expose-headers"] == b"Link, Location, Replay-Nonce, Retry-After"
        assert b"access-control-allow-credentials" not in headers


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        # Only a proxy's word is believed,
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", " 2001:db8::7 ", "2001:db8::7"),
        # from right to left, as far as there are proxies.
        ("10.0.0.1", "192.0.2.66, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "192.0.2.66,198.51.100.7,10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("fd00::1", "198.51.100.7", "198.51.100.7"),
        # Addresses as sockets and proxies write them.
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7:1234", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::7]:1234, 10.0.0.2:80", "2001:db8::7"),
        ("10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        # What is no address ends it.
        ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7,", "10.0.0.1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_client_is_the_last_one_in_front_of_our_own_proxies(peer, forwarded, address):
    proxies = (ip_network("10.0.0.0/8"), ip_network("fd00::/64"))
    assert client_address(peer, forwarded, proxies) == address


def test_the_application_is_told_the_address_that_the_proxies_tell(wsgi):
    headers = [(b"x-forwarded-for", b"203.0.113.5"), (b"x-forwarded-for", b"198.51.100.7, 192.0.2.1")]
    for proxies, address in (((), "192.0.2.1"), ((ip_network("192.0.2.0/24"),), "198.51.100.7")):
        adapter = Adapter(wsgi, lambda: None, hosts=hosts_of("https://ca.example"), proxies=proxies)
        call(adapter, scope(headers=headers), body(b"x"))
        assert wsgi.environs[-1]["REMOTE_ADDR"] == address
        adapter._threads.shutdown()
