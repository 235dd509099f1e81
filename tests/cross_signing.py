"""A second authority that has signed the certificate of the first one's issuer: for alternate chains (RFC 8555 §7.4.2)."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance import authority
from acme_server.issuance.signers import load_key
from tests.peers.tls import cross_sign

__all__ = ["write_alternate", "write_chain"]


def write_alternate(pki: Path, now: datetime, stem: str = "other") -> tuple[x509.Certificate, ...]:
    """Add an alternate chain to the authority in `pki`: its issuer under the root of another CA. The chain."""
    folder = pki.parent / f"{stem}-{secrets.token_hex(4)}"
    root = authority.create(folder, stem, now - timedelta(days=1), secrets.token_bytes).root
    issuer = x509.load_pem_x509_certificate((pki / "issuer.pem").read_bytes())
    chain = (cross_sign(issuer, root, load_key(folder / "root.key")), root)
    write_chain(pki / "alternates" / f"{stem}.pem", chain)
    return chain


def write_chain(path: Path, chain: tuple[x509.Certificate, ...]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain))
