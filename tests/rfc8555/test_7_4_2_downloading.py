"""RFC 8555 §7.4.2: the certificate chain, for the account that ordered it."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.acme_requests import Client, ec_key


@pytest.fixture
def client(ca):
    return Client(ca).register()


def test_7_4_2_the_download_is_the_leaf_and_its_issuer_without_the_root(ca, client):
    key = ec_key()
    reply = client.issue("example.org", key=key)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/pem-certificate-chain")
    leaf, issuer = x509.load_pem_x509_certificates(reply.content)
    root = x509.load_pem_x509_certificate(ca.config.path("ca/root.pem").read_bytes())
    leaf.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(root)
    assert leaf.public_key() == key.public_key()
    assert isinstance(leaf.signature_hash_algorithm, hashes.SHA256)
    assert reply.content.startswith(b"-----BEGIN CERTIFICATE-----\n")


def test_7_4_2_a_certificate_is_for_its_account_only(ca, client):
    order = client.ready("example.org")
    url = client.finalize(order).json["certificate"]
    reply = Client(ca).register().post(url)
    assert (reply.status, reply.problem) == (403, "unauthorized")
    assert b"CERTIFICATE" not in reply.content


def test_7_4_2_what_was_reserved_and_never_signed_cannot_be_downloaded(ca, client):
    order = client.ready("example.org")
    url = client.finalize(order).json["certificate"]
    ca.change("UPDATE certificates SET status = 'reserved', der = NULL")
    assert client.post(url).status == 404
