"""A CSR asks for the order's names and nothing else (RFC 8555 §7.4)."""

import pytest
from cryptography import x509
from raw_csr import (
    COMPAT,
    NAME,
    OCTET_STRING,
    TLS,
    XMPP,
    accept,
    addr,
    built,
    cn,
    dns,
    good,
    other,
    raw,
    requested,
    san,
    seq,
    srv,
)

from acme_server.errors import BadCSR
from acme_server.issuance.der import IA5_STRING, UTF8_STRING, encode
from acme_server.issuance.profiles import SRV_NAME, subject_alternative_names

WRONG_NAMES = {
    "none": raw(),
    "another": built(("evil.example",)),
    "one more": built(("example.org", "evil.example")),
    "one more in the CN": built(NAME, "evil.example"),
    "the parent": built(("org",)),
    "a component": built(("a.example.org",)),
    "a wildcard": built(("*.example.org",)),
    "with a dot": good(dns("example.org.")),
    "with NUL": good(dns("example.org\0")),
    "with NUL and more": good(dns("example.org\0.evil.example")),
    "with a line end": good(dns("example.org\n")),
    "with a blank": good(dns(" example.org")),
    "empty": good(dns("")),
    "another in a second CN": raw(subject=cn("example.org") + cn("evil.example")),
    "hidden in a CN as BMPString": raw(
        requested(san(dns("example.org"))), subject=cn("evil.example".encode("utf-16-be"), 0x1E)
    ),
    "a JID as CN": built(NAME, "juliet@example.org"),
}


@pytest.mark.parametrize("der", WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_7_4_the_names_must_be_exactly_the_orders(der):
    with pytest.raises(BadCSR, match=r"exactly those of the order: example\.org"):
        accept(der)


def test_7_4_a_name_of_the_order_must_not_be_missing(names):
    with pytest.raises(BadCSR, match="exactly"):
        accept(built(names[1:]), names)


def test_7_4_of_many_names_the_text_shows_some():
    names = tuple(f"n{number}.example.org" for number in range(100))
    with pytest.raises(BadCSR, match=r"n9\.example\.org …"):
        accept(built(), names)


OTHER_NAMES = {
    "xmppAddr of another domain": addr("evil.example"),
    "xmppAddr of the parent": addr("org"),
    "xmppAddr of a component": addr("muc.example.org"),
    "xmppAddr of a user": addr("juliet@example.org"),
    "xmppAddr with a resource": addr("example.org/r"),
    "xmppAddr wildcard": addr("*.example.org"),
    "xmppAddr with a dot": addr("example.org."),
    "xmppAddr with NUL": addr("example.org\0"),
    "xmppAddr with a line end": addr("example.org\n"),
    "xmppAddr in upper case": addr("EXAMPLE.ORG"),
    "xmppAddr of 30,000 octets": addr("a" * 30_000),
    "xmppAddr not in UTF-8": addr(b"\xff\xfeample.org"),
    "xmppAddr in overlong UTF-8": addr(b"\xc1\xa5xample.org"),
    "xmppAddr as BMPString": addr("example.org".encode("utf-16-be"), 0x1E),
    "xmppAddr as IA5String": addr("example.org", IA5_STRING),
    "xmppAddr as OCTET STRING": addr("example.org", OCTET_STRING),
    "SRVName of another service": srv("_imaps.example.org"),
    "SRVName with _tcp": srv("_xmpp-server._tcp.example.org"),
    "SRVName wildcard": srv("_xmpp-server.*.example.org"),
    "SRVName with two services": srv("_xmpp-server._xmpp-client.example.org"),
    "SRVName as UTF8String": srv("_xmpp-server.example.org", UTF8_STRING),
    "SRVName of another domain": srv("_xmpp-server.evil.example"),
    "UPN": other(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), encode(UTF8_STRING, b"example.org")),
    "Kerberos": other(x509.ObjectIdentifier("1.3.6.1.5.2.2"), seq()),
    "NAI": other(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.8"), encode(UTF8_STRING, b"example.org")),
    "unknown": other(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"),
}


@pytest.mark.parametrize("name", OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_r8_an_othername_that_the_profile_does_not_build_is_badcsr(name):
    with pytest.raises(BadCSR, match=r"otherName|cannot be read"):
        accept(good(dns("example.org"), name))


def test_r8_the_othernames_are_those_of_the_orders_profile():
    der = built(subject_alternative_names(XMPP, NAME))
    for profile in (COMPAT, TLS):
        with pytest.raises(BadCSR, match=f"`{profile.name}`"):
            accept(der, profile=profile)
    accept(built(subject_alternative_names(COMPAT, NAME)), profile=COMPAT)


def test_r8_a_component_may_not_ask_to_be_a_host(names):
    der = built((*names, x509.OtherName(SRV_NAME, encode(IA5_STRING, b"_xmpp-client.upload.example.org"))))
    with pytest.raises(BadCSR, match="otherName"):
        accept(der, names)
