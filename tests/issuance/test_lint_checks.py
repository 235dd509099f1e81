"""Each lint check finds the fault it is there for, in a certificate that has only that fault (RFC 5280 §4, RFC 6120)."""

from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from lint_parts import GOOD_OTHERS, IA5, LONG, OTHER_KEY, UTF8, addr, general_names, srv, string, subject, url, usage

from acme_server.issuance.lint import CHECKS, LintError, lint
from acme_server.issuance.profiles import XMPP_ADDR


def test_a_right_certificate_has_no_finding(parts, asked, issuer):
    assert lint(parts.certificate(issuer), asked, issuer) is None


CN = NameOID.COMMON_NAME
FAULTS = {
    "serial counted": (lambda p: setattr(p, "serial", 77), "serial"),
    "hash not the issuer's": (lambda p: setattr(p, "hash", hashes.SHA512()), "hash"),
    "no crl pointer": (lambda p: p.extensions.pop("crl"), "extensions"),
    "no names": (lambda p: p.extensions.pop("names"), "extensions"),
    "must-staple": (
        lambda p: p.extensions.update(x=(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)),
        "extensions",
    ),
    "a policy": (
        lambda p: p.extensions.update(
            x=(x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)]), False)
        ),
        "extensions",
    ),
    "constraints not critical": (
        lambda p: p.set("constraints", x509.BasicConstraints(ca=False, path_length=None), critical=False),
        "extensions",
    ),
    "names critical": (
        lambda p: p.set("names", x509.SubjectAlternativeName(general_names(*GOOD_OTHERS)), critical=True),
        "extensions",
    ),
    "another issuer's name": (lambda p: setattr(p, "issuer_name", subject((CN, "Other CA"))), "issuer's name"),
    "another issuer's key": (
        lambda p: p.set("issuer", x509.AuthorityKeyIdentifier.from_issuer_public_key(OTHER_KEY)),
        "authority key identifier",
    ),
    "46 days": (lambda p: setattr(p, "end", p.end + timedelta(days=1)), "lifetime"),
    "a second too long": (lambda p: setattr(p, "end", p.end + timedelta(seconds=1)), "lifetime"),
    "before the issuer": (
        lambda p: (
            setattr(p, "start", p.start - timedelta(days=60)),
            setattr(p, "end", p.end - timedelta(days=60)),
        ),
        "validity",
    ),
    "after the issuer": (
        lambda p: (
            setattr(p, "start", p.start + timedelta(days=365 * 5 - 40)),
            setattr(p, "end", p.end + timedelta(days=365 * 5 - 40)),
        ),
        "validity",
    ),
    "cn not of the order": (lambda p: setattr(p, "subject", subject((CN, "evil.example"))), "CN"),
    "cn of a person": (lambda p: setattr(p, "subject", subject((CN, "Juliet"))), "CN"),
    "two cns": (
        lambda p: setattr(p, "subject", subject((CN, "example.org"), (CN, "xn--bcher-kva.example.org"))),
        "subject",
    ),
    "an organization": (
        lambda p: setattr(p, "subject", subject((CN, "example.org"), (NameOID.ORGANIZATION_NAME, "O"))),
        "subject",
    ),
    "no subject": (lambda p: setattr(p, "subject", subject()), "subject"),
    "another serial in the subject": (
        lambda p: setattr(p, "subject", subject((NameOID.SERIAL_NUMBER, "1234"))),
        "neither",
    ),
    "another key": (lambda p: setattr(p, "key", OTHER_KEY), "public key"),
    "another key's identifier": (
        lambda p: p.set("key", x509.SubjectKeyIdentifier.from_public_key(OTHER_KEY)),
        "key identifier",
    ),
    "a ca": (lambda p: p.set("constraints", x509.BasicConstraints(ca=True, path_length=None)), "CA"),
    "may sign certificates": (lambda p: p.set("usage", usage(key_cert_sign=True)), "key usage"),
    "key encipherment for ec": (lambda p: p.set("usage", usage(key_encipherment=True)), "key usage"),
    "no signatures": (lambda p: p.set("usage", usage(digital_signature=False, key_agreement=True)), "key usage"),
    "code signing": (
        lambda p: p.set("purposes", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])),
        "extended key usage",
    ),
    "any purpose": (
        lambda p: p.set("purposes", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
        "extended key usage",
    ),
    "server only": (
        lambda p: p.set("purposes", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        "extended key usage",
    ),
    "ocsp pointer": (
        lambda p: p.set(
            "access",
            x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url("ocsp"))]),
        ),
        "information access",
    ),
    "another crl": (
        lambda p: p.set("crl", x509.CRLDistributionPoints([x509.DistributionPoint([url("x.crl")], None, None, None)])),
        "CRL",
    ),
    "a crl by relative name": (
        lambda p: p.set(
            "crl",
            x509.CRLDistributionPoints(
                [
                    x509.DistributionPoint(
                        None,
                        x509.RelativeDistinguishedName([x509.NameAttribute(CN, "x")]),
                        None,
                        None,
                    )
                ]
            ),
        ),
        "CRL",
    ),
    "a name too few": (lambda p: p.names(x509.DNSName("example.org"), *GOOD_OTHERS), "dNSNames"),
    "a name too many": (lambda p: p.others(x509.DNSName("evil.example"), *GOOD_OTHERS), "dNSNames"),
    "a name twice": (lambda p: p.others(x509.DNSName("example.org"), *GOOD_OTHERS), "dNSNames"),
    "an ip address": (
        lambda p: p.others(x509.IPAddress(ip_address("192.0.2.1")), *GOOD_OTHERS),
        "iPAddresses",
    ),
    "a mail address": (lambda p: p.others(x509.RFC822Name("a@example.org"), *GOOD_OTHERS), "kind"),
    "a microsoft upn": (
        lambda p: p.others(
            x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), string(UTF8, "example.org")), *GOOD_OTHERS
        ),
        "unknown type",
    ),
    "no other names": (lambda p: p.others(), "otherNames"),
    "an other name twice": (lambda p: p.others(*GOOD_OTHERS, GOOD_OTHERS[0]), "otherNames"),
    "clients of a component": (
        lambda p: p.others(*GOOD_OTHERS, srv("_xmpp-client.xn--bcher-kva.example.org")),
        "otherNames",
    ),
    "srv of another service": (
        lambda p: p.others(srv("_imaps.example.org"), *GOOD_OTHERS[1:]),
        "otherNames",
    ),
    "srv with tcp": (lambda p: p.others(srv("_xmpp-client._tcp.example.org"), *GOOD_OTHERS[1:]), "otherNames"),
    "srv of another name": (lambda p: p.others(srv("_xmpp-client.evil.example"), *GOOD_OTHERS[1:]), "otherNames"),
    "srv wildcard": (lambda p: p.others(srv("_xmpp-client.*.example.org"), *GOOD_OTHERS[1:]), "wildcard"),
    "srv as utf8": (lambda p: p.others(srv("_xmpp-client.example.org", UTF8), *GOOD_OTHERS[1:]), "string type"),
    "srv in u-labels": (
        lambda p: p.others(*GOOD_OTHERS[:2], srv("_xmpp-server.bücher.example.org"), *GOOD_OTHERS[3:]),
        "wrong",
    ),
    "addr as ia5": (lambda p: p.others(*GOOD_OTHERS[:3], addr("example.org", IA5), GOOD_OTHERS[4]), "string type"),
    "addr in a-labels": (
        lambda p: p.others(*GOOD_OTHERS[:4], addr("xn--bcher-kva.example.org")),
        "A-labels",
    ),
    "addr wildcard": (lambda p: p.others(*GOOD_OTHERS[:4], addr("*.example.org")), "wildcard"),
    "addr of a user": (lambda p: p.others(*GOOD_OTHERS[:4], addr("juliet@example.org")), "otherNames"),
    "addr with a resource": (lambda p: p.others(*GOOD_OTHERS[:4], addr("example.org/x")), "otherNames"),
    "addr with another case": (lambda p: p.others(*GOOD_OTHERS[:4], addr("BÜCHER.example.org")), "wrong"),
    "addr not in utf-8": (
        lambda p: p.others(*GOOD_OTHERS[:4], x509.OtherName(XMPP_ADDR, b"\x0c\x02\xff\xfe")),
        "wrong",
    ),
}


@pytest.mark.parametrize(("fault", "finding"), FAULTS.values(), ids=FAULTS)
def test_one_fault_makes_one_finding(fault, finding, parts, asked, issuer):
    fault(parts)
    with pytest.raises(LintError, match=finding):
        lint(parts.certificate(issuer), asked, issuer)


def test_long_names_take_the_long_form_of_a_length(parts, request_for, issuer):
    parts.names(
        x509.DNSName(LONG),
        srv(f"_xmpp-client.{LONG}"),
        srv(f"_xmpp-server.{LONG}"),
        addr(LONG),
    )
    parts.subject = subject((NameOID.SERIAL_NUMBER, f"{parts.serial:x}"))
    assert lint(parts.certificate(issuer), request_for(names=(LONG,)), issuer) is None


def test_every_check_has_a_section_it_proves():
    assert all(check.__doc__ for check in CHECKS)
