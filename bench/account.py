"""ACME account keys that sign requests, and CSRs: made before the clock starts, as cheaply as the library allows.

It is the load's own, so that the client of this project is not measured along with the server.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

__all__ = ["Account", "Request", "base64url"]


def base64url(octets: bytes) -> str:
    """Without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class Account:
    """A P-256 account key (RFC 7518 §3.4: ES256)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        x, y = (base64url(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
        self._jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        self.kid: str | None = None
        """The account's URL, once there is one."""
        self.thumbprint = base64url(hashlib.sha256(_compact(self._jwk)).digest())
        """RFC 7638."""

    def sign(self, url: str, nonce: str, payload: object) -> bytes:
        """The body of a signed POST (RFC 8555 §6.2); the payload None makes it a POST-as-GET."""
        signer = {"jwk": self._jwk} if self.kid is None else {"kid": self.kid}
        protected = base64url(_compact({"alg": "ES256", "nonce": nonce, "url": url, **signer}))
        content = "" if payload is None else base64url(_compact(payload))
        der = self._key.sign(f"{protected}.{content}".encode(), ec.ECDSA(hashes.SHA256()))
        signature = base64url(b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der)))
        return _compact({"payload": content, "protected": protected, "signature": signature})


class Request:
    """One certificate to ask for: its names and a CSR with a P-256 key of its own."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = sorted(names)
        key = ec.generate_private_key(ec.SECP256R1())
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .add_extension(san, critical=False)
            .sign(key, hashes.SHA256())
        )
        self.csr = base64url(csr.public_bytes(serialization.Encoding.DER))
        self._public = key.public_key()

    def faults(self, chain: bytes) -> list[str]:
        """What is wrong with the chain (PEM) that was issued for it: names, key, or a link that does not sign."""
        leaf, *issuers = certificates = x509.load_pem_x509_certificates(chain)
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        faults = [] if issuers else ["no issuer in the chain"]
        if sorted(san.get_values_for_type(x509.DNSName)) != self.names:
            faults.append("other names")
        if leaf.public_key() != self._public:
            faults.append("another key")
        for child, parent in zip(certificates, issuers, strict=False):
            child.verify_directly_issued_by(parent)
        return faults
