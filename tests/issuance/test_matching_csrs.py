"""A CSR asks for the order's names and nothing else (RFC 8555 §7.4)."""

import pytest
from cryptography import x509
from raw_csr import (
    COMPAT,
    NAME,
    TLS,
    USER,
    XMPP,
    accept,
    addr,
    built,
    cn,
    dns,
    good,
    identifiers,
    ip,
    raw,
    requested,
    san,
    srv,
)

from acme_server.errors import BadCSR
from acme_server.issuance.der import IA5_STRING, encode
from acme_server.issuance.profiles import SRV_NAME, subject_alternative_names


def test_7_4_a_name_of_the_order_must_not_be_missing(names):
    with pytest.raises(BadCSR, match="exactly"):
        accept(built(names[1:]), names)


def test_7_4_of_many_names_the_text_shows_some():
    names = tuple(f"n{number}.example.org" for number in range(100))
    with pytest.raises(BadCSR, match=r"n9\.example\.org …"):
        accept(built(), names)


def test_r8_the_othernames_are_those_of_the_orders_profile():
    der = built(subject_alternative_names(XMPP, identifiers(*NAME)))
    for profile in (COMPAT, TLS):
        with pytest.raises(BadCSR, match=f"`{profile.name}`"):
            accept(der, profile=profile)
    accept(built(subject_alternative_names(COMPAT, identifiers(*NAME))), profile=COMPAT)


def test_r8_a_component_may_not_ask_to_be_a_host(names):
    der = built((*names, x509.OtherName(SRV_NAME, encode(IA5_STRING, b"_xmpp-client.upload.example.org"))))
    with pytest.raises(BadCSR, match="otherName"):
        accept(der, names)


WILD = ("*.example.org", "example.org")
ADDRESSES = ("192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize(
    "der",
    [
        built(WILD),
        built(WILD[1:], WILD[0]),
        built(WILD, WILD[0]),
        built(subject_alternative_names(XMPP, identifiers(*WILD))),
    ],
    ids=["subjectAltName", "CN", "both", "with the otherNames"],
)
def test_7_4_a_csr_for_a_wildcard(der):
    accept(der, WILD)
    for names in (WILD[:1], WILD[1:]):
        with pytest.raises(BadCSR, match="exactly"):
            accept(der, names)


@pytest.mark.parametrize("name", ["_xmpp-client.*.example.org", "_xmpp-server.*.example.org"])
def test_r8_a_wildcard_brings_no_srvname(name):
    with pytest.raises(BadCSR, match="otherName"):
        accept(built((*WILD, x509.OtherName(SRV_NAME, encode(IA5_STRING, name.encode())))), WILD)


@pytest.mark.parametrize(
    "der",
    [
        good(ip(192, 0, 2, 1), ip(0x20, 1, 0xD, 0xB8, *bytes(11), 1)),
        raw(requested(san(ip(192, 0, 2, 1))), subject=cn("2001:db8::1")),
        raw(subject=cn("192.0.2.1") + cn("2001:DB8:0::1")),
    ],
    ids=["iPAddresses", "one as CN", "CNs"],
)
def test_8738_3_addresses_are_compared_as_addresses(der):
    accept(der, ADDRESSES, TLS)
    for names in (ADDRESSES[:1], (*ADDRESSES, "192.0.2.2"), (*ADDRESSES, "example.org"), ("example.org",)):
        with pytest.raises(BadCSR, match="exactly"):
            accept(der, names, TLS)


JID = ("jüliet@bücher.example",)


@pytest.mark.parametrize("der", [raw(), good(addr(JID[0]))], ids=["no name at all", "the xmppAddr"])
def test_7_4_a_csr_for_a_jid_needs_no_name(der):
    assert accept(der, JID, USER).dns_names == frozenset()


@pytest.mark.parametrize(
    ("der", "reason"),
    [
        (good(dns("xn--bcher-kva.example")), "holds no CN"),
        (good(addr(JID[0]), dns("xn--bcher-kva.example")), "holds no CN"),
        (raw(subject=cn("juliet")), "holds no CN"),
        (good(ip(192, 0, 2, 1)), "holds no CN"),
        (good(addr("romeo@bücher.example")), "otherName"),
        (good(addr("bücher.example")), "otherName"),
        (good(addr("jüliet@bücher.example/balcony")), "otherName"),
        (good(addr("jüliet@xn--bcher-kva.example")), "otherName"),
        (good(addr(JID[0]), addr("bücher.example")), "otherName"),
        (good(addr(JID[0]), srv("_xmpp-client.xn--bcher-kva.example")), "otherName"),
    ],
)
def test_7_4_a_csr_for_a_jid_names_nobody_else(der, reason):
    with pytest.raises(BadCSR, match=reason):
        accept(der, JID, USER)


def test_7_4_a_csr_without_names_is_for_nothing_but_a_jid():
    for names, profile in ((NAME, XMPP), (WILD, XMPP), (ADDRESSES, TLS)):
        with pytest.raises(BadCSR, match="exactly"):
            accept(raw(), names, profile)
