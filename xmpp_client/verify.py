"""Is the chain that came the certificate that was ordered? Asked before a single octet of it is kept.

Nothing that fails here may be installed, and nothing in a certificate is believed because the CA sent it.
RFC 5280 §6.1 step by step (signatures, validity, CA flags), RFC 8555 §7.4.2; the names by our profile rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from xmpp_client.errors import ConfigError, VerificationError, legible
from xmpp_client.keys import PrivateKey
from xmpp_client.names import to_a_label
from xmpp_client.subject import SubjectName, load_chain, names_of

__all__ = ["Verified", "load_roots", "verify"]

_SERVICES = ("_xmpp-client", "_xmpp-server")


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that passed."""

    chain: tuple[x509.Certificate, ...]
    """Leaf first."""

    @property
    def leaf(self) -> x509.Certificate:
        """Our certificate."""
        return self.chain[0]

    def pem(self) -> dict[str, bytes]:
        """Contents of `cert.pem`, `chain.pem` and `fullchain.pem`, written anew by us."""
        blocks = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in self.chain]
        return {"cert.pem": blocks[0], "chain.pem": b"".join(blocks[1:]), "fullchain.pem": b"".join(blocks)}


def verify(
    pem: bytes,
    *,
    key: PrivateKey,
    names: tuple[str, ...],
    roots: tuple[x509.Certificate, ...],
    now: datetime,
) -> Verified:
    """Check a PEM chain against our key, our A-label names and our roots. Raises VerificationError.

    With no roots, the chain must still hold together.
    """
    chain = load_chain(pem)
    _check_leaf(chain[0], key, names)
    _check_chain(chain, roots, now)
    return Verified(chain)


def load_roots(path: Path | None) -> tuple[x509.Certificate, ...]:
    """The configured trust anchors; none without a path. Raises ConfigError."""
    if path is None:
        return ()
    try:
        return load_chain(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"the root certificate {path} cannot be read: {error.strerror}") from error
    except VerificationError as error:
        raise ConfigError(f"{path}: {error}", hint="It must hold PEM certificates and nothing else.") from error


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise VerificationError(text)


def _check_leaf(leaf: x509.Certificate, key: PrivateKey, names: tuple[str, ...]) -> None:
    _require(leaf.public_key() == key.public_key(), "the certificate is for another key than ours")
    _require(not _is_ca(leaf), "the certificate is one of a CA, not of a server")
    _check_usage(leaf)
    subject = names_of(leaf)
    dns = [name.value for name in subject if name.kind == "dNSName"]
    _require(
        sorted(dns) == sorted(names),
        f"the certificate is for {legible(', '.join(dns) or 'no name', 200)}, but {', '.join(names)} was ordered",
    )
    for name in subject:
        _require(_is_ours(name, names), f"the certificate holds the {name.kind} {name.value!r}, which is not ours")
    # A name of more than 64 characters is too long for a CN (RFC 5280 Appendix A.1): the serial stands in for it.
    harmless = {(x509.NameOID.COMMON_NAME, name) for name in names}
    harmless.add((x509.NameOID.SERIAL_NUMBER, f"{leaf.serial_number:x}"))
    for attribute in leaf.subject:
        _require(
            (attribute.oid, attribute.value) in harmless,
            "the certificate's subject says something that was not ordered",
        )


def _check_usage(leaf: x509.Certificate) -> None:
    """Where uses are listed, those of a TLS server are among them (RFC 5280 §4.2.1.3, §4.2.1.12; RFC 8446 §4.4.2.2)."""
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            _require(extension.value.digital_signature, "the certificate's key may not sign (no digitalSignature)")
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            _require(
                ExtendedKeyUsageOID.SERVER_AUTH in extension.value, "the certificate is not for servers (no serverAuth)"
            )


def _is_ours(name: SubjectName, names: tuple[str, ...]) -> bool:
    """Whether a name follows from the ordered ones: as itself, as a service of XMPP, or as an XMPP address."""
    if name.kind == "dNSName":
        return name.value in names
    if name.kind == "SRVName":
        service, _, domain = name.value.partition(".")
        return service in _SERVICES and domain in names
    if name.kind == "xmppAddr":
        try:
            return to_a_label(name.value) in names
        except ValueError:
            return False
    return False


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_chain(chain: tuple[x509.Certificate, ...], roots: tuple[x509.Certificate, ...], now: datetime) -> None:
    for depth, certificate in enumerate(chain):
        what = "the certificate" if depth == 0 else f"the chain's certificate {depth}"
        _require(
            certificate.not_valid_before_utc <= now,
            f"{what} is not valid before "
            f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; is this machine's clock right?",
        )
        _require(now < certificate.not_valid_after_utc, f"{what} has expired")
        if depth:
            _require(_may_sign(certificate, below=depth - 1), f"{what} may not sign certificates")
            _require(_signed_by(chain[depth - 1], certificate), f"{what} did not sign the one before it")
    if roots:
        _require(
            _reaches(chain[-1], roots, depth=len(chain) - 1, now=now), "the chain does not reach the configured `root`"
        )


def _reaches(last: x509.Certificate, roots: tuple[x509.Certificate, ...], *, depth: int, now: datetime) -> bool:
    """Whether the chain's end is a trust anchor or was signed by one."""
    return last in roots or any(
        now < root.not_valid_after_utc and _may_sign(root, below=depth) and _signed_by(last, root) for root in roots
    )


def _may_sign(issuer: x509.Certificate, *, below: int) -> bool:
    """CA:TRUE, room for `below` CA certificates under it, and keyCertSign where key usage is limited."""
    extensions = issuer.extensions
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    try:
        signs = extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        signs = True
    deep_enough = constraints.path_length is None or constraints.path_length >= below
    return constraints.ca and signs and deep_enough


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
