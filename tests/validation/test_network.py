"""The guarded way out, against real hosts on loopback (RFC 8555 §8.3, §10.4)."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
import time
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acme_server.validation.network import GuardedNetwork, dial
from challenges.base import Fault
from tests.validation.servers import Names, answers, host, redirects, says

LOOPBACK = frozenset({ip_network("127.0.0.0/8"), ip_network("::1/128")})
PATH = "/.well-known/acme-challenge/token"


def network(port: int, *, https: int = 1, table=None, deadline: float = 5.0, **changes) -> GuardedNetwork:
    names = Names(table if table is not None else {"example.org": ["127.0.0.1"], "other.example.org": ["127.0.0.1"]})
    values = {"exempt": LOOPBACK, "ports": {"http": port, "https": https}, "deadline": deadline} | changes
    return GuardedNetwork(names, **values)


def fault(guarded: GuardedNetwork, limit: int = 1024) -> tuple[str, bool, str]:
    with pytest.raises(Fault) as caught:
        guarded.http_get("example.org", PATH, limit=limit)
    error = caught.value.error
    assert error.detail.isprintable()
    return error.kind, caught.value.transient, error.detail


# One request.


def test_8_3_it_gets_the_path_from_the_host_and_says_who_asks():
    with host(answers(b"body")) as served:
        answer = network(served.port).http_get("example.org", PATH, limit=1024)
    assert (answer.status, answer.body, answer.address) == (200, b"body", "127.0.0.1")
    assert answer.url == f"http://example.org{PATH}"
    lines = served.requests[0].split("\r\n")
    assert lines[0] == f"GET {PATH} HTTP/1.1"
    assert f"Host: example.org:{served.port}" in lines
    assert any(line.startswith("User-Agent: xmpp-ica/") for line in lines)
    assert "Accept-Encoding: identity" in lines
    assert "Connection: close" in lines


CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GOOD = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodymore", b"body"),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\nbody", b"body"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nbody", b"body"),
    "chunked": ((CHUNKED + "2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\n\r\n").encode(), b"body"),
    "one octet a chunk": ((CHUNKED + "1\r\nx\r\n" * 1024 + "0\r\n\r\n").encode(), b"x" * 1024),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "after 100 Continue": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody", b"body"),
    "head of nearly 16 kB": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 16_000 + b"\r\n\r\nbody", b"body"),
    "gzip as it comes": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8bxx", b"\x1f\x8bxx"),
    "length that lies": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nbody", b"body"),
}
# What http.client's reader of headers, made for mail, raises TypeError or ValueError for.
GOOD |= {
    f"a boundary of {parameter[:24]!r}": (
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; " + parameter + b"\r\n\r\nbody",
        b"body",
    )
    for parameter in (
        b"boundary*=a; boundary*0=b",
        b"boundary*" + b"9" * 5000 + b"=b",
        b"boundary*=a\0b'en'%FF",
    )
}


@pytest.mark.parametrize(("octets", "body"), GOOD.values(), ids=GOOD.keys())
def test_rfc_9112_every_form_of_a_body_is_read(octets, body):
    with host(says(octets)) as served:
        assert network(served.port).http_get("example.org", PATH, limit=1024).body == body


@pytest.mark.parametrize("status", [204, 304, 400, 404, 500, 503])
def test_other_answers_are_answers(status):
    with host(answers(b"", f"{status} Other")) as served:
        assert network(served.port).http_get("example.org", PATH, limit=1024).status == status


@pytest.mark.parametrize("head", ["Content-Length: 10000000000", "Transfer-Encoding: chunked", "X: y"])
def test_of_an_endless_body_only_the_limit_is_read(head):
    sent = 0

    def talk(connection, _):
        nonlocal sent
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while sent < 100_000_000:
            connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
            sent += 1024

    with host(talk) as served:
        answer = network(served.port).http_get("example.org", PATH, limit=1024)
    assert len(answer.body) == 1024
    assert sent < 100_000_000


BAD = {
    "nothing": (b"", "connection", True),
    "half a chunk": ((CHUNKED + "10\r\nbody").encode(), "connection", True),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "incorrectResponse", False),
    "octets": (b"\x00\xff\x1b[2J\r\n\r\n", "incorrectResponse", False),
    "HTTP/0.9": (b"<html>body", "incorrectResponse", False),
    "status that is none": (b"HTTP/1.1 abc\r\n\r\n", "incorrectResponse", False),
    "long status line": (b"HTTP/1.1 200 " + b"x" * 20_000, "incorrectResponse", False),
    "long header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\nbody", "incorrectResponse", False),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\nbody", "incorrectResponse", False),
    "endless 100 Continue": (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, "incorrectResponse", False),
    "large chunk extensions": (
        (CHUNKED + "1;" + "x" * 30_000 + "\r\nx\r\n0\r\n\r\n").encode(),
        "incorrectResponse",
        False,
    ),
    "negative chunk": ((CHUNKED + "-5\r\n" + "x" * 30_000).encode(), "incorrectResponse", False),
    "chunk that is none": ((CHUNKED + "zz\r\nbody").encode(), "incorrectResponse", False),
    "length that is none": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody", "incorrectResponse", False),
    "half a head": (b"HTTP/1.1 200 OK\r\nX: y\r\n", "connection", True),
}


@pytest.mark.parametrize(("octets", "kind", "transient"), BAD.values(), ids=BAD.keys())
def test_what_is_no_answer_is_a_fault(octets, kind, transient):
    with host(says(octets)) as served:
        assert fault(network(served.port))[:2] == (kind, transient)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED.encode(), b"HTTP/1.1 302 Found\r\nLocation: "]),
    st.binary(max_size=80) | st.text("0123456789abc-+_ ;\r\n", max_size=40).map(str.encode),
)
def test_any_octets_are_an_answer_or_a_fault(head, octets):
    with host(says(head + octets)) as served, contextlib.suppress(Fault):
        assert network(served.port).http_get("example.org", PATH, limit=64).status >= 100


# The deadline.


def drip(octets: bytes, pause: float = 0.02):
    def talk(connection, _):
        connection.sendall(octets)
        for _ in range(500):
            connection.sendall(b"x")
            time.sleep(pause)

    return talk


SLOW = {
    "silent": lambda connection, _: connection.recv(1),
    "slow status line": drip(b"HTTP/1.1 200 "),
    "slow headers": drip(b"HTTP/1.1 200 OK\r\nX: "),
    "slow body": drip(b"HTTP/1.1 200 OK\r\n\r\n"),
    "slow chunk size": drip((CHUNKED + "1;").encode()),
    "half a body": lambda connection, _: (
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody"),
        connection.recv(1),
    ),
}


@pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW.keys())
def test_however_slowly_a_host_talks_the_deadline_ends_it(talk):
    with host(talk) as served:
        kind, transient, detail = fault(network(served.port, deadline=0.3))
    assert (kind, transient) == ("connection", True)
    assert "did not answer within the 0.3 seconds" in detail or "timed out" in detail  # the latter on a busy machine


def test_the_deadline_is_one_for_the_whole_chain_of_redirects():
    def talk(connection, _):
        time.sleep(0.12)
        redirects("/again")(connection, _)

    with host(talk) as served:
        assert fault(network(served.port, deadline=0.3))[:2] == ("connection", True)
        assert len(served.requests) <= 3


def test_the_deadline_is_the_resolvers_too():
    class Slow:
        def addresses(self, name, deadline):
            assert deadline == 17.5
            return ["127.0.0.1"]

    times = iter([10.0, 17.6])
    guarded = GuardedNetwork(Slow(), exempt=LOOPBACK, deadline=7.5, clock=lambda: next(times))
    assert fault(guarded)[:2] == ("connection", True)


# Addresses.


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "169.254.169.254",
        "0.0.0.0",
        "no address",
    ],
)
def test_10_4_an_address_that_is_not_public_is_not_connected_to(address):
    def never(*_):
        raise AssertionError("connected")

    guarded = network(80, table={"example.org": [address]}, exempt=frozenset(), connect=never)
    kind, transient, detail = fault(guarded)
    assert (kind, transient) == ("dns", False)
    assert "not public" in detail


def test_10_4_only_the_public_ones_of_several_addresses_are_tried():
    tried = []

    def refuse(address, port, timeout):
        tried.append((str(address), port))
        raise ConnectionRefusedError(111, "refused")

    table = {"example.org": ["127.0.0.1", "192.168.0.1", "8.8.8.8", "::1", "2606:4700::1"]}
    kind, transient, detail = fault(network(80, table=table, exempt=frozenset(), connect=refuse))
    assert tried == [("2606:4700::1", 80), ("8.8.8.8", 80)]
    assert (kind, transient) == ("connection", True)
    assert "2606:4700::1: connection refused; 8.8.8.8: connection refused" in detail
    assert "127.0.0.1" not in detail


def test_ipv6_and_ipv4_take_turns_and_no_more_than_four_are_tried():
    tried = []

    def refuse(address, port, timeout):
        tried.append(str(address))
        raise OSError(101, "unreachable")

    table = {
        "example.org": [
            *[f"8.8.8.{n}" for n in range(1, 200)],
            "2606:4700::1",
            "2606:4700::2",
            "2606:4700::3",
            "8.8.8.1",
        ]
    }
    fault(network(80, table=table, connect=refuse))
    assert tried == ["2606:4700::1", "8.8.8.1", "2606:4700::2", "8.8.8.2"]


def test_each_address_gets_its_share_of_the_time():
    shares = []

    def silent(address, port, timeout):
        shares.append(timeout)
        raise TimeoutError

    times = iter([0.0, 0.0, 4.0, 8.0, 12.0])
    table = {"example.org": ["8.8.8.8", "8.8.4.4", "1.1.1.1"]}
    fault(network(80, table=table, connect=silent, deadline=12.0, clock=lambda: next(times)))
    assert shares == [4.0, 4.0, 4.0]


def test_a_host_that_answers_on_its_second_address_is_reached():
    with host(answers(b"body")) as served:
        answer = network(served.port, table={"example.org": ["::1", "127.0.0.1"]}).http_get(
            "example.org", PATH, limit=9
        )
    assert answer.address == "127.0.0.1"


def test_a_host_is_reached_by_ipv6():
    with host(answers(b"body"), address="::1") as served:
        answer = network(served.port, table={"example.org": ["::1"]}).http_get("example.org", PATH, limit=9)
    assert answer.address == "::1"


def test_10_4_a_connection_that_led_elsewhere_is_dropped():
    with host(answers(b"body")) as served:
        guarded = network(
            served.port,
            table={"example.org": ["127.0.0.2"]},
            connect=lambda _, port, timeout: dial(ip_address("127.0.0.1"), port, timeout),
        )
        assert fault(guarded) == ("connection", False, "The connection to 127.0.0.2 led elsewhere")
        assert "GET" not in "".join(served.requests)


def test_a_connection_that_is_gone_at_once_is_a_passing_fault():
    assert fault(network(80, connect=lambda *_: socket.socket()))[:2] == ("connection", True)


def test_a_refused_connection_is_a_passing_fault():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    kind, transient, detail = fault(network(port))
    assert (kind, transient) == ("connection", True)
    assert "127.0.0.1: connection refused" in detail


def test_the_resolvers_fault_is_passed_on():
    assert fault(network(80, table={}))[:2] == ("dns", False)


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_8_3_redirects_are_followed_to_another_host_and_path(status):
    def talk(connection, head):
        if "GET /next?a=b HTTP" in head:
            answers(b"there")(connection, head)
        else:
            redirects("http://other.example.org/next?a=b#part", f"{status} Moved")(connection, head)

    with host(talk) as served:
        answer = network(served.port).http_get("example.org", PATH, limit=1024)
        assert answer.body == b"there"
        assert answer.url == "http://other.example.org/next?a=b#part"
        assert f"Host: other.example.org:{served.port}" in served.requests[1]


@pytest.mark.parametrize(
    "location",
    [
        "/next",
        "next",
        "?next",
        "//other.example.org/x",
        "HTTP://Other.Example.ORG/x",
        "http://other.example.org",
        "http:///x",
    ],
)
def test_rfc_9110_10_2_2_a_location_may_be_relative(location):
    def talk(connection, head):
        (redirects(location) if "/token HTTP" in head else answers(b"there"))(connection, head)

    with host(talk) as served:
        assert network(served.port).http_get("example.org", PATH, limit=1024).body == b"there"


def test_the_configured_port_may_be_said():
    def talk(connection, head):
        (redirects(f"http://other.example.org:{served.port}/x") if "token" in head else answers(b"there"))(
            connection, head
        )

    with host(talk) as served:
        assert network(served.port).http_get("example.org", PATH, limit=1024).body == b"there"


@pytest.mark.parametrize(("count", "followed"), [(10, True), (11, False)])
def test_ten_redirects_are_followed_and_no_more(count, followed):
    def talk(connection, head):
        number = len(served.requests)
        (redirects(f"/{number}") if number <= count else answers(b"there"))(connection, head)

    with host(talk) as served:
        if followed:
            assert network(served.port).http_get("example.org", PATH, limit=1024).body == b"there"
        else:
            assert fault(network(served.port)) == (
                "incorrectResponse",
                False,
                "example.org redirects more than 10 times",
            )
        assert len(served.requests) == 11


REFUSED = {
    "other scheme": ("ftp://other.example.org/", "only http and https"),
    "file": ("file:///etc/passwd", "only http and https"),
    "gopher": ("gopher://127.0.0.1:25/x", "only http and https"),
    "javascript": ("javascript:alert(1)", "only http and https"),
    "IPv4 address": ("http://127.0.0.1/", "host must be a name"),
    "public IPv4 address": ("http://8.8.8.8/", "host must be a name"),
    "IPv6 address": ("http://[::1]/", "host must be a name"),
    "broken IPv6 address": ("http://[::1/", "not a URL"),
    "decimal": ("http://2130706433/", "host must be a name"),
    "hexadecimal": ("http://0x7f000001/", "host must be a name"),
    "short": ("http://127.1/", "host must be a name"),
    "octal": ("http://0177.0.0.1/", "host must be a name"),
    "trailing dot": ("http://other.example.org./", "host must be a name"),
    "percent": ("http://other%2eexample.org/", "host must be a name"),
    "long label": (f"http://{'a' * 64}.org/", "host must be a name"),
    "long name": (f"http://{'a.' * 130}org/", "host must be a name"),
    "user": ("http://user@other.example.org/", "host must be a name"),
    "user and password": ("http://other.example.org:80@127.0.0.1/", "host must be a name"),
    "other port": ("http://other.example.org:22/", "only port"),
    "port that is none": ("http://other.example.org:x/", "not a URL"),
    "large port": ("http://other.example.org:99999/", "not a URL"),
    "backslash": ("http://other.example.org\\@127.0.0.1/", "not a URL"),
    "blank": ("http://other.example.org/ x", "not a URL"),
    "tab": ("http://other.example.org/\tx", "not a URL"),
    "not ASCII": ("http://b\u00fccher.example/", "not a URL"),
    "control character": ("http://other.example.org/\x1b[2J", "not a URL"),
    "empty": ("", "not a URL"),
    "too long": ("/" + "x" * 2000, "not a URL"),
}


@pytest.mark.parametrize(("location", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_10_4_a_redirect_that_is_refused_is_told_and_not_followed(location, reason):
    with host(redirects(location)) as served:
        kind, transient, detail = fault(network(served.port))
        assert (kind, transient) == ("incorrectResponse", False)
        assert reason in detail
        assert len(served.requests) == 1


def test_two_locations_are_no_url():
    with host(answers(b"", "302 Found", "Location: /a", "Location: /b")) as served:
        assert fault(network(served.port))[0] == "incorrectResponse"


def test_10_4_the_host_of_a_redirect_is_resolved_and_checked_as_the_first_was():
    with host(redirects("http://inside.example.org/")) as served:
        table = {"example.org": ["127.0.0.1"], "inside.example.org": ["10.0.0.1", "::1"]}
        kind, _, detail = fault(network(served.port, table=table, exempt=frozenset({ip_network("127.0.0.0/8")})))
    assert kind == "dns"
    assert detail.startswith("inside.example.org has only addresses that are not public")


def test_10_4_a_name_that_changes_its_address_is_checked_at_each_hop():
    class Rebinding:
        answers = iter([["127.0.0.1"], ["192.168.1.1"]])

        def addresses(self, name, deadline):
            return next(self.answers)

    with host(redirects("/again")) as served:
        guarded = GuardedNetwork(
            Rebinding(), exempt=frozenset({ip_network("127.0.0.0/8")}), ports={"http": served.port}
        )
        assert fault(guarded)[0] == "dns"


def test_a_redirect_without_location_is_an_answer():
    with host(answers(b"body", "302 Found")) as served:
        assert network(served.port).http_get("example.org", PATH, limit=1024).status == 302


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with host(answers(b"body")) as served:
        assert network(served.port).http_get("example.org", PATH, limit=1024).body == b"body"


def test_threads_may_share_it():
    bodies = []
    with host(answers(b"body")) as served:
        guarded = network(served.port)
        threads = [
            threading.Thread(target=lambda: bodies.append(guarded.http_get("example.org", PATH, limit=9).body))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bodies == [b"body"] * 8


# TLS.


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """The server's side of TLS with an expired, self-signed certificate for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wrong.invalid")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    names = []
    context.sni_callback = lambda _, server_name, __: names.append(server_name)
    context.names = names
    return context


def test_8_3_a_redirect_to_https_is_followed_whatever_the_certificate(secure):
    wrap = lambda connection: secure.wrap_socket(connection, server_side=True)  # noqa: E731
    with host(answers(b"there"), secure=wrap) as tls, host(redirects("https://other.example.org/x")) as served:
        answer = network(served.port, https=tls.port).http_get("example.org", PATH, limit=1024)
    assert (answer.body, answer.url) == (b"there", "https://other.example.org/x")
    assert secure.names[-1] == "other.example.org"


@pytest.mark.parametrize(
    ("talk", "deadline", "kind", "transient"),
    [
        (says(b"220 not TLS\r\n"), 5.0, "tls", False),
        (lambda connection, _: connection.recv(1), 0.3, "connection", True),
    ],
    ids=["no TLS", "silent"],
)
def test_a_tls_handshake_that_fails_is_a_fault(talk, deadline, kind, transient):
    # A ClientHello has no head to wait for.
    def at_once(connection):
        talk(connection, "")
        raise OSError

    with host(talk, secure=at_once) as tls, host(redirects("https://other.example.org/x")) as served:
        assert fault(network(served.port, https=tls.port, deadline=deadline))[:2] == (kind, transient)


def test_a_slow_body_over_tls_ends_with_the_deadline(secure):
    wrap = lambda connection: secure.wrap_socket(connection, server_side=True)  # noqa: E731
    with host(drip(b"HTTP/1.1 200 OK\r\n\r\n"), secure=wrap) as tls, host(redirects("https://example.org/x")) as served:
        assert fault(network(served.port, https=tls.port, deadline=0.5))[:2] == ("connection", True)
