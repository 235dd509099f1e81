"""What is checked before a certificate is kept: a table of certificates that are not the one that was ordered."""

from __future__ import annotations

from datetime import timedelta
from ssl import DER_cert_to_PEM_cert

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.client.pki import Pki, key_pem, pem, srv_name, usage, xmpp_addr
from xmpp_client.describe import as_text, describe
from xmpp_client.errors import ConfigError, VerificationError
from xmpp_client.subject import load_chain
from xmpp_client.verify import load_roots, verify

NAMES = ("example.org", "xn--bcher-kva.example.org")
PKI = Pki()
KEY = ec.generate_private_key(ec.SECP256R1())


def chain(*after: x509.Certificate, key=KEY, names=NAMES, **leaf) -> bytes:
    return pem(PKI.leaf(key.public_key(), names, **leaf)) + b"".join(pem(c) for c in (after or (PKI.inter,)))


def check(content: bytes, roots=(PKI.root,)):
    return verify(content, key=KEY, names=NAMES, roots=roots, now=PKI.now)


def test_the_certificate_that_was_ordered_passes_and_is_written_anew() -> None:
    verified = check(chain())
    assert verified.pem()["fullchain.pem"] == verified.pem()["cert.pem"] + verified.pem()["chain.pem"]
    assert check(chain(PKI.inter, PKI.root)).leaf
    assert check(chain(), roots=()).leaf
    assert check(chain().replace(b"\n", b"\r\n")).leaf


def test_a_subject_of_the_certificates_own_serial_number_is_for_names_too_long_for_a_cn() -> None:
    names = tuple(f"{'a' * 60}.{letter}.example.org" for letter in "bc")
    serials = {"own": "2a", "another's": "2b", "in capitals": "2A"}

    def made(serial: str) -> bytes:
        subject = [x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)]
        return pem(PKI.leaf(KEY.public_key(), names, subject=subject, serial=0x2A)) + pem(PKI.inter)

    def passes(serial: str) -> bool:
        try:
            verify(made(serial), key=KEY, names=names, roots=(PKI.root,), now=PKI.now)
        except VerificationError as error:
            assert "subject" in str(error)  # noqa: PT017 - either way is right
            return False
        return True

    assert {whose: passes(serial) for whose, serial in serials.items()} == {
        "own": True, "another's": False, "in capitals": False,
    }  # fmt: skip


OTHER = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), asn1.encode_der("admin@example.org"))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("another key", lambda: chain(key=ec.generate_private_key(ec.SECP256R1()))),
        ("one of a CA", lambda: chain(ca=True)),
        ("was ordered", lambda: chain(names=NAMES[:1])),
        ("was ordered", lambda: chain(names=(*NAMES, "victim.test"))),
        ("was ordered", lambda: chain(extra=[x509.DNSName("example.org")])),
        ("SRVName '_xmpp-server.victim.test'", lambda: chain(extra=[srv_name("_xmpp-server.victim.test")])),
        ("SRVName '_imaps.example.org'", lambda: chain(extra=[srv_name("_imaps.example.org")])),
        ("xmppAddr 'victim.test'", lambda: chain(extra=[xmpp_addr("victim.test")])),
        ("xmppAddr 'admin@example.org'", lambda: chain(extra=[xmpp_addr("admin@example.org")])),
        ("otherName 1.3.6.1.4.1", lambda: chain(extra=[OTHER])),
        ("RFC822Name", lambda: chain(extra=[x509.RFC822Name("a@example.org")])),
        ("subject", lambda: chain(cn="victim.test")),
        ("cannot be parsed", lambda: chain(extra=[x509.OtherName(srv_name("x").type_id, b"\x0c\x01a")])),
        ("no serverAuth", lambda: chain(purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])),
        ("no serverAuth", lambda: chain(purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
        ("no digitalSignature", lambda: chain(usages=usage(key_encipherment=True))),
        ("cannot be parsed", lambda: spoilt(b"example.org", b"ex\xffmple.org")),
        ("cannot be parsed", lambda: spoilt(b"Fake Intermediate", b"Fake \xffntermediate")),
        ("has expired", lambda: chain(start=PKI.now - timedelta(days=46))),
        ("not valid before", lambda: chain(start=PKI.now + timedelta(hours=1))),
        ("did not sign", lambda: chain(signer=PKI.root_key)),
        ("did not sign", lambda: chain(PKI.root)),
        ("does not reach", lambda: pem(PKI.leaf(KEY.public_key(), NAMES))),
        ("does not reach", lambda: chain(rogue())),
        ("may not sign", lambda: chain(PKI.authority("Fake Intermediate", PKI.inter_key, PKI.root_key, "Fake Root", ca=False))),
        ("may not sign", lambda: chain(PKI.authority("Fake Intermediate", PKI.inter_key, PKI.root_key, "Fake Root", key_cert_sign=False))),
        ("has expired", lambda: chain(PKI.authority("Fake Intermediate", PKI.inter_key, PKI.root_key, "Fake Root", days=0.01))),
        ("cannot be parsed", lambda: b""),
        ("cannot be parsed", lambda: chain() + key_pem(KEY)),
        ("cannot be parsed", lambda: b"hello\n" + chain()),
        ("cannot be parsed", lambda: chain() + b"hello\n"),
        ("cannot be parsed", lambda: chain(*[PKI.inter] * 10)),
        ("cannot be parsed", lambda: chain().replace(b"MII", b"M!I", 1)),
        ("longer than", lambda: chain() + b" " * 270_000),
    ],
)  # fmt: skip
def test_any_other_certificate_is_refused(text, made) -> None:
    with pytest.raises(VerificationError, match=text):
        check(made())


def spoilt(old: bytes, new: bytes) -> bytes:
    """A chain whose leaf holds other octets, first where it held these."""
    der = x509.load_pem_x509_certificates(chain())[0].public_bytes(Encoding.DER)
    return DER_cert_to_PEM_cert(der.replace(old, new, 1)).encode() + pem(PKI.inter)


def test_5280_4_2_1_12_a_leaf_that_lists_no_uses_or_those_of_a_server_passes() -> None:
    assert check(chain(purposes=())).leaf
    assert check(chain(usages=usage(digital_signature=True))).leaf


def test_a_chain_for_a_hundred_long_names_passes() -> None:
    names = tuple(f"{number:03}{'.'.join(['x' * 60] * 4)[:230]}.example.org" for number in range(100))
    content = chain(names=names, subject=[], extra=[srv_name(f"_xmpp-client.{name}") for name in names])
    assert len(content) > 128 * 1024
    assert verify(content, key=KEY, names=names, roots=(PKI.root,), now=PKI.now).leaf


def rogue() -> x509.Certificate:
    """An intermediate with our intermediate's key and name, from a root that is not ours."""
    return PKI.authority("Fake Intermediate", PKI.inter_key, ec.generate_private_key(ec.SECP256R1()), "Fake Root")


def test_the_path_length_of_an_issuer_is_kept() -> None:
    below = ec.generate_private_key(ec.SECP256R1())
    sub = PKI.authority("Fake Intermediate", below, PKI.inter_key, "Fake Intermediate")
    with pytest.raises(VerificationError, match="certificate 2 may not sign"):
        check(chain(sub, PKI.inter, signer=below))


@given(st.binary(max_size=300))
def test_no_octets_from_the_ca_raise_anything_else(octets) -> None:
    for content in (octets, b"-----BEGIN CERTIFICATE-----\n" + octets + b"\n-----END CERTIFICATE-----\n"):
        with pytest.raises(VerificationError):
            load_chain(content)


def test_roots_are_read_or_the_file_is_named(tmp_path) -> None:
    path = tmp_path / "root.pem"
    assert load_roots(None) == ()
    for content in (None, b"", b"rubbish"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"root\.pem"):
            load_roots(path)
    path.write_bytes(pem(PKI.root))
    assert load_roots(path) == (PKI.root,)


def test_a_description_shows_no_control_character() -> None:
    facts = describe(chain(extra=[xmpp_addr("a\x1b[31m\nb")]))
    assert all(line.isprintable() for line in as_text(facts).split("\n"))
    assert facts["purposes"] == ["serverAuth", "clientAuth"]
