"""Makes a certificate in two steps, so that what will be signed can be recorded first.

`prepare` builds it, signs it with a throw-away key and lints that; `issue` has the real key sign, once, exactly the
octets that were linted, and believes neither the signer nor itself before it has looked. It never signs anything else.
RFC 5280 §4.1.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from acme_server.issuance import der
from acme_server.issuance.authority import Issuer
from acme_server.issuance.keys import spki_sha256
from acme_server.issuance.lint import lint
from acme_server.issuance.profiles import Request, period, subject, subject_alternative_names
from acme_server.issuance.serials import new_serial, serial_text
from acme_server.issuance.signers import check_signature, hash_for, sign

__all__ = [
    "IssuerExpiring",
    "Linter",
    "Request",
    "Ticket",
    "TicketSpent",
    "ValidityGone",
    "WrongSignature",
    "issue",
    "new_serial",
    "prepare",
    "serial_text",
]

Linter = Callable[[x509.Certificate, Request, Issuer], None]
"""Looks at a candidate that has passed our own checks. Raises LintError."""

_SECOND = timedelta(seconds=1)
_SHORTEST = timedelta(days=1)
"""A certificate with less time to live than this helps nobody."""


class IssuerExpiring(Exception):  # noqa: N818 - what it is
    """The issuer's own certificate ends too soon to issue under it: the operator must make a new issuer."""


class ValidityGone(Exception):  # noqa: N818 - what it is
    """The validity asked for was acceptable when it was ordered and cannot be had any more; str() says why."""


class TicketSpent(Exception):  # noqa: N818 - what it is
    """The ticket was redeemed before, or belongs to another issuer."""


class WrongSignature(Exception):  # noqa: N818 - what it is
    """The signer returned something else than a signature of its key over what was linted."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What `prepare` found good; to be recorded durably before it is redeemed."""

    serial: int
    tbs: bytes
    """DER of the TBSCertificate that was linted."""
    tbs_sha256: bytes
    spki_sha256: bytes
    """Of the subject's key."""
    issuer_id: str
    not_before: datetime
    not_after: datetime
    """The last second of its life."""
    algorithm: bytes
    """DER of the AlgorithmIdentifier that goes with the signature (RFC 5280 §4.1.1.2)."""
    unspent: list[None] = field(default_factory=lambda: [None], repr=False, compare=False)
    """One element until the ticket is redeemed: taking it off a list is atomic, so two threads cannot both."""


def prepare(request: Request, issuer: Issuer, now: datetime, serial: int, linter: Linter | None = None) -> Ticket:
    """Build and lint, by our own checks and then by `linter`; nothing is signed with the issuer's key.

    Raises LintError (our fault), IssuerExpiring, ValidityGone.
    """
    not_before, not_after = _validity(request, issuer, now)
    candidate = x509.CertificateBuilder(
        # All at once: each method of a builder copies it. What they would check, `lint` checks in what comes out.
        issuer_name=issuer.certificate.subject,
        subject_name=subject(request.identifiers, serial_text(serial)),
        public_key=request.public_key,
        serial_number=serial,
        not_valid_before=not_before.replace(tzinfo=None),
        not_valid_after=not_after.replace(tzinfo=None),
        extensions=_extensions(request, issuer),
    ).sign(issuer.lint_key, hash_for(issuer.public_key))
    lint(candidate, request, issuer)
    if linter is not None:
        linter(candidate, request, issuer)
    tbs, whole = candidate.tbs_certificate_bytes, candidate.public_bytes(Encoding.DER)
    # Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
    algorithm = whole[whole.index(tbs) + len(tbs) : -len(_signature_value(candidate.signature))]
    return Ticket(
        serial=serial,
        tbs=tbs,
        tbs_sha256=hashlib.sha256(tbs).digest(),
        spki_sha256=spki_sha256(request.public_key),
        issuer_id=issuer.id,
        not_before=not_before,
        not_after=not_after,
        algorithm=algorithm,
    )


def issue(ticket: Ticket, issuer: Issuer) -> bytes:
    """Redeem the ticket: the DER of the certificate. Raises TicketSpent, WrongSignature, and what the signer raises."""
    if ticket.issuer_id != issuer.id:
        raise TicketSpent("the ticket was made for another issuer")
    try:
        ticket.unspent.pop()
    except IndexError:
        raise TicketSpent("the ticket was redeemed before") from None
    signature = sign(issuer.signer, ticket.tbs)
    whole = der.encode(der.SEQUENCE, ticket.tbs + ticket.algorithm + _signature_value(signature))
    certificate = x509.load_der_x509_certificate(whole)
    if hashlib.sha256(certificate.tbs_certificate_bytes).digest() != ticket.tbs_sha256:
        raise WrongSignature("what was signed is not what was linted and recorded")
    try:
        check_signature(issuer.public_key, certificate.signature, certificate.tbs_certificate_bytes)
    except InvalidSignature as error:
        raise WrongSignature("the signature is not one of the issuer's key") from error
    return whole


def _signature_value(signature: bytes) -> bytes:
    """A BIT STRING without unused bits (X.690 §8.6.2)."""
    return der.encode(der.BIT_STRING, b"\x00" + signature)


def _validity(request: Request, issuer: Issuer, now: datetime) -> tuple[datetime, datetime]:
    """Both ends of the validity, within the issuer's own life. Raises IssuerExpiring, ValidityGone."""
    begin, end = issuer.certificate.not_valid_before_utc, issuer.certificate.not_valid_after_utc
    if end - now < _SHORTEST:
        raise IssuerExpiring(f"the issuer's certificate ends at {end:%Y-%m-%d %H:%M} UTC")
    first, last = period(request.profile, now)
    not_before = request.not_before or max(first, begin)
    # RFC 5280 §4.1.2.5: both ends are part of the period.
    not_after = request.not_after or min(not_before + request.profile.lifetime - _SECOND, last, end)
    if not_after <= now:
        raise ValidityGone("the notAfter asked for has passed")
    if not_before < first:
        # Nobody is dated back further than those who ask nothing: the names may not have been proved by then.
        raise ValidityGone("the notBefore asked for is over an hour ago by now: order anew, with a later one or none")
    if not begin <= not_before <= not_after <= end:
        raise ValidityGone(
            f"this CA's own certificate is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        )
    return not_before, not_after


def _extensions(request: Request, issuer: Issuer) -> list[x509.Extension[x509.ExtensionType]]:
    """All extensions of a leaf; none comes from the CSR."""
    names = x509.SubjectAlternativeName(subject_alternative_names(request.profile, request.identifiers))
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(request.public_key)
    aia, crl = _pointers(request.pki_url, issuer.id)
    return [
        _NO_CA,
        _RSA_USAGE if isinstance(request.public_key, rsa.RSAPublicKey) else _USAGE,
        _purposes(request.profile.key_purposes),
        # Not critical: the subject is never empty (RFC 5280 §4.2.1.6).
        _extension(names),
        _extension(key_identifier),
        _extension(issuer.key_identifier),
        aia,
        crl,
    ]


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)


def _usage(*, key_encipherment: bool) -> x509.Extension[x509.ExtensionType]:
    """Signatures, and key transport where TLS has one: for RSA (RFC 5246 §7.4.2)."""
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return _extension(usage, critical=True)


_NO_CA = _extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
_USAGE = _usage(key_encipherment=False)
_RSA_USAGE = _usage(key_encipherment=True)


@functools.lru_cache(maxsize=16)
def _purposes(purposes: tuple[x509.ObjectIdentifier, ...]) -> x509.Extension[x509.ExtensionType]:
    return _extension(x509.ExtendedKeyUsage(purposes))


@functools.lru_cache(maxsize=16)
def _pointers(
    pki_url: str, issuer_id: str
) -> tuple[x509.Extension[x509.ExtensionType], x509.Extension[x509.ExtensionType]]:
    """Where to get the issuer's certificate and its CRL: the same for every leaf of an issuer."""
    certificate = x509.UniformResourceIdentifier(f"{pki_url}/{issuer_id}.cer")
    crl = x509.UniformResourceIdentifier(f"{pki_url}/{issuer_id}.crl")
    return (
        _extension(
            x509.AuthorityInformationAccess(
                [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, certificate)]
            )
        ),
        _extension(x509.CRLDistributionPoints([x509.DistributionPoint([crl], None, None, None)])),
    )
