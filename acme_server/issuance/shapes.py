"""Has the public linter pkilint look at each new shape of certificate before one is signed (RFC 5280 §4).

What pkilint can find depends on the form of a certificate and hardly on the very names in it, and a run costs more than
an issuance: so a shape that has passed is remembered. It must never import pkilint before a shape needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance.authority import Issuer
from acme_server.issuance.keys import PublicKey
from acme_server.issuance.lint import LintError
from acme_server.issuance.profiles import Request, common_name
from acme_server.store import Store
from challenges.base import Identifier

__all__ = ["Memory", "ShapeLinter", "StoredShapes", "shape"]


class Memory(Protocol):
    """Which shapes have passed; may forget."""

    def known(self, shape: str) -> bool:
        """Whether this shape has passed before."""

    def passed(self, shape: str) -> None:
        """Remember it. It may have been remembered already, by another thread."""


@dataclass(frozen=True, slots=True)
class StoredShapes:
    """Remembers them in the database, so that a restart costs no run."""

    store: Store
    clock: Callable[[], datetime]

    def known(self, shape: str) -> bool:
        """Raises StoreUnavailable."""
        with self.store.read() as transaction:
            return transaction.linted_shapes.known(shape)

    def passed(self, shape: str) -> None:
        """Raises StoreUnavailable."""
        with self.store.write() as transaction:
            transaction.linted_shapes.passed(shape, self.clock())


@dataclass(frozen=True, slots=True)
class ShapeLinter:
    """The `linter` of `issuer.prepare`."""

    memory: Memory
    every: bool = False
    """Look at every certificate, whatever is known of its shape."""
    seen: set[str] = field(default_factory=set, repr=False)
    """What this process need not ask its memory for again."""

    def __call__(self, certificate: x509.Certificate, request: Request, issuer: Issuer) -> None:
        """Raises LintError with all that pkilint has found, and what the memory raises."""
        form = shape(request, issuer)
        if not self.every and (form in self.seen or self.memory.known(form)):
            self.seen.add(form)
            return
        from acme_server.issuance.pkix import findings  # noqa: PLC0415 - 0.15 s, and most processes never need it

        found = findings(certificate.public_bytes(Encoding.DER))
        if found:
            raise LintError("pkilint: " + "; ".join(found))
        if form not in self.seen:
            self.memory.passed(form)
            self.seen.add(form)


def shape(request: Request, issuer: Issuer) -> str:
    """All that makes one certificate of ours another case for a linter than the next."""
    return "|".join(
        (
            _versions(),
            issuer.certificate.fingerprint(SHA256()).hex(),  # its name and key, with that the signature's algorithm
            request.pki_url,
            request.profile.name,
            f"{request.profile.lifetime.days}d",
            _key(request.public_key),
            "cn" if common_name(request.identifiers) else "serialNumber",
            "+".join(sorted(set(map(_kind, request.identifiers)))),
            "" if request.not_before is None else "notBefore",
            "" if request.not_after is None else "notAfter",
        )
    )


def _kind(identifier: Identifier) -> str:
    value = identifier.value
    if identifier.type == "dns":
        return "wildcard" if value[0] == "*" else "a-label" if "xn--" in value else "dns"
    if identifier.type == "ip":
        return "ipv6" if ":" in value else "ipv4"
    return "jid" if value.isascii() else "jid-utf-8"


def _key(public_key: PublicKey) -> str:
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"rsa{public_key.key_size}"
    return public_key.curve.name if isinstance(public_key, ec.EllipticCurvePublicKey) else "ed25519"


@functools.cache
def _versions() -> str:
    """A new linter may find more, and a new version of ours may build otherwise."""
    return f"pkilint {version('pkilint')}, xmpp-ica {version('xmpp-ica')}"
