"""The adapter: no thread is taken before the whole body is there, and a body has a limit and one deadline."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from acme_server.web import asgi
from acme_server.web.asgi import BODY_LIMIT, Adapter
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
    made = Adapter(wsgi, closed.set)
    made.was_closed = closed
    yield made
    made._threads.shutdown()


def scope(method="POST", path="/acme/new-order", query=b"", headers=()):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": list(headers),
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
        (b"host", b"evil.example"),
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
    adapter = Adapter(ca.application.flask, lambda: None)
    client = Client(ca)
    request = json.dumps(flattened(client.key, client.header("new-account"), {})).encode()
    what = scope(path="/acme/new-account", headers=[(b"content-type", b"application/jose+json")])
    start, content = call(adapter, what, body(request))
    headers = dict(start["headers"])
    assert (start["status"], json.loads(content["body"])) == (201, {"status": "valid"})
    assert headers[b"location"].startswith(b"https://ca.example/acme/account/")
    assert headers[b"replay-nonce"]
    start, content = call(adapter, scope("HEAD", "/acme/new-nonce"))
    assert (start["status"], content["body"]) == (200, b"")
    adapter._threads.shutdown()
