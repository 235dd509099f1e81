"""A right certificate in parts, each of which a test can change, signed by an issuer's throw-away key."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from acme_server.issuance.profiles import SRV_NAME, XMPP_ADDR

OTHER_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
UTF8, IA5 = 0x0C, 0x16
LONG = "a" * 61 + "." + "b" * 61 + ".example.org"


def string(tag, text):
    content = text.encode()
    head = bytes((tag, len(content))) if len(content) < 128 else bytes((tag, 0x81, len(content)))
    return head + content


def srv(text, tag=IA5):
    return x509.OtherName(SRV_NAME, string(tag, text))


def addr(text, tag=UTF8):
    return x509.OtherName(XMPP_ADDR, string(tag, text))


def usage(**changed):
    bits = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    bits += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{bit: changed.get(bit, bit == "digital_signature") for bit in bits})


def url(suffix):
    return x509.UniformResourceIdentifier(f"http://ca.example/pki/{suffix}")


def general_names(*others):
    return [x509.DNSName("example.org"), x509.DNSName("bücher.example.org".encode("idna").decode()), *others]


GOOD_OTHERS = (
    srv("_xmpp-client.example.org"),
    srv("_xmpp-server.example.org"),
    srv("_xmpp-server.xn--bcher-kva.example.org"),
    addr("example.org"),
    addr("bücher.example.org"),
)


class Parts:
    """A right certificate in parts; a test changes one."""

    def __init__(self, issuer, now, key):
        self.issuer_name = issuer.certificate.subject
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
        self.key = key
        self.serial = 1 << 100
        self.start = now.replace(microsecond=0) - timedelta(hours=1)
        self.end = self.start + timedelta(days=45) - timedelta(seconds=1)
        self.hash = hashes.SHA256()
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url(f"{issuer.id}.cer"))
        self.extensions = {
            "constraints": (x509.BasicConstraints(ca=False, path_length=None), True),
            "usage": (usage(), True),
            "purposes": (
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                False,
            ),
            "names": (x509.SubjectAlternativeName(general_names(*GOOD_OTHERS)), False),
            "key": (x509.SubjectKeyIdentifier.from_public_key(key), False),
            "issuer": (issuer.key_identifier, False),
            "access": (x509.AuthorityInformationAccess([access]), False),
            "crl": (
                x509.CRLDistributionPoints([x509.DistributionPoint([url(f"{issuer.id}.crl")], None, None, None)]),
                False,
            ),
        }

    def set(self, name, value, *, critical=None):
        self.extensions[name] = (value, self.extensions[name][1] if critical is None else critical)

    def names(self, *names):
        self.set("names", x509.SubjectAlternativeName(names))

    def others(self, *others):
        self.names(*general_names(*others))

    def certificate(self, issuer):
        builder = x509.CertificateBuilder().issuer_name(self.issuer_name).subject_name(self.subject)
        builder = builder.public_key(self.key).serial_number(self.serial)
        builder = builder.not_valid_before(self.start).not_valid_after(self.end)
        for value, critical in self.extensions.values():
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(issuer.lint_key, self.hash)


def subject(*attributes):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
