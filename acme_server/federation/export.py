"""The record of every serial, as JSON values for operators and auditors.

It never holds a private key, a mail address or a code: of an account it says the id. It reads page by page, each in a
transaction of its own, so a server may work meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from acme_server.model import Certificate
from acme_server.states import CertificateStatus
from acme_server.store import Store
from challenges.base import Json

__all__ = ["certificates", "is_live", "to_json"]

PAGE = 500


def certificates(store: Store, *, since: datetime | None = None, live_at: datetime | None = None) -> Iterator[Json]:
    """Each serial once, in the order of the serials' texts.

    `since`: only those made or revoked at that time or later; `live_at`: only those that `is_live` then. What is
    made or revoked while this runs may be in it or not. Raises StoreUnavailable.
    """
    after = ""
    while True:
        with store.read() as transaction:
            page = transaction.certificates.page(after, PAGE)
        for certificate in page:
            changed_at = max(certificate.created_at, certificate.revoked_at or certificate.created_at)
            if (since is None or changed_at >= since) and (live_at is None or is_live(certificate, live_at)):
                yield to_json(certificate)
        if len(page) < PAGE:
            return
        after = page[-1].serial


def is_live(certificate: Certificate, now: datetime) -> bool:
    """Whether it was issued, is not revoked, and `now` is in its period, both ends included (RFC 5280 §4.1.2.5)."""
    issued = certificate.status is CertificateStatus.ISSUED and certificate.revoked_at is None
    return issued and certificate.not_before <= now <= certificate.not_after


def to_json(certificate: Certificate) -> Json:
    """One serial: times as RFC 3339 in UTC, hashes in hexadecimal, DER in base64."""
    der = certificate.der
    return {
        "serial": certificate.serial,
        "status": certificate.status.value,
        "identifiers": [identifier.to_json() for identifier in certificate.identifiers],
        "profile": certificate.profile,
        "account": certificate.account_id,
        "order": certificate.order_id,
        "issuer": certificate.issuer_id,
        "created_at": _text(certificate.created_at),
        "not_before": _text(certificate.not_before),
        "not_after": _text(certificate.not_after),
        "revoked_at": _text(certificate.revoked_at),
        "reason": certificate.reason,
        "sha256": None if der is None else hashlib.sha256(der).hexdigest(),
        "tbs_sha256": certificate.tbs_sha256.hex(),
        "spki_sha256": certificate.spki_sha256.hex(),
        "der": None if der is None else base64.b64encode(der).decode(),
    }


def _text(time: datetime | None) -> str | None:
    return None if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
