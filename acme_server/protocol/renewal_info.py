"""When to renew a certificate, and the name by which it is asked about (RFC 9773).

Anybody may ask, without a signature, and a cache may keep the answer: it holds nothing but times. It must never tell
more of a certificate than that it exists.
"""

from __future__ import annotations

from cryptography import x509

from acme_server.errors import Malformed, NotFound
from acme_server.issuance.serials import serial_text
from acme_server.model import Certificate
from acme_server.policy import renewal_window, renewal_window_of_revoked
from acme_server.protocol.messages import Reply, timestamp
from acme_server.protocol.services import Services
from acme_server.protocol.strict import from_base64url
from acme_server.store import Transaction

__all__ = ["named_certificate", "renewal_info", "serial_named"]

_RETRY_AFTER = 6 * 3600
"""Seconds until a client looks again (RFC 9773 §4.3.2)."""
_MAX_AGE = 3600
"""Seconds that a cache may keep an answer: the news of a revocation are late by no more."""
_MAX_SERIAL = 20
"""Octets (RFC 5280 §4.1.2.2)."""


def renewal_info(name: str, services: Services) -> Reply:
    """The RenewalInfo object (RFC 9773 §4.2). Raises Malformed, NotFound."""
    with services.store.read() as transaction:
        certificate = named_certificate(transaction, name)
    if certificate is None:
        raise NotFound("no certificate of this CA has this name (RFC 9773 §4.1)")
    if certificate.revoked_at is not None:
        start, end = renewal_window_of_revoked(certificate.revoked_at)
    else:
        start, end = renewal_window(certificate.not_before, certificate.not_after)
    return Reply(
        {"suggestedWindow": {"start": timestamp(start), "end": timestamp(end)}},
        retry_after=_RETRY_AFTER,
        headers={"Cache-Control": f"public, max-age={_MAX_AGE}"},
    )


def named_certificate(transaction: Transaction, name: str) -> Certificate | None:
    """The certificate of this name (RFC 9773 §4.1), if it was issued here. Raises Malformed."""
    key_identifier, serial = _read(name)
    certificate = transaction.certificates.get(serial)
    if certificate is None or certificate.der is None or _key_identifier(certificate.der) != key_identifier:
        return None
    return certificate


def serial_named(name: str) -> str:
    """The serial in a certificate's name, as `Certificate.serial` has it. Raises Malformed."""
    return _read(name)[1]


def _read(name: str) -> tuple[bytes, str]:
    """The authority's key identifier, and the serial as text. Each certificate has one name. Raises Malformed."""
    first, dot, second = name.partition(".")
    key_identifier, serial = from_base64url(first, "the key identifier"), from_base64url(second, "the serial")
    value = int.from_bytes(serial, "big", signed=True)
    # The content octets of a DER INTEGER: as few as will do, and a zero first where the number would be negative.
    minimal = serial == value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    if not dot or not key_identifier or not minimal or value <= 0 or len(serial) > _MAX_SERIAL:
        raise Malformed("a certificate's name is base64url(key identifier) `.` base64url(serial) (RFC 9773 §4.1)")
    return key_identifier, serial_text(value)


def _key_identifier(der: bytes) -> bytes | None:
    extensions = x509.load_der_x509_certificate(der).extensions
    return extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
