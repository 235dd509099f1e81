"""pkilint looks at each new shape of certificate, and finds nothing in any of ours (RFC 5280 §4)."""

import dataclasses
import secrets
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from foreign_keys import NoSigner

from acme_server.issuance import authority as authorities
from acme_server.issuance.issuer import prepare
from acme_server.issuance.lint import LintError
from acme_server.issuance.pkix import findings
from acme_server.issuance.profiles import PROFILES
from acme_server.issuance.serials import new_serial
from acme_server.issuance.shapes import ShapeLinter, shape
from acme_server.issuance.signers import hash_for

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}
KINDS = {
    "xmpp": ("xmpp", ("example.org", "a.example.org", "xn--bcher-kva.example.org")),
    "xmpp-compat": ("xmpp-compat", ("example.org", "a.example.org", "xn--bcher-kva.example.org")),
    "xmpp with a wildcard": ("xmpp", ("*.example.org", "example.org")),
    "a hundred names": ("xmpp", tuple(f"n{number}.example.org" for number in range(100))),
    "no CN": ("xmpp", ("a" * 60 + ".example.org",)),
    "tls": ("tls", ("example.org",)),
    "tls with a wildcard": ("tls", ("*.example.org",)),
    "tls with addresses": ("tls", ("192.0.2.1", "2001:db8::1", "example.org")),
    "tls of an address": ("tls", ("192.0.2.1",)),
    "tls of one label": ("tls", ("localhost",)),
    "xmpp-user": ("xmpp-user", ("juliet@example.org",)),
    "xmpp-user in U-labels": ("xmpp-user", ("jüliet@bücher.example",)),
}


class Memory:
    def __init__(self):
        self.shapes, self.asked = [], []

    def known(self, shape):
        self.asked.append(shape)
        return shape in self.shapes

    def passed(self, shape):
        self.shapes.append(shape)


def candidate(request, issuer, now):
    seen = []
    prepare(request, issuer, now, new_serial(secrets.token_bytes), lambda *all_: seen.append(all_[0]))
    return seen[0]


def der_of(request, issuer, now):
    return candidate(request, issuer, now).public_bytes(Encoding.DER)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("profile", "names"), KINDS.values(), ids=KINDS)
def test_5280_4_no_profile_or_kind_of_key_has_a_finding(profile, names, key, request_for, issuer, now):
    assert findings(der_of(request_for(profile, names, KEYS[key]()), issuer, now)) == []


@pytest.mark.parametrize("key", ["P-384", "P-521", "RSA"])
def test_5280_4_nor_has_any_kind_of_issuer(key, request_for, issuer, now):
    own = KEYS[key]()
    above = issuer.certificate
    builder = x509.CertificateBuilder(above.subject, above.subject, own.public_key(), 1 << 90)
    builder = builder.not_valid_before(above.not_valid_before_utc).not_valid_after(above.not_valid_after_utc)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    other = authorities.make_issuer(builder.sign(own, hash_for(own.public_key())), own)
    assert findings(der_of(request_for(), other, now)) == []


def test_every_profile_is_among_them():
    assert {profile for profile, _ in KINDS.values()} == set(PROFILES)


@pytest.mark.parametrize(
    "url", ["http://ca.example/pki", "http://localhost:5001/pki", "http://[::1]:5001/pki", "http://pebble:14000/pki"]
)
def test_the_operators_urls_are_not_judged_by_it(url, request_for, issuer, now):
    assert findings(der_of(dataclasses.replace(request_for(), pki_url=url), issuer, now)) == []


def remade(certificate, issuer, change):
    """The certificate again, with a changed list of extensions and another issuer's signature algorithm or none."""
    extensions = change(list(certificate.extensions))
    builder = x509.CertificateBuilder(certificate.issuer, certificate.subject, certificate.public_key(), 1 << 90)
    builder = builder.not_valid_before(certificate.not_valid_before_utc).not_valid_after(
        certificate.not_valid_after_utc
    )
    for extension in extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(issuer.lint_key, hash_for(issuer.public_key))


def names_of(*names):
    return x509.Extension(x509.SubjectAlternativeName.oid, False, x509.SubjectAlternativeName(names))


FAULTS = {
    "no authority key identifier": (
        lambda all_: [e for e in all_ if not isinstance(e.value, x509.AuthorityKeyIdentifier)],
        "pkix.authority_key_identifier_extension_absent",
    ),
    "a critical key identifier": (
        lambda all_: [x509.Extension(e.oid, isinstance(e.value, x509.SubjectKeyIdentifier), e.value) for e in all_],
        "pkix.certificate_skid_extension_critical",
    ),
    "a name that is none": (
        lambda all_: [names_of(x509.DNSName("-a-.example.org"))],
        "pkix.invalid_domain_name_syntax",
    ),
    "a wildcard inside": (lambda all_: [names_of(x509.DNSName("a.*.example.org"))], "pkix.invalid_domain_name_syntax"),
    "an SRVName as UTF8String": (
        lambda all_: [names_of(x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), b"\x0c\2_x"))],
        "itu.invalid_asn1_syntax",
    ),
    "an xmppAddr as IA5String": (
        lambda all_: [names_of(x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5"), b"\x16\2ab"))],
        "itu.invalid_asn1_syntax",
    ),
}


@pytest.mark.parametrize(("change", "code"), FAULTS.values(), ids=FAULTS)
def test_it_finds_faults_of_form(change, code, request_for, issuer, now):
    faulty = remade(candidate(request_for(), issuer, now), issuer, change)
    assert any(finding.startswith(code) for finding in findings(faulty.public_bytes(Encoding.DER)))


def test_a_shape_that_has_passed_is_remembered_and_not_looked_at_again(request_for, issuer, now):
    memory = Memory()
    linter, request = ShapeLinter(memory), request_for()
    certificate = candidate(request, issuer, now)
    linter(certificate, request, issuer)
    assert memory.shapes == [shape(request, issuer)]
    faulty = remade(certificate, issuer, FAULTS["no authority key identifier"][0])
    linter(faulty, request, issuer)
    assert len(memory.asked) == 1
    ShapeLinter(memory)(faulty, request, issuer)
    assert len(memory.asked) == 2
    assert len(memory.shapes) == 1


def test_by_option_each_certificate_is_looked_at_whatever_is_known(request_for, issuer, now):
    memory = Memory()
    linter, request = ShapeLinter(memory, every=True), request_for()
    certificate = candidate(request, issuer, now)
    for _ in range(2):
        linter(certificate, request, issuer)
    assert memory.shapes == [shape(request, issuer)]
    faulty = remade(certificate, issuer, FAULTS["no authority key identifier"][0])
    with pytest.raises(LintError, match=r"pkilint: pkix\.authority_key_identifier_extension_absent"):
        linter(faulty, request, issuer)


def test_a_finding_is_a_linterror_before_anything_is_signed_and_the_shape_stays_unknown(request_for, issuer, now):
    memory = Memory()

    def linter(certificate, request, issuer):
        faulty = remade(certificate, issuer, FAULTS["no authority key identifier"][0])
        ShapeLinter(memory)(faulty, request, issuer)

    with pytest.raises(LintError, match="pkilint"):
        prepare(request_for(), dataclasses.replace(issuer, signer=NoSigner(issuer.signer)), now, 1 << 100, linter)
    assert memory.shapes == []


def test_a_shape_is_profile_keys_kinds_of_names_and_validity_asked(request_for, issuer, now, tmp_path):
    day = now.replace(microsecond=0) + timedelta(days=1)
    other = authorities.create(tmp_path / "other", "Other CA", now, secrets.token_bytes).issuer
    life = dataclasses.replace(PROFILES["xmpp"], lifetime=timedelta(days=30))
    shapes = {
        *(shape(request_for(profile, names), issuer) for profile, names in KINDS.values()),
        *(shape(request_for(key=make()), issuer) for make in KEYS.values()),
        shape(request_for(key=rsa.generate_private_key(65537, 3072)), issuer),
        shape(request_for(not_before=day), issuer),
        shape(request_for(not_after=day), issuer),
        shape(request_for(not_before=day, not_after=day), issuer),
        shape(request_for(), other),
        shape(dataclasses.replace(request_for(), profile=life), issuer),
        shape(dataclasses.replace(request_for(), pki_url="http://elsewhere.example/pki"), issuer),
    }
    # With P-256, "xmpp" and the usual names are one, and so is a single name more or less.
    assert len(shapes) == len(KINDS) - 1 + len(KEYS) + 6
    assert shape(request_for(names=("example.org",)), issuer) == shape(request_for(names=("example.net",)), issuer)
    assert all(f"pkilint {part}" in text for text in shapes for part in ["0.13"])


def test_nothing_imports_it_before_a_shape_needs_it():
    code = (
        "import sys, acme_server.app; print([name for name in sys.modules if name.startswith(('pkilint', 'pyasn1'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True, text=True)
    assert run.stdout.strip() == "[]"
