"""Builds the certificate revocation list of an issuer, and judges the reasons that subscribers give.

It must never list a certificate as revoked for a reason that nobody gave, nor go back in number. RFC 5280 §5
(CRLs), §5.3.1 (reasons), RFC 8555 §7.6 (what a subscriber may say).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.errors import BadRevocationReason
from acme_server.issuance.authority import BACKDATE, Issuer
from acme_server.issuance.signers import hash_for

__all__ = ["CRL_LIFETIME", "Revoked", "build_crl", "check_reason", "crl_number"]

CRL_LIFETIME = timedelta(days=7)
"""From now to nextUpdate; a new CRL is due long before (BR 4.9.7)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNSPECIFIED = 0
_REASONS = {
    1: x509.ReasonFlags.key_compromise,
    3: x509.ReasonFlags.affiliation_changed,
    4: x509.ReasonFlags.superseded,
    5: x509.ReasonFlags.cessation_of_operation,
    9: x509.ReasonFlags.privilege_withdrawn,
}
"""RFC 5280 §5.3.1. 9 is the CA's to give; 2 and 10 are not about leaves, 6 and 8 would take a revocation back."""
_FOR_SUBSCRIBERS = frozenset({0, 1, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class Revoked:
    """One entry of the list."""

    serial: int
    at: datetime
    reason: int | None
    """CRLReason; None: not given."""


def check_reason(value: object) -> int:
    """The reason of a revocation request, as a number. Raises BadRevocationReason (RFC 8555 §7.6)."""
    # bool is an int in Python, not in JSON.
    if isinstance(value, bool) or not isinstance(value, int) or value not in _FOR_SUBSCRIBERS:
        raise BadRevocationReason(
            "A subscriber may give the reasons 0 (unspecified), 1 (keyCompromise), 3 (affiliationChanged), "
            "4 (superseded) and 5 (cessationOfOperation), as a number."
        )
    return value


def crl_number(now: datetime) -> int:
    """Microseconds since 1970: rises with each CRL, also after a restore from an old backup (RFC 5280 §5.2.3)."""
    return (now - _EPOCH) // timedelta(microseconds=1)


def build_crl(
    issuer: Issuer, entries: Iterable[Revoked], number: int, now: datetime, lifetime: timedelta = CRL_LIFETIME
) -> bytes:
    """The DER of a full CRL from an hour before `now` to `lifetime` after it.

    Raises ValueError for a reason that this CA does not give.
    """
    # The clock of the CRL is the wire's: whole seconds.
    now = now.replace(microsecond=0)
    builder = (
        # All entries at once: adding them one by one copies the list for each.
        x509.CertificateRevocationListBuilder(revoked_certificates=[_entry(entry) for entry in entries])
        .issuer_name(issuer.certificate.subject)
        .last_update(now - BACKDATE)
        .next_update(now + lifetime)
        .add_extension(issuer.key_identifier, critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    return builder.sign(issuer.signer, hash_for(issuer.public_key)).public_bytes(Encoding.DER)


def _entry(entry: Revoked) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.at.replace(microsecond=0))
    )
    # RFC 5280 §5.3.1: no reason extension rather than `unspecified`.
    if entry.reason is not None and entry.reason != _UNSPECIFIED:
        flag = _REASONS.get(entry.reason)
        if flag is None:
            raise ValueError(f"{entry.reason} is not a reason this CA gives")
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()
