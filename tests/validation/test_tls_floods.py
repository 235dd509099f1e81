"""TLS servers that never stop talking: what may come has a bound, before and after the handshake (RFC 5246, RFC 8446)."""

from __future__ import annotations

import socket
import ssl
from ipaddress import ip_network

import pytest

from acme_server.validation.network import GuardedNetwork
from challenges.base import Fault, Verdict
from challenges.http_01 import HTTP_01
from challenges.tls_alpn_01 import TLS_ALPN_01
from tests.challenges.certificates import Wanted, server_context
from tests.challenges.parts import make_task
from tests.validation.servers import Names, answers, host, redirects

HELLO_REQUEST = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"
"""RFC 5246 §7.4.1.1: may come at any time and is passed over during a handshake."""
MUCH = 4_000_000
LITTLE = 1_000_000
"""Room for what the system keeps on the way."""


def network(**ports: int) -> GuardedNetwork:
    loopback = frozenset({ip_network("127.0.0.0/8")})
    return GuardedNetwork(Names({"example.org": ["127.0.0.1"]}), exempt=loopback, ports=ports, deadline=30.0)


class Flood:
    """A server that answers a ClientHello with HelloRequests; it counts what it could send."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self, connection: socket.socket) -> socket.socket:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.recv(4096)
        while self.sent < MUCH:
            self.sent += connection.send(HELLO_REQUEST * 1000)
        raise OSError


def test_a_handshake_that_never_comes_to_its_point_is_ended_by_its_size():
    flood = Flood()
    with host(answers(b""), secure=flood) as served:
        outcome = TLS_ALPN_01.validate(make_task(), network(**{"tls-alpn": served.port}))
    assert (outcome.verdict, outcome.error.kind) == (Verdict.INVALID, "tls")
    assert "more than a TLS handshake takes" in outcome.error.detail
    assert flood.sent < LITTLE


def test_a_handshake_of_https_that_never_comes_to_its_point_is_ended_by_its_size():
    flood = Flood()
    with host(answers(b""), secure=flood) as served, host(redirects("https://example.org/x")) as first:
        outcome = HTTP_01.validate(make_task(), network(http=first.port, https=served.port))
    assert (outcome.verdict, outcome.error.kind) == (Verdict.INVALID, "incorrectResponse")
    assert flood.sent < LITTLE


def test_tickets_without_end_are_ended_by_their_size():
    context = server_context(Wanted().der())
    context.num_tickets = 20_000  # RFC 8446 §4.6.1: as many as a server likes; about five million octets
    with (
        host(answers(b""), secure=lambda plain: context.wrap_socket(plain, server_side=True)) as served,
        host(redirects("https://example.org/x")) as first,
    ):
        guarded = network(http=first.port, https=served.port)
        with pytest.raises(Fault) as caught:
            guarded.http_get("example.org", "/", limit=10)
    assert caught.value.error.kind == "incorrectResponse"
    assert "too much around" in caught.value.error.detail


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("alert", [True, False])
def test_rfc_8446_6_1_a_body_is_whole_with_an_alert_at_its_end_and_without(version, alert):
    context = server_context(Wanted().der())
    context.minimum_version = context.maximum_version = version

    def talk(connection: ssl.SSLSocket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nbody")
        if alert:
            connection.unwrap()

    with (
        host(talk, secure=lambda plain: context.wrap_socket(plain, server_side=True)) as served,
        host(redirects("https://example.org/x")) as first,
    ):
        answer = network(http=first.port, https=served.port).http_get("example.org", "/", limit=10)
    assert answer.body == b"body"
