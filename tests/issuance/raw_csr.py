"""CSRs octet by octet, so that each can have any fault."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from acme_server.issuance.csr import match, read_csr
from acme_server.issuance.der import BIT_STRING, IA5_STRING, SEQUENCE, UTF8_STRING, encode
from acme_server.issuance.profiles import PROFILES, SRV_NAME, XMPP_ADDR, is_address
from challenges.base import Identifier

XMPP, COMPAT, USER, TLS = (PROFILES[name] for name in ("xmpp", "xmpp-compat", "xmpp-user", "tls"))
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
NAME = ("example.org",)
SET, CONTEXT_0 = 0x31, 0xA0
OCTET_STRING, INTEGER, BOOLEAN = 0x04, 0x02, 0x01


def oid(dotted):
    """DER of an OID, by openssl's own rules: first two arcs in one, base 128."""
    arcs = [int(arc) for arc in dotted.split(".")]
    content = b""
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return encode(0x06, content)


def seq(*parts):
    return encode(SEQUENCE, b"".join(parts))


def extension(dotted, value, *, critical=False):
    return seq(oid(dotted), encode(BOOLEAN, b"\xff") if critical else b"", encode(OCTET_STRING, value))


def dns(text):
    return encode(0x82, text if isinstance(text, bytes) else text.encode())


def other(kind, value, *, explicit=True):
    return encode(0xA0, oid(kind.dotted_string) + (encode(CONTEXT_0, value) if explicit else value))


def addr(text, tag=UTF8_STRING):
    return other(XMPP_ADDR, encode(tag, text if isinstance(text, bytes) else text.encode()))


def srv(text, tag=IA5_STRING):
    return other(SRV_NAME, encode(tag, text.encode()))


def san(*names):
    return extension("2.5.29.17", seq(*names))


def attribute(dotted, *values):
    return seq(oid(dotted), encode(SET, b"".join(values)))


def requested(*extensions):
    return attribute("1.2.840.113549.1.9.14", seq(*extensions))


def cn(text, tag=UTF8_STRING):
    content = text if isinstance(text, bytes) else text.encode()
    return encode(SET, seq(oid("2.5.4.3"), encode(tag, content)))


ECDSA_SHA256, ECDSA_SHA1 = "1.2.840.10045.4.3.2", "1.2.840.10045.4.1"


def raw(
    *attributes,
    subject=b"",
    version=0,
    key=KEY,
    spki=None,
    algorithm=ECDSA_SHA256,
    digest=None,
    tail=b"",
    signature=None,
):
    """A CSR from its parts, signed by `key` over whatever they are, unless a signature is given."""
    spki = spki or key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    parts = encode(INTEGER, bytes((version,))) + encode(SEQUENCE, subject) + spki
    info = seq(parts, encode(CONTEXT_0, b"".join(sorted(attributes))))
    signature = signature or key.sign(info, ec.ECDSA(digest or hashes.SHA256()))
    return seq(info, seq(oid(algorithm)), encode(BIT_STRING, b"\0" + signature)) + tail


def good(*names, **options):
    return raw(requested(san(*(names or [dns("example.org")]))), **options)


def built(names=NAME, common_name=None, key=KEY, digest=None, extra=()):
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        general = [x509.DNSName(name) if isinstance(name, str) else name for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    for value in extra:
        builder = builder.add_extension(value, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def identifiers(*written):
    """Names, JIDs and addresses as identifiers."""
    kinds = ("jid" if "@" in text else "ip" if is_address(text) else "dns" for text in written)
    return tuple(Identifier(kind, text) for kind, text in zip(kinds, written, strict=True))


def accept(der, names=NAME, profile=XMPP):
    request = read_csr(der)
    match(request, identifiers(*names), profile)
    return request


def rsa_csr(bits=2048, exponent=65537, pss=False, digest=None):
    key = rsa.generate_private_key(exponent, bits)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("example.org")]), critical=False)
    mode = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None
    return builder.sign(key, digest or hashes.SHA256(), rsa_padding=mode).public_bytes(Encoding.DER)


def off_the_curve():
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return spki[:-1] + bytes((spki[-1] ^ 1,))


def rsa_spki(modulus, exponent):
    """An SPKI with any numbers in it."""

    def number(value):
        return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    key = seq(number(modulus), number(exponent))
    return seq(seq(oid("1.2.840.113549.1.1.1"), b"\5\0"), encode(BIT_STRING, b"\0" + key))


def long_form(der):
    """The same value with a length of one octet more: BER, not DER."""
    assert der[1] == 0x81
    return bytes((der[0], 0x82, 0)) + der[2:]


def damaged_signature():
    der = good()
    return der[:-1] + bytes((der[-1] ^ 1,))


def swapped_key():
    return good(spki=OTHER.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def ip(*octets):
    return encode(0x87, bytes(octets))


def mail():
    return encode(0x81, b"a@example.org")
