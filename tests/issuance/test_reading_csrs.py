"""What a CSR may say (RFC 8555 §7.4, RFC 2986); what it may not is in `test_nasty_csrs.py`."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_csr import (
    KEY,
    NAME,
    SET,
    XMPP,
    accept,
    attribute,
    built,
    cn,
    dns,
    extension,
    good,
    identifiers,
    oid,
    raw,
    requested,
    san,
    seq,
    srv,
)

from acme_server.errors import BadCSR
from acme_server.issuance.csr import read_csr
from acme_server.issuance.der import UTF8_STRING, encode
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
    "Ed25519": built(key=ed25519.Ed25519PrivateKey.generate()),
    "all the otherNames": built(subject_alternative_names(XMPP, identifiers(*NAME))),
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
