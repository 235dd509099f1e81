"""Hostile CSRs in rows: what an attacker would have certified, and what is to be answered. (octets, part of the reason).

For an order of `example.org` with the profile `xmpp`, where a row does not say otherwise. Two things an attacker may
try are not seen in a CSR alone and tested elsewhere: the account's key or a blocked one, and a fault of our own builder.
"""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from raw_csr import (
    CONTEXT_0,
    ECDSA_SHA1,
    NAME,
    OCTET_STRING,
    addr,
    attribute,
    built,
    cn,
    damaged_signature,
    dns,
    extension,
    good,
    ip,
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

from acme_server.issuance.csr import MAX_CSR
from acme_server.issuance.der import BIT_STRING, IA5_STRING, UTF8_STRING, encode
from acme_server.issuance.profiles import XMPP_ADDR

NAMES = "exactly those of the order: example.org"
OTHER = "otherName that profile `xmpp` does not build"
UNREADABLE = "cannot be read"
ASCII = "written in ASCII"
KINDS = "dNSNames, iPAddresses and otherNames only"
SIGNED = "must be signed by"
TWICE = "more than one extensionRequest"
MICROSOFT = "1.3.6.1.4.1.311.2.1.14"


def with_name(name):
    return good(dns("example.org"), name)


def ed25519_spki(octets):
    return seq(seq(oid("1.3.101.112")), encode(BIT_STRING, b"\0" + octets))


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


OTHER_NAMES_AND_CNS = {
    "none": (raw(), NAMES),
    "another": (built(("evil.example",)), NAMES),
    "one more": (built(("example.org", "evil.example")), NAMES),
    "one more in the CN": (built(NAME, "evil.example"), NAMES),
    "the parent": (built(("org",)), NAMES),
    "a component": (built(("a.example.org",)), NAMES),
    "with a dot": (good(dns("example.org.")), NAMES),
    "with NUL": (good(dns("example.org\0")), NAMES),
    "with NUL and more": (good(dns("example.org\0.evil.example")), NAMES),
    "with a line end": (good(dns("example.org\n")), NAMES),
    "with a blank": (good(dns(" example.org")), NAMES),
    "empty": (good(dns("")), NAMES),
    "an empty subjectAltName": (raw(requested(san())), NAMES),
    "an empty CN": (raw(requested(san(dns("example.org"))), subject=cn("")), NAMES),
    "another in a second CN": (raw(subject=cn("example.org") + cn("evil.example")), NAMES),
    "hidden in a CN as BMPString": (
        raw(requested(san(dns("example.org"))), subject=cn("evil.example".encode("utf-16-be"), 0x1E)),
        NAMES,
    ),
    "a JID as CN": (built(NAME, "juliet@example.org"), NAMES),
    "an IP address as CN": (built(NAME, "192.0.2.1"), NAMES),
    "a CN of 65 characters": (raw(subject=cn("a" * 53 + ".example.org")), "64 characters"),
    "a CN of 50,000 characters": (raw(subject=cn("a" * 50_000)), "64 characters"),
    "a CN as T61String": (raw(subject=cn(b"example.org\xff", 0x14)), UNREADABLE),
    "a CN that is no UTF-8": (raw(subject=cn(b"\xff\xfe")), UNREADABLE),
    "an IP address": (with_name(ip(192, 0, 2, 1)), NAMES),
    "an IP address with a mask": (with_name(ip(192, 0, 2, 0, 255, 255, 255, 0)), NAMES),
    "an IP address of three octets": (with_name(ip(192, 0, 2)), UNREADABLE),
    "a mail address": (with_name(mail()), KINDS),
    "a URI": (with_name(encode(0x86, b"https://example.org")), KINDS),
    "a directory name": (with_name(encode(0xA4, seq())), KINDS),
    "a registered id": (with_name(encode(0x88, b"\x2a\3")), KINDS),
    "an x400Address": (with_name(encode(0xA3, b"")), UNREADABLE),
    "an ediPartyName": (with_name(encode(0xA5, b"")), UNREADABLE),
    "two extensionRequests": (raw(requested(san(dns("example.org"))), requested(san(dns("evil.example")))), TWICE),
    "two extensionRequests, one of Microsoft": (
        raw(requested(san(dns("example.org"))), attribute(MICROSOFT, seq(san(dns("evil.example"))))),
        TWICE,
    ),
    "an extensionRequest of two values": (
        raw(attribute("1.2.840.113549.1.9.14", seq(san(dns("example.org"))), seq(san(dns("evil.example"))))),
        UNREADABLE,
    ),
    "an extensionRequest of no value": (raw(attribute("1.2.840.113549.1.9.14")), UNREADABLE),
    "two subjectAltNames": (raw(requested(san(dns("example.org")), san(dns("evil.example")))), UNREADABLE),
    "rubbish as subjectAltName": (raw(requested(extension("2.5.29.17", b"\xff\xff"))), UNREADABLE),
}
XMPP_ADDRESSES = {
    "of another domain": (with_name(addr("evil.example")), OTHER),
    "of the parent": (with_name(addr("org")), OTHER),
    "of a component": (with_name(addr("muc.example.org")), OTHER),
    "of a user": (with_name(addr("juliet@example.org")), OTHER),
    "with a resource": (with_name(addr("example.org/r")), OTHER),
    "wildcard": (with_name(addr("*.example.org")), OTHER),
    "with a dot": (with_name(addr("example.org.")), OTHER),
    "with NUL": (with_name(addr("example.org\0")), OTHER),
    "with a line end": (with_name(addr("example.org\n")), OTHER),
    "in upper case": (with_name(addr("EXAMPLE.ORG")), OTHER),
    "empty": (with_name(addr("")), OTHER),
    "of 30,000 octets": (with_name(addr("a" * 30_000)), OTHER),
    "of 100,000 octets": (with_name(addr("a" * 100_000)), "65536 octets"),
    "not in UTF-8": (with_name(addr(b"\xff\xfeample.org")), OTHER),
    "in overlong UTF-8": (with_name(addr(b"\xc1\xa5xample.org")), OTHER),
    "as BMPString": (with_name(addr("example.org".encode("utf-16-be"), 0x1E)), OTHER),
    "as IA5String": (with_name(addr("example.org", IA5_STRING)), OTHER),
    "as OCTET STRING": (with_name(addr("example.org", OCTET_STRING)), OTHER),
    "without its EXPLICIT tag": (
        with_name(other(XMPP_ADDR, encode(UTF8_STRING, b"example.org"), explicit=False)),
        UNREADABLE,
    ),
    "of two values": (with_name(other(XMPP_ADDR, encode(UTF8_STRING, b"example.org") * 2)), UNREADABLE),
    "UPN": (
        with_name(other(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), encode(UTF8_STRING, b"example.org"))),
        OTHER,
    ),
    "Kerberos": (with_name(other(x509.ObjectIdentifier("1.3.6.1.5.2.2"), seq())), OTHER),
    "NAI": (with_name(other(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.8"), encode(UTF8_STRING, b"example.org"))), OTHER),
    "mail": (
        with_name(other(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), encode(UTF8_STRING, b"a@example.org"))),
        OTHER,
    ),
    "an unknown otherName": (with_name(other(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")), OTHER),
}
SRV_NAMES = {
    "of another service": (with_name(srv("_imaps.example.org")), OTHER),
    "of LDAP": (with_name(srv("_ldap.example.org")), OTHER),
    "of no service": (with_name(srv("example.org")), OTHER),
    "with _tcp": (with_name(srv("_xmpp-server._tcp.example.org")), OTHER),
    "wildcard": (with_name(srv("_xmpp-server.*.example.org")), OTHER),
    "with two services": (with_name(srv("_xmpp-server._xmpp-client.example.org")), OTHER),
    "as UTF8String": (with_name(srv("_xmpp-server.example.org", UTF8_STRING)), OTHER),
    "of another domain": (with_name(srv("_xmpp-server.evil.example")), OTHER),
    "in upper case": (with_name(srv("_XMPP-SERVER.example.org")), OTHER),
}
INTERNATIONAL = {
    "a dNSName in U-labels": (good(dns("bücher.example.org")), ASCII),
    "the same in A-labels": (good(dns("xn--bcher-kva.example.org")), NAMES),
    "right to left": (good(dns("\u05d0.example.org")), ASCII),
    "a zero width joiner": (good(dns("exa\u200dmple.org")), ASCII),
    "a Cyrillic a": (good(dns("ex\u0430mple.org")), ASCII),
    "a Cyrillic a in A-labels": (built(("xn--exmple-4nf.org",)), NAMES),
    "full width": (good(dns("\uff45xample.org")), ASCII),
    "an ideographic full stop": (good(dns("example\u3002org")), ASCII),
    "the Kelvin sign in a CN": (raw(subject=cn("e\u212aample.org")), ASCII),
    "a CN in U-labels": (raw(subject=cn("bücher.example.org")), ASCII),
    "an A-label of ASCII": (good(dns("xn--example-.org")), NAMES),
    "an A-label in upper case of another name": (good(dns("XN--BCHER-KVA.example.org")), NAMES),
    "a sharp s mapped as in IDNA 2003": (good(dns("strasse.example.org")), NAMES),
    "an xmppAddr with a joiner": (with_name(addr("exa\u200dmple.org")), OTHER),
    "an xmppAddr in full width": (with_name(addr("\uff45xample.org")), OTHER),
    "an SRVName in U-labels": (with_name(srv("_xmpp-server.bücher.example.org")), OTHER),
}
WILDCARDS = {
    "instead of the name": (built(("*.example.org",)), NAMES),
    "beside the name": (built(("example.org", "*.example.org")), NAMES),
    "in the CN": (built(NAME, "*.example.org"), NAMES),
    "of everything": (built(("example.org", "*")), NAMES),
    "of a top-level domain": (built(("example.org", "*.org")), NAMES),
    "in part of a label": (built(("example.org", "x*.example.org")), NAMES),
}
_BYTES = bytes(range(32))
SIGNATURES_AND_KEYS = {
    "a damaged signature": (damaged_signature(), "not signed by the key"),
    "another key's signature": (swapped_key(), "not signed by the key"),
    "an algorithm that is not the signature's": (good(algorithm="1.2.840.113549.1.1.11"), "not signed by the key"),
    "MD5": (good(algorithm="1.2.840.113549.1.1.4"), SIGNED),
    "SHA-1": (good(algorithm=ECDSA_SHA1, digest=hashes.SHA1()), SIGNED),
    "SHA-224": (built(digest=hashes.SHA224()), SIGNED),
    "SHA3": (built(digest=hashes.SHA3_256()), SIGNED),
    "an unknown algorithm": (good(algorithm="1.2.3.4"), SIGNED),
    "RSA-PSS": (rsa_csr(pss=True), SIGNED),
    "RSA with SHA-224": (rsa_csr(digest=hashes.SHA224()), SIGNED),
    "RSA of 1024 bits": (rsa_csr(1024), "2048 to 4096 bits"),
    "RSA with e = 3": (rsa_csr(exponent=3), "exponent"),
    "RSA with e = 1": (good(spki=rsa_spki((1 << 2047) + 1, 1)), UNREADABLE),
    "RSA with an even modulus": (good(spki=rsa_spki(1 << 2047, 65537)), "small factor"),
    "RSA of 200,000 bits": (good(spki=rsa_spki((1 << 199_999) + 1, 65537)), "2048 to 4096 bits"),
    "RSA of nothing": (good(spki=rsa_spki(0, 0)), UNREADABLE),
    "a point off the curve": (good(spki=off_the_curve()), UNREADABLE),
    "the point at infinity": (
        good(spki=seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), encode(BIT_STRING, b"\0\0"))),
        UNREADABLE,
    ),
    "a curve by its parameters": (
        good(spki=seq(seq(oid("1.2.840.10045.2.1"), seq()), encode(BIT_STRING, b"\0\4\1\1"))),
        UNREADABLE,
    ),
    "secp256k1": (built(key=ec.generate_private_key(ec.SECP256K1())), "P-256"),
    "Ed25519 of small order, which signs anything": (
        good(spki=ed25519_spki(b"\1" + bytes(31)), algorithm="1.3.101.112", signature=b"\1" + bytes(63)),
        "small order",
    ),
    "Ed25519 not canonical": (good(spki=ed25519_spki(b"\xff" * 32)), "canonical"),
    "Ed25519 by another key": (
        good(
            spki=spki(ed25519.Ed25519PrivateKey.from_private_bytes(_BYTES)),
            algorithm="1.3.101.112",
            signature=ed25519.Ed25519PrivateKey.generate().sign(b"other"),
        ),
        "not signed by the key",
    ),
    "Ed448": (good(spki=spki(ed448.Ed448PrivateKey.generate())), "of this kind"),
    "X25519": (good(spki=spki(x25519.X25519PrivateKey.generate())), "of this kind"),
    "a key of an unknown kind": (good(spki=seq(seq(oid("1.2.3.4")), encode(BIT_STRING, b"\0\1"))), UNREADABLE),
    "octets behind it": (good(tail=b"\0"), UNREADABLE),
    "BER lengths": (long_form(good()), UNREADABLE),
}
FOR_THE_PARSER = {
    "nothing": (b"", UNREADABLE),
    "one octet": (b"0", UNREADABLE),
    "text": (b"hello", UNREADABLE),
    "PEM": (b"-----BEGIN CERTIFICATE REQUEST-----", UNREADABLE),
    "an empty SEQUENCE": (b"0\0", UNREADABLE),
    "a length that lies": (b"0\x84\xff\xff\xff\xff", UNREADABLE),
    "an endless length": (b"0\x80" + b"0\x80" * 5000, UNREADABLE),
    "deep nesting": (b"".join(b"0\x82" + (60000 - 4 * depth).to_bytes(2, "big") for depth in range(10000)), UNREADABLE),
    "too long": (b"0" * (MAX_CSR + 1), "65536 octets"),
    "cut": (good()[:-10], UNREADABLE),
    "version 1": (good(version=1), UNREADABLE),
    "version 2": (good(version=2), UNREADABLE),
    "a certificate": (seq(seq(encode(CONTEXT_0, b"\2\1\2"))), UNREADABLE),
    "rubbish as another extension": (
        raw(requested(san(dns("example.org")), extension("2.5.29.19", b"\1\1"))),
        UNREADABLE,
    ),
}

REFUSED = {
    "names and CNs": OTHER_NAMES_AND_CNS,
    "xmppAddr": XMPP_ADDRESSES,
    "SRVName": SRV_NAMES,
    "IDNA": INTERNATIONAL,
    "wildcard": WILDCARDS,
    "signature and key": SIGNATURES_AND_KEYS,
    "for the parser": FOR_THE_PARSER,
}
"""Answered badCSR."""

_SAN = san(dns("example.org"))
_BASIC, _USAGE, _PURPOSES = "2.5.29.19", "2.5.29.15", "2.5.29.37"
NOT_COPIED = {
    "CA:TRUE": [extension(_BASIC, seq(encode(1, b"\xff")), critical=True)],
    "keyCertSign and cRLSign": [extension(_USAGE, encode(BIT_STRING, b"\1\6"), critical=True)],
    "any purpose": [extension(_PURPOSES, seq(oid("2.5.29.37.0")))],
    "OCSP signing": [extension(_PURPOSES, seq(oid("1.3.6.1.5.5.7.3.9")))],
    "code signing": [extension(_PURPOSES, seq(oid("1.3.6.1.5.5.7.3.3")))],
    "name constraints": [extension("2.5.29.30", seq(encode(0xA0, seq(dns("evil.example")))), critical=True)],
    "an AIA of its own": [
        extension("1.3.6.1.5.5.7.1.1", seq(seq(oid("1.3.6.1.5.5.7.48.2"), encode(0x86, b"http://evil.example/"))))
    ],
    "a CRL of its own": [
        extension("2.5.29.31", seq(seq(encode(0xA0, encode(0xA0, encode(0x86, b"http://evil.example/"))))))
    ],
    "OCSP no check": [extension("1.3.6.1.5.5.7.48.1.5", b"\5\0")],
    "a CT poison": [extension("1.3.6.1.4.1.11129.2.4.3", b"\5\0", critical=True)],
    "must-staple": [extension("1.3.6.1.5.5.7.1.24", seq(b"\2\1\5"))],
    "an unknown extension": [extension("1.2.3.4", b"\5\0", critical=True)],
    "3,000 extensions": [extension(f"1.2.3.{number}", b"\5\0") for number in range(3000)],
}
"""Extensions that are asked for beside a right name: such a CSR is taken, and nothing of them is in the certificate."""


def asking_for(extensions):
    return raw(requested(_SAN, *extensions))
