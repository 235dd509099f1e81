"""Lint checks of what the usual certificate of a host has not: wildcards, addresses, users, a validity asked for."""

from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from lint_parts import addr, srv, subject, usage

from acme_server.issuance.lint import LintError, lint

CN = NameOID.COMMON_NAME
WILD = [x509.DNSName("*.example.org"), x509.DNSName("example.org")]
USER_NAMES = [addr("jüliet@bücher.example")]
ADDRESSES = [x509.IPAddress(ip_address("192.0.2.1")), x509.IPAddress(ip_address("2001:db8::1"))]
OF_EXAMPLE = [srv("_xmpp-client.example.org"), srv("_xmpp-server.example.org"), addr("example.org")]
OTHER_KINDS = {
    # profile, identifiers, names that are right, and names with one fault each
    "a wildcard": (
        "xmpp",
        ("*.example.org", "example.org"),
        [*WILD, *OF_EXAMPLE],
        {
            "srv of the wildcard": ([*WILD, *OF_EXAMPLE, srv("_xmpp-server.*.example.org")], "wildcard"),
            "addr of the wildcard": ([*WILD, *OF_EXAMPLE, addr("*.example.org")], "wildcard"),
            "the name as a component of its wildcard": ([*WILD, *OF_EXAMPLE[1:]], "otherNames"),
            "another wildcard": ([x509.DNSName("*.org"), WILD[1], *OF_EXAMPLE], "dNSNames"),
        },
    ),
    "addresses": (
        "tls",
        ("192.0.2.1", "2001:db8::1"),
        ADDRESSES,
        {
            "one too few": (ADDRESSES[:1], "iPAddresses"),
            "one twice": ([*ADDRESSES, ADDRESSES[0]], "iPAddresses"),
            "in another sequence": (ADDRESSES[::-1], "iPAddresses"),
            "as a dNSName": ([x509.DNSName("192.0.2.1"), ADDRESSES[1]], "dNSNames"),
            "mapped": ([x509.IPAddress(ip_address("::ffff:192.0.2.1")), ADDRESSES[1]], "iPAddresses"),
        },
    ),
    "a user": (
        "xmpp-user",
        ("jüliet@bücher.example",),
        USER_NAMES,
        {
            "another": ([addr("romeo@bücher.example")], "otherNames"),
            "the bare domain": ([addr("bücher.example")], "otherNames"),
            "a resource": ([addr("jüliet@bücher.example/balcony")], "otherNames"),
            "in A-labels": ([addr("jüliet@xn--bcher-kva.example")], "A-labels"),
            "one too many": ([*USER_NAMES, addr("bücher.example")], "otherNames"),
            "a dNSName": ([x509.DNSName("xn--bcher-kva.example"), *USER_NAMES], "dNSNames"),
            "a wildcard": ([addr("jüliet@*.example")], "wildcard"),
            "mail": ([x509.RFC822Name("juliet@example.org"), *USER_NAMES], "kind"),
        },
    ),
}


def of_kind(parts, request_for, kind):
    profile, names, right, faults = OTHER_KINDS[kind]
    asked = request_for(profile, names)
    if not any(name.type == "dns" for name in asked.identifiers):
        parts.subject = subject((NameOID.SERIAL_NUMBER, f"{parts.serial:x}"))
    parts.set("purposes", x509.ExtendedKeyUsage(asked.profile.key_purposes))
    return asked, right, faults


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_wildcards_addresses_and_users_are_judged_too(kind, parts, request_for, issuer):
    asked, right, faults = of_kind(parts, request_for, kind)
    parts.names(*right)
    lint(parts.certificate(issuer), asked, issuer)
    for names, finding in faults.values():
        parts.names(*names)
        with pytest.raises(LintError, match=finding):
            lint(parts.certificate(issuer), asked, issuer)


@pytest.mark.parametrize("name", ["juliet@example.org", "192.0.2.1"])
def test_the_cn_is_a_domain_name_or_none(name, parts, request_for, issuer):
    asked, right, _ = of_kind(parts, request_for, "a user" if "@" in name else "addresses")
    parts.names(*right)
    parts.subject = subject((CN, name))
    with pytest.raises(LintError, match="CN"):
        lint(parts.certificate(issuer), asked, issuer)


@pytest.mark.parametrize("end", ["not_before", "not_after"])
def test_8555_7_4_a_validity_that_was_not_asked_for_is_found(end, parts, request_for, issuer):
    names = ("example.org", "xn--bcher-kva.example.org")
    asked = request_for(names=names, not_before=parts.start, not_after=parts.end)
    lint(parts.certificate(issuer), asked, issuer)
    other = request_for(names=names, **{end: parts.start + timedelta(days=1)})
    with pytest.raises(LintError, match="asked for"):
        lint(parts.certificate(issuer), other, issuer)


def test_8410_5_an_ed25519_key_only_signs(parts, request_for, issuer, ed25519_key):
    asked = request_for(names=("example.org", "xn--bcher-kva.example.org"), key=ed25519_key)
    parts.key = ed25519_key.public_key()
    parts.set("key", x509.SubjectKeyIdentifier.from_public_key(parts.key))
    lint(parts.certificate(issuer), asked, issuer)
    parts.set("usage", usage(key_encipherment=True))
    with pytest.raises(LintError, match="key usage"):
        lint(parts.certificate(issuer), asked, issuer)
