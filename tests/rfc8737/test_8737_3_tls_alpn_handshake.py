"""tls-alpn-01, RFC 8737: real handshakes on loopback, with the client's own certificate and with servers that misbehave."""

from __future__ import annotations

import socket
import ssl
import struct
from ipaddress import ip_network

import pytest
from cryptography import x509

from acme_server.validation.network import GuardedNetwork
from challenges.base import Fault, Identifier, Tools, Verdict
from challenges.tls_alpn_01 import PROTOCOL, TLS_ALPN_01, TlsAlpn01
from tests.challenges.certificates import RIGHT, Wanted, server_context
from tests.challenges.parts import NOW, TlsHost, make_task
from tests.validation.servers import Names, host

LOOPBACK = frozenset({ip_network("127.0.0.0/8"), ip_network("::1/128")})


def network(port: int, *, deadline: float = 5.0, table=None, **changes) -> GuardedNetwork:
    names = Names(table or {"example.org": ["127.0.0.1"]})
    return GuardedNetwork(names, **({"exempt": LOOPBACK, "ports": {"tls-alpn": port}, "deadline": deadline} | changes))


def nothing(connection, _) -> None:
    """RFC 8737 §3: nothing is said after the handshake."""


def secured(context: ssl.SSLContext):
    return lambda connection: context.wrap_socket(connection, server_side=True)


def fault(guarded: GuardedNetwork) -> Fault:
    with pytest.raises(Fault) as caught:
        guarded.tls_alpn("example.org", server_name="example.org", protocol=PROTOCOL)
    assert caught.value.error.detail.isprintable()
    return caught.value


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_3_what_the_client_publishes_proves_the_name(version):
    shown = TlsHost()
    responder = TlsAlpn01(now=lambda: NOW).respond(make_task(), Tools(tls=shown))
    assert responder.present() == {}
    context = server_context(*shown.shown[Identifier("dns", "example.org")])
    context.minimum_version = context.maximum_version = version
    with host(nothing, secure=secured(context)) as served:
        outcome = TLS_ALPN_01.validate(make_task(), network(served.port))
    assert outcome.verdict is Verdict.VALID
    assert context.asked == ["example.org"]
    assert outcome.evidence["version"] == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert responder.wait() is None
    responder.clean_up()
    assert shown.shown == {}


@pytest.mark.parametrize("token", ["", "short", "a" * 20 + "\n", "../../etc/passwd/x"])
def test_8_1_for_a_token_that_is_not_base64url_nothing_is_published(token):
    shown = TlsHost()
    responder = TLS_ALPN_01.respond(make_task(token=token), Tools(tls=shown))
    with pytest.raises(ValueError, match="base64url"):
        responder.present()
    assert shown.shown == {}


def test_3_a_server_that_agrees_on_no_protocol_proves_nothing():
    with host(nothing, secure=secured(server_context(Wanted().der(), protocols=[]))) as served:
        outcome = TLS_ALPN_01.validate(make_task(), network(served.port))
    assert outcome.verdict is Verdict.INVALID
    assert "no protocol" in outcome.error.detail


def test_3_a_web_server_that_shows_the_right_certificate_without_the_protocol_proves_nothing():
    with host(nothing, secure=secured(server_context(Wanted().der(), protocols=["http/1.1"]))) as served:
        assert TLS_ALPN_01.validate(make_task(), network(served.port)).verdict is Verdict.INVALID


def test_3_a_certificate_that_breaks_the_library_is_the_servers_fault():
    feature = (x509.ObjectIdentifier("1.3.6.1.5.5.7.1.24"), False, bytes.fromhex("3003020163"))  # KeyError
    with host(nothing, secure=secured(server_context(Wanted(extensions=[RIGHT, feature]).der()))) as served:
        outcome = TLS_ALPN_01.validate(make_task(), network(served.port))
    assert (outcome.verdict, outcome.error.kind) == (Verdict.INVALID, "incorrectResponse")


def test_4_a_server_of_tls_1_1_is_refused():
    context = server_context(Wanted().der())
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with host(nothing, secure=secured(context)) as served:
        assert fault(network(served.port)).error.kind in ("tls", "connection")


def test_the_connection_ends_with_the_handshake():
    heads = []
    context = server_context(Wanted().der())
    with host(lambda _, head: heads.append(head), secure=secured(context)) as served:
        network(served.port).tls_alpn("example.org", server_name="example.org", protocol=PROTOCOL)
    assert heads in ([], [""])


def without_tls(talk):
    def secure(connection):
        talk(connection)
        raise OSError

    return secure


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(connection: socket.socket) -> None:
    # The beginning of a record that never ends.
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while True:
        connection.sendall(b"\x02")
        connection.settimeout(0.05)
        try:
            if not connection.recv(4096):
                return
        except TimeoutError:
            continue


MISBEHAVING = {
    "no TLS": (lambda connection: connection.sendall(b"220 mail.example.org ESMTP\r\n"), "tls", False),
    "an alert": (lambda connection: connection.sendall(b"\x15\x03\x03\x00\x02\x02\x78"), "tls", False),
    "closing": (lambda connection: connection.recv(4096), "connection", True),
    "resetting": (reset, "connection", True),
    "silent": (
        lambda connection: connection.recv(1) and connection.recv(100_000) and connection.recv(1),
        "connection",
        True,
    ),
    "slow": (drip, "connection", True),
}


@pytest.mark.parametrize(("talk", "kind", "transient"), MISBEHAVING.values(), ids=MISBEHAVING.keys())
def test_a_handshake_that_fails_is_a_fault_within_the_deadline(talk, kind, transient):
    with host(nothing, secure=without_tls(talk)) as served:
        problem = fault(network(served.port, deadline=0.5))
    assert (problem.error.kind, problem.transient) == (kind, transient)
    assert "example.org at 127.0.0.1" in problem.error.detail


def test_a_port_where_nobody_listens_is_a_passing_fault():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    problem = fault(network(port))
    assert (problem.error.kind, problem.transient) == ("connection", True)
    assert f"port {port}" in problem.error.detail


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1", "64:ff9b::a00:1"])
def test_10_4_it_shakes_no_hands_with_addresses_that_are_not_public(address):
    problem = fault(network(1, table={"example.org": [address]}, exempt=frozenset()))
    assert (problem.error.kind, problem.transient) == ("dns", False)


def test_10_4_a_connection_that_leads_elsewhere_is_not_used():
    context = server_context(Wanted().der())
    with host(nothing, secure=secured(context)) as served:
        guarded = network(
            1,
            table={"example.org": ["127.0.0.9"]},
            connect=lambda _, __, timeout: socket.create_connection(("127.0.0.1", served.port), timeout),
        )
        assert "led elsewhere" in fault(guarded).error.detail


def test_a_name_without_an_address_is_the_fault_of_dns():
    assert fault(network(1, table={"other.example.org": ["127.0.0.1"]})).error.kind == "dns"
