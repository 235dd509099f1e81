"""Octets that are no request, or half of one, or far too many: no 5xx, no hang, and the server goes on."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.faults.client import secure
from tests.faults.server import Ca

HEAD = b"POST /acme/new-account HTTP/1.1\r\nHost: localhost\r\n"
JOSE = b"Content-Type: application/jose+json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
MEGABYTE = 1 << 20


def post(body: bytes, *headers: bytes, path: bytes = b"/acme/new-account") -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: localhost", *headers, b"Content-Length: %d" % len(body), b"", b""]
    return b"\r\n".join(lines) + body


def get(target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: localhost", *headers, b"", b""])


TYPE = b"Content-Type: application/jose+json"
REQUESTS = {
    "nothing": b"\r\n\r\n\r\n",
    "zeros": bytes(4096),
    "noise": random.Random(1).randbytes(4096),
    "http/0.9": b"GET /directory\r\n\r\n",
    "http/7": b"GET /directory HTTP/7.3\r\nHost: localhost\r\n\r\n",
    "no host": b"GET /directory HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /directory HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "another host": b"GET /directory HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a bad host": b"GET /directory HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "absolute form": get(b"https://evil.example/directory"),
    "asterisk form": get(b"*", method=b"OPTIONS"),
    "authority form": get(b"localhost:443", method=b"CONNECT"),
    "empty target": get(b""),
    "no slash": get(b"directory"),
    "two slashes": get(b"//directory"),
    "dots": get(b"/acme/../../etc/passwd"),
    "escaped dots": get(b"/%2e%2e/%2e%2e/etc/passwd"),
    "an escape of no UTF-8": get(b"/acme/order/%ff%fe%80"),
    "a POST to an escape of no UTF-8": post(b"{}", TYPE, path=b"/acme/order/%ff%fe%80"),
    "a surrogate": post(b"{}", TYPE, path=b"/acme/order/%ed%a0%80"),
    "half an escape": get(b"/acme/order/%f"),
    "a raw octet": get(b"/acme/order/\xff\xfe"),
    "an escaped NUL": post(b"{}", TYPE, path=b"/acme/order/%00"),
    "an escaped line": post(b"{}", TYPE, path=b"/acme/order/%0d%0aX:y"),
    "a long target": get(b"/" + b"a" * 60000),
    "a long query": get(b"/directory?" + b"a" * 60000),
    "a query of no UTF-8": get(b"/directory?\xff%ff"),
    "many headers": get(b"/directory", *(b"X-%d: y" % number for number in range(2000))),
    "a long header": get(b"/directory", b"X: " + b"y" * 500_000),
    "a header of no ASCII": get(b"/directory", b"X: \xff\xfe\x80"),
    "a header without a name": get(b"/directory", b": y"),
    "a header's name with a blank": get(b"/directory", b"X Y: z"),
    "an unknown method": get(b"/directory", method=b"BREW"),
    "TRACE": get(b"/directory", method=b"TRACE"),
    "PUT": get(b"/acme/new-account", method=b"PUT"),
    "DELETE": get(b"/acme/order/x", method=b"DELETE"),
    "an upgrade": get(b"/directory", b"Connection: Upgrade", b"Upgrade: websocket"),
    "an upgrade to http/2": get(
        b"/directory", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAAA"
    ),
    "http/2 without ALPN": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64),
    "a body without its type": post(b"{}"),
    "another type": post(b"{}", b"Content-Type: application/json"),
    "a type with a parameter": post(b"{}", TYPE + b"; charset=utf-8"),
    "a form": post(b"a=b&c=d", b"Content-Type: application/x-www-form-urlencoded"),
    "a broken form": post(b"--x\r\n", b"Content-Type: multipart/form-data; boundary=x"),
    "a type of no ASCII": post(b"{}", b"Content-Type: \xff\xfe"),
    "no JSON": post(random.Random(2).randbytes(1000), TYPE),
    "no UTF-8": post(b'{"payload":"\xff"}', TYPE),
    "deep JSON": post(b"[" * 60000, TYPE),
    "a long number": post(b'{"payload":' + b"9" * 60000 + b"}", TYPE),
    "a gzipped body": post(b"\x1f\x8b\x08" + bytes(100), TYPE, b"Content-Encoding: gzip"),
    "over the limit": post(b" " * (MEGABYTE + 1), TYPE),
    "over the limit of its resource": post(b" " * (65 * 1024), TYPE),
    "over the limit, in chunks": HEAD
    + JOSE
    + CHUNKED
    + b"\r\n"
    + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 17
    + b"0\r\n\r\n",
    "no length": HEAD + JOSE + b"\r\n",
    "a negative length": HEAD + JOSE + b"Content-Length: -1\r\n\r\n",
    "a length that is none": HEAD + JOSE + b"Content-Length: x\r\n\r\n",
    "two lengths": HEAD + JOSE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": HEAD + JOSE + b"Content-Length: 2\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "a chunk's size that is none": HEAD + JOSE + CHUNKED + b"\r\nxyz\r\n",
    "a chunk of 2^64": HEAD + JOSE + CHUNKED + b"\r\nffffffffffffffff\r\n{}",
    "an unknown transfer coding": HEAD + JOSE + b"Transfer-Encoding: rot13\r\n\r\n{}",
    "expecting to go on": HEAD + JOSE + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    "a body to GET": get(b"/directory", b"Content-Length: 5") + b"hello",
    "bodies to HEAD": get(b"/acme/new-nonce", b"Content-Length: 5", method=b"HEAD") + b"hello",
}


@pytest.fixture(scope="module")
def served(the_ca: Ca) -> Iterator[Ca]:
    the_ca.start()
    yield the_ca
    the_ca.end()


def addressed(ca: Ca, octets: bytes) -> bytes:
    """To the host that the server answers for, of which the port is known only now."""
    return octets.replace(b"Host: localhost\r\n", b"Host: localhost:%d\r\n" % ca.port)


def exchange(ca: Ca, octets: bytes) -> bytes:
    """What the server says until it closes, after we have said all; empty where it only closes."""
    said = b""
    with contextlib.closing(secure(ca.port, ca.trust)) as connection, contextlib.suppress(ConnectionError, OSError):
        with contextlib.suppress(ConnectionError, OSError):
            connection.sendall(addressed(ca, octets))
        connection.settimeout(2)
        while more := connection.recv(65536):
            said += more
            if b"\r\n\r\n" in said:  # it may wait for more on the same connection
                connection.settimeout(0.2)
    return said


def fine(ca: Ca, worker: int) -> None:
    """The server answers, and is the one it was."""
    client = ca.client()
    assert client.url("newNonce")
    client.server.close()
    assert ca.worker() == worker


@pytest.mark.parametrize("octets", REQUESTS.values(), ids=REQUESTS.keys())
def test_what_is_no_good_request_gets_no_5xx(served: Ca, octets: bytes) -> None:
    worker = served.worker()

    said = exchange(served, octets)

    statuses = [int(line.split()[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert all(status < 500 for status in statuses), said[:300]
    assert not said.startswith(b"HTTP/") or statuses
    fine(served, worker)


def test_connections_that_are_given_up_half_way_cost_nothing(served: Ca) -> None:
    worker = served.worker()
    whole = addressed(served, post(b"x" * 1000, TYPE))
    for length in range(1, len(whole), 25):
        with contextlib.closing(secure(served.port, served.trust)) as connection:
            connection.sendall(whole[:length])
    fine(served, worker)


def test_600_half_requests_that_stay_open_hold_up_nobody(served: Ca) -> None:
    worker = served.worker()
    halves = [HEAD + b"X: ", HEAD + JOSE + b"Content-Length: 100\r\n\r\nhalf"]
    with contextlib.ExitStack() as open_ones:
        for number in range(600):
            connection = open_ones.enter_context(contextlib.closing(secure(served.port, served.trust)))
            connection.sendall(addressed(served, halves[number % 2]))
        served.http_enrolment().run().check_issued()
        fine(served, worker)


TLS = {
    "nothing": b"",
    "plain HTTP": get(b"/directory"),
    "noise": random.Random(3).randbytes(5000),
    "a record that is too long": b"\x16\x03\x01\xff\xff" + bytes(70000),
    "half a ClientHello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "application data first": b"\x17\x03\x03\x00\x10" + bytes(16),
    "SSLv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
}


@pytest.mark.parametrize("octets", TLS.values(), ids=TLS.keys())
def test_what_is_no_tls_ends_that_connection_only(served: Ca, octets: bytes) -> None:
    worker = served.worker()
    with contextlib.ExitStack() as open_ones:
        for _ in range(20):
            connection = open_ones.enter_context(socket.create_connection(("127.0.0.1", served.port), 5))
            connection.sendall(octets)
        fine(served, worker)


def test_1500_connections_that_say_nothing_hold_up_nobody(served: Ca) -> None:
    worker = served.worker()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        with contextlib.ExitStack() as opened:
            for _ in range(1500):
                opened.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", served.port), 5)))
            fine(served, worker)
        fine(served, worker)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.long
def test_a_body_that_never_ends_is_given_up(served: Ca) -> None:
    with contextlib.closing(secure(served.port, served.trust)) as connection:
        connection.sendall(addressed(served, HEAD + JOSE + b"Content-Length: 100\r\n\r\nhalf"))
        connection.settimeout(30)
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_nothing_of_this_is_an_incident(served: Ca) -> None:
    """Last in this file: what the server has logged."""
    assert served.process is not None
    log = served.process.said()
    assert "event=incident" not in log
    assert "Traceback" not in log
    assert served.faults() == []
