"""Which addresses the CA connects to (RFC 8555 §10.4, RFC 6890)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acme_server.validation.addresses import is_permitted, parse_address

FORBIDDEN_TEXT = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::808:808 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0.0.0.0 ::ffff:169.254.169.254 ::ffff:0:7f00:1
64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2
2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2002:c0a8:101::1 3fff::1 3fff:fff::1 4000::1
5f00::1 fc00::1 fd12:3456:789a::1 fe80::1 fec0::1 ff02::1 ff0e::1 ffff::1
"""
PUBLIC_TEXT = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 172.15.255.255 172.32.0.0
192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 2001:4860:4860::8888 2606:4700::1111 2a00::1
::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1
"""


@pytest.mark.parametrize("text", FORBIDDEN_TEXT.split())
def test_10_4_no_address_that_is_not_public(text):
    assert not is_permitted(parse_address(text), ())


@pytest.mark.parametrize("text", PUBLIC_TEXT.split())
def test_public_addresses_are_permitted_up_to_the_edges_of_the_others(text):
    assert is_permitted(parse_address(text), ())


NO_ADDRESSES = [
    "",
    "localhost",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "127.1",
    "0177.0.0.1",
    "010.8.8.8",
    "127.0.0.1.",
    " 8.8.8.8",
]
NO_ADDRESSES += ["8.8.8.8\n", "fe80::1%eth0", "2606:4700::1%1", "[::1]", "1.2.3.4/32", "\u0661.1.1.1", "1.1.1.256"]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_nothing_is_an_address_that_has_another_form(text):
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("text", "networks", "permitted"),
    [
        ("127.0.0.1", ["127.0.0.0/8"], True),
        ("127.0.0.1", ["::1/128"], False),
        ("::1", ["::1/128"], True),
        ("10.0.0.1", ["127.0.0.0/8", "10.0.0.1/32"], True),
        ("10.0.0.2", ["127.0.0.0/8", "10.0.0.1/32"], False),
        ("::ffff:127.0.0.1", ["127.0.0.0/8"], True),
        ("::ffff:10.0.0.1", ["127.0.0.0/8"], False),
    ],
)
def test_only_the_networks_that_were_exempted_are_exempt(text, networks, permitted):
    assert is_permitted(parse_address(text), [ip_network(network) for network in networks]) is permitted


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_form_around_a_private_address_is_permitted(inner):
    number = int(inner)
    forms = [
        str(inner),
        f"::ffff:{inner}",
        f"64:ff9b::{inner}",
        f"::{inner}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
    ]
    for form in forms:
        assert not is_permitted(parse_address(form), ())
