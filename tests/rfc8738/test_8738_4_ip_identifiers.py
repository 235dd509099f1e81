"""IP addresses as identifiers, RFC 8738 §4 to §6: how http-01 and tls-alpn-01 ask an address."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from acme_server.validation.network import GuardedNetwork
from challenges.base import Fault, HttpAnswer, Identifier, TlsAnswer, Tools, Verdict
from challenges.http_01 import HTTP_01, expected
from challenges.tls_alpn_01 import TLS_ALPN_01, judge, server_name_of
from challenges.tls_alpn_01 import expected as expected_of_tls
from tests.challenges.certificates import Wanted, dns, ip, server_context
from tests.challenges.parts import Network, TlsHost, make_task
from tests.validation.servers import Names, answers, host, redirects

LOOPBACK = frozenset({ip_network("127.0.0.0/8"), ip_network("::1/128")})


def of(address: str):
    return make_task(identifier=Identifier("ip", address))


def network(port: int, **changes) -> GuardedNetwork:
    values = {"exempt": LOOPBACK, "ports": {"http": port, "https": 1, "tls-alpn": port}, "deadline": 5.0}
    return GuardedNetwork(Names({"name.example.org": ["127.0.0.1"]}), **(values | changes))


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_4_http_01_asks_the_address_itself_and_says_it_in_host(address, shown):
    with host(answers(expected(of(address))), address=address) as served:
        outcome = HTTP_01.validate(of(address), network(served.port))
    assert outcome.verdict is Verdict.VALID
    assert outcome.evidence["address"] == address
    assert f"Host: {shown}:{served.port}" in served.requests[0].split("\r\n")


@pytest.mark.parametrize(("address", "shown"), [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "[2001:db8::1]")])
def test_4_on_port_80_host_is_the_address_alone(address, shown):
    network = Network(HttpAnswer(404, b"", f"http://{shown}/", address))
    HTTP_01.validate(of(address), network)
    assert network.asked[0][0] == address


@pytest.mark.parametrize("location", ["http://127.0.0.1/x", "http://[::1]/x", "/x", "//127.0.0.1/x", "http://8.8.8.8/"])
def test_10_4_even_then_no_redirect_leads_to_an_address(location):
    with host(redirects(location)) as served, pytest.raises(Fault) as caught:
        network(served.port).http_get("127.0.0.1", "/x", limit=10)
    assert "the host must be a name" in caught.value.error.detail
    assert len(served.requests) == 1


def test_4_a_redirect_to_a_name_is_followed():
    def talk(connection, head):
        (answers(b"there") if "/x" in head else redirects("http://name.example.org/x"))(connection, head)

    with host(talk) as served:
        answer = network(served.port).http_get("127.0.0.1", "/", limit=10)
    assert answer.body == b"there"


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:10.0.0.1"])
@pytest.mark.parametrize("type_", [HTTP_01, TLS_ALPN_01], ids=lambda type_: type_.type)
def test_10_4_an_address_that_is_not_public_is_not_asked(address, type_):
    outcome = type_.validate(of(address), network(1, exempt=frozenset()))
    assert (outcome.verdict, outcome.error.kind) == (Verdict.INVALID, "connection")
    assert f"{address} is not a public address" in outcome.error.detail


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1", "1.0.0.0" + ".0" * 20 + ".8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_6_the_server_name_is_the_address_in_the_reverse_tree(address, name):
    assert server_name_of(Identifier("ip", address)) == name
    network = Network(TlsAnswer(b"", None, "TLSv1.3", address))
    TLS_ALPN_01.validate(of(address), network)
    assert network.asked == [(address, name, "acme-tls/1")]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("made", [lambda text: [ip(text)], lambda text: [dns(text)]], ids=["iPAddress", "dNSName"])
def test_6_the_certificate_has_the_address_as_ip_address(address, made):
    names = made(address)
    answer = TlsAnswer(Wanted(names=names).der(), "acme-tls/1", "TLSv1.3", address)
    outcome = judge(expected_of_tls(of(address)), answer)
    assert (outcome.verdict is Verdict.VALID) is (names == [ip(address)])


WRONG = {
    "other address": [ip("192.0.2.2")],
    "mapped into IPv6": [ip("::ffff:192.0.2.1")],
    "reverse name": [dns("1.2.0.192.in-addr.arpa")],
    "a name more": [ip("192.0.2.1"), dns("example.org")],
    "an address more": [ip("192.0.2.1"), ip("192.0.2.2")],
}


@pytest.mark.parametrize("names", WRONG.values(), ids=WRONG.keys())
def test_6_any_other_name_in_the_certificate_proves_nothing(names):
    answer = TlsAnswer(Wanted(names=names).der(), "acme-tls/1", "TLSv1.3", "192.0.2.1")
    assert judge(expected_of_tls(of("192.0.2.1")), answer).verdict is Verdict.INVALID


def test_6_a_name_is_not_proved_by_an_address():
    answer = TlsAnswer(Wanted(names=[ip("192.0.2.1")]).der(), "acme-tls/1", "TLSv1.3", "192.0.2.1")
    assert judge(replace(expected_of_tls(of("192.0.2.1")), identifier=Identifier("dns", "192.0.2.1")), answer).error


@pytest.mark.parametrize(
    ("address", "name"),
    [("127.0.0.1", "1.0.0.127.in-addr.arpa"), ("::1", "1" + ".0" * 31 + ".ip6.arpa")],
)
def test_6_what_the_client_publishes_proves_the_address(address, name):
    shown = TlsHost()
    assert TLS_ALPN_01.respond(of(address), Tools(tls=shown)).present() == {}
    context = server_context(*shown.shown[Identifier("ip", address)])
    secure = lambda connection: context.wrap_socket(connection, server_side=True)  # noqa: E731
    with host(lambda *_: None, address=address, secure=secure) as served:
        assert TLS_ALPN_01.validate(of(address), network(served.port)).verdict is Verdict.VALID
    assert context.asked == [name]
