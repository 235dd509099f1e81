"""The certificate signing request: a carrier of our public key and the names we ordered.

The CA must take names from the order, never from here; so the request names each dNSName once and nothing else.
RFC 2986, RFC 8555 §7.4.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from xmpp_client.keys import PrivateKey

__all__ = ["build_csr"]


def build_csr(key: PrivateKey, names: tuple[str, ...]) -> bytes:
    """A DER request for these A-label names, with an empty subject."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return builder.add_extension(san, critical=True).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
