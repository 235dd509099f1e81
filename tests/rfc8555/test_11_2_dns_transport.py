"""How the resolvers are asked (RFC 8555 §11.2)."""

from __future__ import annotations

import time

import dns.message
import dns.name
import dns.rdatatype
import pytest

from acme_server.validation.dns_exchange import exchange, is_near, make_question
from tests.peers.dns import DnsServer

QUESTION = make_question(dns.name.from_text("example.org"), dns.rdatatype.A)


@pytest.mark.parametrize(
    ("address", "near"),
    [
        *((address, True) for address in ("127.0.0.1", "127.0.0.53", "::1")),
        *((address, False) for address in ("192.0.2.53", "10.0.0.1", "fe80::1", "2001:db8::53")),
    ],
)
def test_11_2_a_resolver_on_another_host_is_asked_by_tcp(address, near):
    assert is_near(address) is near


def test_11_2_a_resolver_on_this_host_answers_by_udp():
    with DnsServer({("example.org", "A"): ["192.0.2.1"]}) as server:
        answer = exchange(QUESTION, "127.0.0.1", server.port, 5.0, time.monotonic)
    assert [record.address for found in answer.answer for record in found] == ["192.0.2.1"]
