"""What a CSR may say, and a table of nasty ones (RFC 8555 §7.4, RFC 2986)."""

import subprocess
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_csr import (
    CONTEXT_0,
    ECDSA_SHA1,
    KEY,
    NAME,
    SET,
    XMPP,
    accept,
    attribute,
    built,
    cn,
    damaged_signature,
    dns,
    extension,
    good,
    long_form,
    mail,
    off_the_curve,
    oid,
    other,
    raw,
    requested,
    rsa_csr,
    rsa_spki,
    san,
    seq,
    srv,
    swapped_key,
)

from acme_server.errors import BadCSR
from acme_server.issuance.csr import MAX_CSR, match, read_csr
from acme_server.issuance.der import BIT_STRING, UTF8_STRING, encode
from acme_server.issuance.profiles import XMPP_ADDR, subject_alternative_names

GOOD = {
    "subjectAltName only": built(),
    "CN only": built((), "example.org"),
    "CN and subjectAltName": built(NAME, "example.org"),
    "upper case": built(("EXAMPLE.org",), "Example.ORG"),
    "a name twice": built(("example.org", "example.org")),
    "by hand": good(),
    "two CNs of the order": raw(subject=cn("example.org") + cn("EXAMPLE.ORG")),
    "an organization beside": raw(
        requested(san(dns("example.org"))), subject=encode(SET, seq(oid("2.5.4.10"), encode(UTF8_STRING, b"Widgits")))
    ),
    "SHA-384": built(digest=hashes.SHA384()),
    "SHA-512": built(digest=hashes.SHA512()),
    "P-384": built(key=ec.generate_private_key(ec.SECP384R1())),
    "RSA": built(key=rsa.generate_private_key(65537, 2048)),
    "all the otherNames": built(subject_alternative_names(XMPP, NAME)),
    "one otherName": good(dns("example.org"), srv("_xmpp-server.example.org")),
    "must-staple, which is not copied": built(extra=[x509.TLSFeature([x509.TLSFeatureType.status_request])]),
    "CA:TRUE, which is not copied": built(extra=[x509.BasicConstraints(ca=True, path_length=None)]),
    "an unknown extension, which is not copied": raw(requested(san(dns("example.org")), extension("1.2.3.4", b"\5\0"))),
    "a challengePassword": raw(
        requested(san(dns("example.org"))), attribute("1.2.840.113549.1.9.7", encode(UTF8_STRING, b"secret"))
    ),
    "extensions asked for in Microsoft's way": raw(attribute("1.3.6.1.4.1.311.2.1.14", seq(san(dns("example.org"))))),
}


@pytest.mark.parametrize("der", GOOD.values(), ids=GOOD)
def test_7_4_a_csr_whose_names_are_the_orders_is_taken(der):
    assert accept(der).dns_names == {"example.org"}


def test_7_4_names_may_come_in_any_sequence(names):
    assert accept(built(tuple(reversed(names))), names).dns_names == set(names)
    assert accept(built(names[1:], names[0]), names).dns_names == set(names)


def test_7_4_the_csr_of_openssls_command_line_is_taken(tmp_path):
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", "a.key", "-outform", "DER", "-subj", "/O=Widgits/CN=example.org"]
    command += ["-addext", "subjectAltName=DNS:example.org,otherName:1.3.6.1.5.5.7.8.5;UTF8:example.org"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30, check=True)
    assert accept(run.stdout).other_names == {x509.OtherName(XMPP_ADDR, b"\x0c\x0bexample.org")}


UNREADABLE = {
    "nothing": b"",
    "one octet": b"0",
    "text": b"hello",
    "PEM": b"-----BEGIN CERTIFICATE REQUEST-----",
    "an empty SEQUENCE": b"0\0",
    "a length that lies": b"0\x84\xff\xff\xff\xff",
    "an endless length": b"0\x80" + b"0\x80" * 5000,
    "deep nesting": b"".join(b"0\x82" + (60000 - 4 * depth).to_bytes(2, "big") for depth in range(10000)),
    "too long": b"0" * (MAX_CSR + 1),
    "octets behind it": good(tail=b"\0"),
    "BER lengths": long_form(good()),
    "cut": good()[:-10],
    "version 1": good(version=1),
    "version 2": good(version=2),
    "a certificate": seq(seq(encode(CONTEXT_0, b"\2\1\2"))),
    "a damaged signature": damaged_signature(),
    "another key's signature": swapped_key(),
    "SHA-1": good(algorithm=ECDSA_SHA1, digest=hashes.SHA1()),
    "an algorithm that is not the signature's": good(algorithm="1.2.840.113549.1.1.11"),
    "an unknown algorithm": good(algorithm="1.2.3.4"),
    "SHA-224": built(digest=hashes.SHA224()),
    "SHA3": built(digest=hashes.SHA3_256()),
    "RSA-PSS": rsa_csr(pss=True),
    "RSA with SHA-224": rsa_csr(digest=hashes.SHA224()),
    "RSA of 1024 bits": rsa_csr(1024),
    "RSA with e = 3": rsa_csr(exponent=3),
    "RSA with e = 1": good(spki=rsa_spki((1 << 2047) + 1, 1)),
    "RSA with an even modulus": good(spki=rsa_spki(1 << 2047, 65537)),
    "RSA of 200,000 bits": good(spki=rsa_spki((1 << 199_999) + 1, 65537)),
    "RSA of nothing": good(spki=rsa_spki(0, 0)),
    "a point off the curve": good(spki=off_the_curve()),
    "the point at infinity": good(
        spki=seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), encode(BIT_STRING, b"\0\0"))
    ),
    "a curve by its parameters": good(spki=seq(seq(oid("1.2.840.10045.2.1"), seq()), encode(BIT_STRING, b"\0\4\1\1"))),
    "secp256k1": built(key=ec.generate_private_key(ec.SECP256K1())),
    "Ed25519": x509.CertificateSigningRequestBuilder()
    .subject_name(x509.Name([]))
    .sign(ed25519.Ed25519PrivateKey.generate(), None)
    .public_bytes(Encoding.DER),
    "a key of an unknown kind": good(spki=seq(seq(oid("1.2.3.4")), encode(BIT_STRING, b"\0\1"))),
    "two extensionRequests": raw(requested(san(dns("example.org"))), requested(san(dns("evil.example")))),
    "two extensionRequests, one of Microsoft": raw(
        requested(san(dns("example.org"))), attribute("1.3.6.1.4.1.311.2.1.14", seq(san(dns("evil.example"))))
    ),
    "an extensionRequest of two values": raw(
        attribute("1.2.840.113549.1.9.14", seq(san(dns("example.org"))), seq(san(dns("evil.example"))))
    ),
    "an extensionRequest of no value": raw(attribute("1.2.840.113549.1.9.14")),
    "two subjectAltNames": raw(requested(san(dns("example.org")), san(dns("evil.example")))),
    "an empty subjectAltName": raw(requested(san())),
    "rubbish as subjectAltName": raw(requested(extension("2.5.29.17", b"\xff\xff"))),
    "rubbish as another extension": raw(requested(san(dns("example.org")), extension("2.5.29.19", b"\1\1"))),
    "an IP address": good(dns("example.org"), encode(0x87, bytes((192, 0, 2, 1)))),
    "an IP address of three octets": good(dns("example.org"), encode(0x87, bytes(3))),
    "a mail address": good(dns("example.org"), mail()),
    "a URI": good(dns("example.org"), encode(0x86, b"https://example.org")),
    "a directory name": good(dns("example.org"), encode(0xA4, seq())),
    "a registered id": good(dns("example.org"), encode(0x88, b"\x2a\3")),
    "an x400Address": good(dns("example.org"), encode(0xA3, b"")),
    "an ediPartyName": good(dns("example.org"), encode(0xA5, b"")),
    "a dNSName outside ASCII": good(dns("bücher.example.org")),
    "a CN outside ASCII": raw(subject=cn("e\u212aample.org")),
    "a CN of 65 characters": raw(subject=cn("a" * 53 + ".example.org")),
    "a CN of a million characters": raw(subject=cn("a" * 50_000)),
    "an empty CN": raw(requested(san(dns("example.org"))), subject=cn("")),
    "a CN as T61String": raw(subject=cn(b"example.org\xff", 0x14)),
    "a CN that is no UTF-8": raw(subject=cn(b"\xff\xfe")),
    "an otherName without its EXPLICIT tag": good(
        dns("example.org"), other(XMPP_ADDR, encode(UTF8_STRING, b"example.org"), explicit=False)
    ),
    "an otherName of two values": good(dns("example.org"), other(XMPP_ADDR, encode(UTF8_STRING, b"example.org") * 2)),
}


REASONS = {
    "too long": "65536 octets",
    "a damaged signature": "not signed by the key",
    "another key's signature": "not signed by the key",
    "an algorithm that is not the signature's": "not signed by the key",
    "SHA-1": "must be signed",
    "an unknown algorithm": "must be signed",
    "SHA-224": "must be signed",
    "SHA3": "must be signed",
    "RSA-PSS": "must be signed",
    "RSA with SHA-224": "must be signed",
    "RSA of 1024 bits": "2048 to 4096 bits",
    "RSA of 200,000 bits": "2048 to 4096 bits",
    "RSA with e = 3": "exponent",
    "RSA with an even modulus": "small factor",
    "secp256k1": "P-256",
    "Ed25519": "not taken yet",
    "two extensionRequests": "more than one extensionRequest",
    "two extensionRequests, one of Microsoft": "more than one extensionRequest",
    "an empty subjectAltName": "exactly",
    "an empty CN": "exactly",
    "an IP address": "dNSNames and otherNames only",
    "a mail address": "dNSNames and otherNames only",
    "a URI": "dNSNames and otherNames only",
    "a directory name": "dNSNames and otherNames only",
    "a registered id": "dNSNames and otherNames only",
    "a dNSName outside ASCII": "ASCII",
    "a CN outside ASCII": "ASCII",
}
"""What the client is told, where it is not that the CSR cannot be read."""


@pytest.mark.parametrize("kind", UNREADABLE)
def test_7_4_what_is_no_csr_of_ours_is_badcsr_and_nothing_else(kind):
    with warnings.catch_warnings():
        # As in production: the test suite's own filter would make errors of the parser's warnings.
        warnings.simplefilter("ignore")
        with pytest.raises(BadCSR, match=REASONS.get(kind, "64 characters" if "CN of" in kind else "cannot be read")):
            match(read_csr(UNREADABLE[kind]), NAME, XMPP)


@pytest.mark.parametrize("der", UNREADABLE.values(), ids=UNREADABLE)
def test_7_4_also_where_warnings_are_errors(der):
    with pytest.raises(BadCSR) as refused:
        match(read_csr(der), NAME, XMPP)
    assert refused.value.detail.isprintable()
    assert len(refused.value.detail) < 300


def test_the_key_is_what_a_csr_is_for(rsa_key):
    assert read_csr(built(key=rsa_key)).public_key == rsa_key.public_key()


@settings(deadline=None)
@given(st.data())
def test_any_damage_to_a_csr_is_badcsr_or_harmless(data):
    der = bytearray(GOOD["all the otherNames"])
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        accept(bytes(der))
    except BadCSR:
        return
    # Only a CSR with a right signature gets here; ECDSA has two for each.
    assert read_csr(bytes(der)).public_key == KEY.public_key()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_are_a_csr_or_badcsr(octets):
    with pytest.raises(BadCSR):
        read_csr(octets)
