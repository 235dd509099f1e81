"""tls-alpn-01, RFC 8737 §3: what of a handshake and a certificate proves a name, without a socket."""

from __future__ import annotations

import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from challenges.base import Error, Fault, Identifier, TlsAnswer, Verdict
from challenges.tls_alpn_01 import MAX_CERTIFICATE, TLS_ALPN_01, Expected, judge
from tests.challenges import certificates
from tests.challenges.certificates import (
    DIGEST,
    DRAFT_OID,
    OCTETS,
    OID,
    OTHER_KEY,
    OTHER_SUBJECT,
    RIGHT,
    SUBJECT,
    Wanted,
    dns,
    ip,
)
from tests.challenges.parts import CA, THUMBPRINT, TOKEN, Network, Outbox, make_task

WANTED = Expected(Identifier("dns", "example.org"), DIGEST)
GOOD = Wanted().der()
SAN = x509.ObjectIdentifier("2.5.29.17")


def answer(certificate: bytes = GOOD, protocol: str | None = "acme-tls/1", version: str = "TLSv1.3") -> TlsAnswer:
    return TlsAnswer(certificate, protocol, version, "192.0.2.1")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_3_one_name_and_the_critical_digest_in_a_self_signed_certificate_are_valid(version):
    outcome = judge(WANTED, answer(version=version))
    assert (outcome.verdict, outcome.error, outcome.assurance) == (Verdict.VALID, None, "dns")
    assert outcome.evidence["address"] == "192.0.2.1"
    assert outcome.evidence["protocol"] == "acme-tls/1"
    assert len(outcome.evidence["certificate"]) == 64


def test_3_the_name_is_compared_without_regard_to_case():
    assert judge(WANTED, answer(Wanted(names=[dns("EXAMPLE.org")]).der())).verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("protocol", "version", "said"),
    [
        (None, "TLSv1.3", "no protocol"),
        ("http/1.1", "TLSv1.3", '"http/1.1"'),
        ("acme-tls/2", "TLSv1.3", '"acme-tls/2"'),
        ("ACME-TLS/1", "TLSv1.3", '"ACME-TLS/1"'),
        ("", "TLSv1.3", '""'),
        ("acme-tls/1", "TLSv1.1", "TLS 1.2 or later"),
        ("acme-tls/1", "TLSv1", "TLS 1.2 or later"),
        ("acme-tls/1", "SSLv3", "TLS 1.2 or later"),
        ("acme-tls/1", "", "TLS 1.2 or later"),
    ],
)
def test_3_and_4_another_protocol_or_an_old_version_of_tls_proves_nothing(protocol, version, said):
    outcome = judge(WANTED, answer(GOOD, protocol, version))
    assert outcome.verdict is Verdict.INVALID
    assert said in outcome.error.detail


NAMES = {
    "no subjectAltName": (None, "no subjectAltName"),
    "no name": ([], "0 names"),
    "another name": ([dns("example.com")], "not this identifier"),
    "a name below": ([dns("www.example.org")], "not this identifier"),
    "the wildcard": ([dns("*.example.org")], "not this identifier"),
    "with a dot": ([dns("example.org.")], "not this identifier"),
    "with NUL": ([dns("example.org\0.evil.example")], "not this identifier"),
    "with a blank": ([dns("example.org ")], "not this identifier"),
    "one DNS name more": ([dns("example.org"), dns("www.example.org")], "2 names"),
    "the name twice": ([dns("example.org"), dns("example.org")], "2 names"),
    "an address more": ([dns("example.org"), ip("192.0.2.1")], "2 names"),
    "a mailbox more": ([dns("example.org"), x509.RFC822Name("a@example.org")], "2 names"),
    "an otherName more": (
        [dns("example.org"), x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5"), b"\x0c\x01a")],
        "2 names",
    ),
    "a mailbox alone": ([x509.RFC822Name("example.org")], "not this identifier"),
    "a URI alone": ([x509.UniformResourceIdentifier("example.org")], "not this identifier"),
    "an address alone": ([ip("192.0.2.1")], "not this identifier"),
}
EXTENSIONS = {
    "no acmeIdentifier": ([], "no acmeIdentifier"),
    "not critical": ([(OID, False, OCTETS)], "not critical"),
    "the number of the drafts": ([(DRAFT_OID, True, OCTETS)], "no acmeIdentifier"),
    "other digest": ([(OID, True, b"\x04\x20" + bytes(32))], "not the digest"),
    "bare octets": ([(OID, True, DIGEST)], "not the digest"),
    "octets after it": ([(OID, True, OCTETS + b"\0")], "not the digest"),
    "31 octets": ([(OID, True, b"\x04\x1f" + DIGEST[:31])], "not the digest"),
    "33 octets": ([(OID, True, b"\x04\x21" + DIGEST + b"\0")], "not the digest"),
    "long form of the length": ([(OID, True, b"\x04\x81\x20" + DIGEST)], "not the digest"),
    "indefinite length": ([(OID, True, b"\x24\x80\x04\x20" + DIGEST + b"\0\0")], "not the digest"),
    "bit string": ([(OID, True, b"\x03\x21\x00" + DIGEST)], "not the digest"),
    "empty": ([(OID, True, b"")], "not the digest"),
    "key authorization in clear": ([(OID, True, f"{TOKEN}.{THUMBPRINT}".encode())], "not the digest"),
}
CASES = [(Wanted(names=names).der, said) for names, said in NAMES.values()]
CASES += [(Wanted(extensions=extensions).der, said) for extensions, said in EXTENSIONS.values()]
CASES += [
    (Wanted(signer=OTHER_KEY).der, "not self-signed"),
    (Wanted(issuer=OTHER_SUBJECT).der, "not self-signed"),
    (Wanted(issuer=OTHER_SUBJECT, signer=OTHER_KEY).der, "not self-signed"),
    (lambda: GOOD + b"\0", "cannot be read"),
    (lambda: GOOD[:-1], "cannot be read"),
    (lambda: GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "not self-signed"),
    (lambda: b"", "cannot be read"),
    (lambda: b"\x30\x80" + GOOD[4:] + b"\0\0", "cannot be read"),
]
IDS = [
    *NAMES,
    *EXTENSIONS,
    "other key",
    "other issuer",
    "of a CA",
    "octets after it all",
    "cut short",
    "spoilt signature",
]
IDS += ["nothing", "not DER"]


@pytest.mark.parametrize(("made", "said"), CASES, ids=IDS)
def test_3_any_other_certificate_proves_nothing_and_the_error_says_why(made, said):
    outcome = judge(WANTED, answer(made()))
    assert (outcome.verdict, outcome.error.kind) == (Verdict.INVALID, "incorrectResponse")
    assert said in outcome.error.detail
    assert outcome.error.detail.startswith("example.org at 192.0.2.1: ")
    assert outcome.error.detail.isascii()
    assert outcome.error.detail.isprintable()


def test_3_an_extension_that_stands_twice_is_refused():
    # The number of the second is changed in the finished octets, as no library writes one number twice.
    der = Wanted(extensions=[RIGHT, (x509.ObjectIdentifier("1.3.6.1.5.5.7.1.32"), True, OCTETS)]).der()
    doubled = der.replace(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x20", b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f")
    assert doubled != der
    outcome = judge(WANTED, answer(doubled))
    assert "cannot be read" in outcome.error.detail


BIT_STRING_NAME = bytes.fromhex("3011a40f300d310b3009060355040303020078")
HOSTILE = {
    # TLSFeature (RFC 7633) of an unknown number, for which the library raises KeyError.
    "an unknown feature": Wanted(
        extensions=[RIGHT, (x509.ObjectIdentifier("1.3.6.1.5.5.7.1.24"), False, bytes.fromhex("3003020163"))]
    ),
    # A directoryName whose CN is a BIT STRING: TypeError.
    "a name of bits": Wanted(names=None, extensions=[RIGHT, (SAN, False, BIT_STRING_NAME)]),
}


@pytest.mark.parametrize("wanted", HOSTILE.values(), ids=HOSTILE.keys())
def test_3_a_certificate_for_which_the_library_raises_what_it_likes_is_refused(wanted):
    outcome = judge(WANTED, answer(wanted.der()))
    assert (outcome.verdict, outcome.error.kind) == (Verdict.INVALID, "incorrectResponse")
    assert "cannot be read" in outcome.error.detail


def test_3_a_certificate_that_is_too_large_is_not_read():
    padding = (x509.ObjectIdentifier("1.2.3"), False, bytes(MAX_CERTIFICATE))
    outcome = judge(WANTED, answer(Wanted(extensions=[RIGHT, padding]).der()))
    assert outcome.verdict is Verdict.INVALID
    assert f"more than {MAX_CERTIFICATE} octets" in outcome.error.detail


MANY = Wanted(
    names=[dns("example.org"), x509.DirectoryName(SUBJECT), ip("192.0.2.1")],
    extensions=[RIGHT]
    + [
        (x509.ObjectIdentifier(number), False, bytes.fromhex(value))
        for number, value in {
            "1.3.6.1.5.5.7.1.24": "3003020105",
            "2.5.29.15": "030205a0",
            "2.5.29.19": "30060101ff020101",
            "2.5.29.31": "3010300ea00ca00a8608687474703a2f2f61",
            "2.5.29.32": "300630040602551d",
            "2.5.29.35": "300380010a",
            "2.5.29.37": "300a06082b06010505070301",
        }.items()
    ],
).der()


@settings(max_examples=300)
@given(st.data(), st.binary(max_size=3), st.integers(0, 3))
def test_a_certificate_of_many_extensions_with_octets_changed_is_judged_and_never_valid(data, octets, width):
    at = data.draw(st.integers(0, len(MANY) - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = judge(WANTED, answer(MANY[:at] + octets + MANY[at + width :]))
    assert outcome.verdict is Verdict.INVALID


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_a_certificate_with_any_octets_changed_is_judged_and_never_valid(at, octets):
    changed = GOOD[:at] + octets + GOOD[at + len(octets) :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's opinion of odd certificates
        outcome = judge(WANTED, answer(changed))
    assert (outcome.verdict is Verdict.VALID) is (changed == GOOD)


@given(st.binary(max_size=300))
def test_any_octets_in_place_of_a_certificate_are_judged(octets):
    assert judge(WANTED, answer(octets)).verdict is Verdict.INVALID


def test_keys_of_other_kinds_sign_themselves_as_well(monkeypatch):
    key = ec.generate_private_key(ec.SECP384R1())
    monkeypatch.setattr(certificates, "KEY", key)
    assert judge(WANTED, answer(Wanted(signer=key).der())).verdict is Verdict.VALID


def test_neither_evidence_nor_error_holds_the_digest():
    for outcome in (judge(WANTED, answer()), judge(WANTED, answer(Wanted(extensions=[]).der()))):
        assert DIGEST.hex() not in f"{outcome.error} {outcome.evidence}"


@pytest.mark.parametrize(("transient", "verdict"), [(True, Verdict.RETRY), (False, Verdict.INVALID)])
def test_8_2_a_passing_fault_is_tried_again_and_another_ends_it(transient, verdict):
    error = Error("tls", "handshake failure")
    outcome = TLS_ALPN_01.validate(make_task(), Network(Fault(error, transient=transient)))
    assert (outcome.verdict, outcome.error) == (verdict, error)


def test_3_the_name_is_sent_as_sni_with_one_protocol():
    network = Network(answer())
    assert TLS_ALPN_01.validate(make_task(), network).verdict is Verdict.VALID
    assert network.asked == [("example.org", "example.org", "acme-tls/1")]


def test_7_5_1_any_object_starts_the_validation():
    assert TLS_ALPN_01.begin(make_task(), {"keyAuthorization": "x"}, Outbox(), CA).due
