"""The certificate of the CA's own web server, made by its own issuer and recorded like any other.

For a CA that nobody has given a publicly trusted certificate yet, and for demonstrations. It names the host of
`external_url`, a domain name or an address, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance.authority import Issuer
from acme_server.issuance.finalize import detail_of, record_of
from acme_server.issuance.issuer import issue, prepare
from acme_server.issuance.profiles import Profile, Request, is_address
from acme_server.issuance.serials import new_serial, serial_text
from acme_server.issuance.shapes import ShapeLinter, StoredShapes
from acme_server.issuance.signers import load_key, write_key, write_new
from acme_server.model import Job, JobKind
from acme_server.store import Store
from challenges.base import Identifier

__all__ = ["OwnCertificate"]


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Makes it, and makes it again when two thirds of its life are over."""

    store: Store
    issuer: Issuer
    profile: Profile
    pki_url: str
    random: Callable[[int], bytes]

    def is_due(self, certificate: Path, key: Path, now: datetime) -> bool:
        """Whether the file holds a certificate of our issuer that is to be renewed; never for anybody else's."""
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        if leaf.issuer != self.issuer.certificate.subject:
            return False
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        # Two files are never replaced at one moment: a run that was cut off between them has left a pair that is none.
        matching = load_key(key).public_key() == leaf.public_key()
        return not matching or now >= leaf.not_valid_before_utc + life * 2 / 3

    def make(self, host: str, certificate: Path, key: Path, now: datetime, actor: str) -> str:
        """Write key and chain; the serial. `actor` is for the audit chain. Raises OSError, LintError."""
        private_key = ec.generate_private_key(ec.SECP256R1())
        names = (Identifier("ip" if is_address(host) else "dns", host),)
        request = Request(self.profile, names, private_key.public_key(), self.pki_url)
        linter = ShapeLinter(StoredShapes(self.store, lambda: now))
        ticket = prepare(request, self.issuer, now, new_serial(self.random), linter)
        serial, detail = serial_text(ticket.serial), detail_of(ticket, names)
        subject = f"certificate/{serial}"
        with self.store.write() as transaction:
            for orphan in transaction.certificates.orphan(None, now):
                gone = f"certificate/{orphan}"
                transaction.audit.append("certificate_orphaned", actor=actor, subject=gone, at=now)
                transaction.jobs.add(Job(JobKind.CRL, self.issuer.id, due=now), now)
            transaction.certificates.reserve(record_of(ticket, self.profile.name, names, None, now))
            transaction.audit.append("certificate_reserved", actor=actor, subject=subject, at=now, detail=detail)
        der = issue(ticket, self.issuer)
        with self.store.write() as transaction:
            transaction.certificates.issue(serial, der)
            transaction.audit.append("certificate_issued", actor=actor, subject=subject, at=now, detail=detail)
        leaf = x509.load_der_x509_certificate(der)
        chain = b"".join(c.public_bytes(Encoding.PEM) for c in (leaf, *self.issuer.chain))
        _replace(key, lambda path: write_key(path, private_key))
        _replace(certificate, lambda path: write_new(path, chain, 0o644))
        return serial


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Whole or not at all; a file that an interrupted run has left beside it is not in the way."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    write(new)
    new.replace(path)
