"""RFC 8555 §7.4: where a CSR may have its names, and that a certificate holds what was ordered and nothing else."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.acme_requests import Client, b64, csr, ec_key

NAMES = ["example.org", "www.example.org"]


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.mark.parametrize(
    ("san", "common_name"),
    [(NAMES, None), (NAMES, NAMES[0]), (NAMES, NAMES[1]), ([NAMES[1]], NAMES[0]), ([NAMES[0]], NAMES[1])],
)
def test_7_4_names_may_stand_in_the_cn_the_san_or_both(client, san, common_name):
    order = client.ready(*NAMES)
    assert client.finalize(order, csr(san, common_name=common_name)).json["status"] == "valid"
    single = client.ready(NAMES[0])
    assert client.finalize(single, csr([], common_name=NAMES[0])).json["status"] == "valid"


def test_7_4_a_certificate_names_what_the_order_does_and_nothing_of_the_csr(client):
    key = ec_key()
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Evil"),
        x509.NameAttribute(NameOID.COMMON_NAME, NAMES[1]),
    ]
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(subject))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )
    order = client.ready(*NAMES, profile="tls")
    done = client.finalize(order, b64(request.public_bytes(Encoding.DER)))
    leaf = client.post(done.json["certificate"]).leaf
    extensions = leaf.extensions
    assert leaf.subject.rfc4514_string() == f"CN={NAMES[0]}"
    san = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(san) == [x509.DNSName(name) for name in NAMES]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert leaf.public_key() == key.public_key()
