"""tls-alpn-01, RFC 8737 §3 and §4: what the CA's connection says, where it goes, and when it ends."""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_network

import pytest
from cryptography import x509

from acme_server.validation.network import GuardedNetwork
from challenges.base import Identifier, TlsAnswer, Verdict
from challenges.tls_alpn_01 import TLS_ALPN_01, Expected, judge
from tests.acme_requests import Client
from tests.challenges.certificates import DIGEST, Wanted, server_context
from tests.challenges.parts import make_task
from tests.tokens import assert_tokens_are_random
from tests.validation.servers import Names, answers, host, redirects

TEST_NET = frozenset({ip_network("192.0.2.0/24")})
LOOPBACK = frozenset({ip_network("127.0.0.0/8")})


def loopback(port, **ports):
    """A way out to hosts of this machine; `port` stands for that of tls-alpn-01."""
    names = Names({"example.org": ["127.0.0.1"]})
    return GuardedNetwork(names, exempt=LOOPBACK, ports={"tls-alpn": port, **ports}, deadline=5.0)


def vector(data: bytes, size: int) -> tuple[bytes, bytes]:
    """A TLS vector whose length takes `size` octets, and what is behind it."""
    length = int.from_bytes(data[:size])
    return data[size : size + length], data[size + length :]


def extensions_of(hello: bytes) -> dict[int, bytes]:
    """Of a ClientHello in one record (RFC 8446 §4.1.2)."""
    assert hello[0] == 22
    assert hello[5] == 1
    _, rest = vector(hello[9 + 2 + 32 :], 1)  # the session id
    _, rest = vector(rest, 2)  # ciphers
    _, rest = vector(rest, 1)  # compression
    data, _ = vector(rest, 2)
    found = {}
    while data:
        kind = int.from_bytes(data[:2])
        found[kind], data = vector(data[2:], 2)
    return found


def hello_of(task) -> tuple[bytes, tuple[str, int]]:
    """The first octets that a validation sends, and where it was to connect to."""
    near, far = socket.socketpair()
    dialled = []

    class Pretended(socket.socket):
        """A socket that says it leads to where it was to lead."""

        def getpeername(self):
            return dialled[0]

    def connect(address, port, timeout):
        dialled.append((str(address), port))
        connection = Pretended(fileno=near.detach())
        connection.settimeout(timeout)
        return connection

    heard = []

    def hear():
        heard.append(far.recv(65536))
        far.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure
        heard.append(far.recv(65536))
        far.close()

    listener = threading.Thread(target=hear)
    listener.start()
    network = GuardedNetwork(Names({"example.org": ["192.0.2.1"]}), exempt=TEST_NET, connect=connect, deadline=5.0)
    assert TLS_ALPN_01.validate(task, network).error is not None
    listener.join()
    return heard[0], dialled[0]


def test_3_the_handshake_goes_to_port_443_and_offers_one_protocol_and_one_name():
    hello, where = hello_of(make_task())
    assert where == ("192.0.2.1", 443)
    extensions = extensions_of(hello)
    assert extensions[16] == b"\x00\x0b\x0aacme-tls/1"  # RFC 7301 §3.1: a list of one
    assert extensions[0] == b"\x00\x0e\x00\x00\x0bexample.org"  # RFC 6066 §3: a list of one host name


def test_4_nothing_older_than_tls_1_2_is_offered():
    hello, _ = hello_of(make_task())
    versions, _ = vector(extensions_of(hello)[43], 1)
    assert {versions[at : at + 2] for at in range(0, len(versions), 2)} == {b"\x03\x03", b"\x03\x04"}


def test_4_a_connection_that_carries_the_protocol_is_closed_after_the_handshake_and_has_said_nothing():
    said = []
    context = server_context(Wanted().der())

    def listen(connection, head):
        said.append((head, connection.recv(100)))

    with host(listen, secure=lambda plain: context.wrap_socket(plain, server_side=True)) as served:
        answer = loopback(served.port).tls_alpn("example.org", server_name="example.org", protocol="acme-tls/1")
    assert answer.protocol == "acme-tls/1"
    assert said in ([], [("", b"")])


def test_4_a_redirect_to_https_does_not_offer_the_protocol():
    agreed = []
    context = server_context(Wanted().der(), protocols=["acme-tls/1"])

    def answer(connection, head):
        agreed.append(connection.selected_alpn_protocol())
        answers(b"body")(connection, head)

    with (
        host(answer, secure=lambda plain: context.wrap_socket(plain, server_side=True)) as there,
        host(redirects("https://example.org/x")) as here,
    ):
        network = loopback(there.port, http=here.port, https=there.port)
        assert network.http_get("example.org", "/", limit=10).body == b"body"
    assert agreed == [None]


def test_3_the_token_is_256_random_bits_in_base64url(make_ca):
    ca = make_ca(parts={"challenges": {"tls-alpn-01": TLS_ALPN_01}})
    assert_tokens_are_random(Client(ca).register(), "tls-alpn-01")


A_LABEL = "xn--bcher-kva.example.org"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [(A_LABEL, Verdict.VALID), (A_LABEL.upper(), Verdict.VALID), ("bücher.example.org", Verdict.INVALID)],
)
def test_3_the_name_in_the_certificate_is_in_a_labels(name, verdict):
    wanted = Expected(Identifier("dns", A_LABEL), DIGEST)
    certificate = Wanted(names=[x509.DNSName._init_without_validation(name)]).der()
    assert judge(wanted, TlsAnswer(certificate, "acme-tls/1", "TLSv1.3", "192.0.2.1")).verdict is verdict
