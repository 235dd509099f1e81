"""Certificates: download and revocation (RFC 8555 §7.4.2, §7.6), and the issuers' own (RFC 5280 §4.2.2.1, §5)."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime
from ssl import DER_cert_to_PEM_cert

from cryptography import x509

from acme_server.errors import AlreadyRevoked, Malformed, NotFound, Unauthorized
from acme_server.issuance.crl import check_reason
from acme_server.issuance.serials import serial_text
from acme_server.model import Certificate, Job, JobKind, Notice
from acme_server.protocol.messages import PEM_CHAIN, Reply
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import from_base64url, json_object
from acme_server.store import Transaction
from challenges.base import Identifier

__all__ = ["issuer_certificate", "issuer_crl", "revoke_certificate", "show_certificate"]


def show_certificate(request: SignedRequest, services: Services) -> Reply:
    """The chain, leaf first, without the root (RFC 8555 §7.4.2, §9.1)."""
    if request.payload:
        raise Malformed("a certificate is read by POST-as-GET, with an empty payload")
    with services.store.read() as transaction:
        certificate = transaction.certificates.get(request.target)
    if certificate is None or certificate.der is None or certificate.issuer_id not in services.chains:
        raise NotFound("no certificate has this URL")
    if certificate.account_id != request.signer.id:
        raise Unauthorized("this is another account's certificate")
    chain = (certificate.der, *services.chains[certificate.issuer_id])
    return Reply("".join(map(DER_cert_to_PEM_cert, chain)).encode("ascii"), content_type=PEM_CHAIN)


def revoke_certificate(request: SignedRequest, services: Services) -> Reply:
    """Revoke a certificate (RFC 8555 §7.6)."""
    payload = json_object(request.payload, "payload")
    der = from_base64url(payload.get("certificate"), "`certificate`")
    reason = None if payload.get("reason") is None else check_reason(payload["reason"])
    certificate = _ours(der, services)
    now = services.clock()
    if not _may_revoke(request, certificate, now, services):
        raise Unauthorized(
            "this account has not ordered the certificate and holds no authorization for all of its names, "
            "nor has its key signed the request"
        )
    job = Job(JobKind.CRL, certificate.issuer_id, due=now)
    with services.store.write() as transaction:
        if not transaction.certificates.revoke(certificate.serial, now, reason):
            raise AlreadyRevoked("the certificate is revoked already")
        subject = f"certificate/{certificate.serial}"
        actor = f"account/{request.account.id}" if request.account else f"key/{request.key.thumbprint}"
        transaction.audit.append("certificate_revoked", actor=actor, subject=subject, at=now, detail={"reason": reason})
        if certificate.account_id is not None:
            transaction.audit.notice(Notice(certificate.account_id, "certificate_revoked", subject, now))
        transaction.jobs.add(job, now)
    services.work.run(job, held=False)
    return Reply()


def _ours(der: bytes, services: Services) -> Certificate:
    """The record of exactly this certificate, byte for byte. Raises Malformed, NotFound."""
    try:
        serial = x509.load_der_x509_certificate(der).serial_number
    except (ValueError, x509.InvalidVersion) as error:
        raise Malformed("`certificate` is not the DER of a certificate") from error
    with services.store.read() as transaction:
        certificate = transaction.certificates.get(serial_text(serial)) if serial > 0 else None
    if certificate is None or certificate.der != der:
        raise NotFound("this server has not issued that certificate")
    return certificate


def _may_revoke(request: SignedRequest, certificate: Certificate, now: datetime, services: Services) -> bool:
    """RFC 8555 §7.6: whoever ordered it, whoever has proved all of its names, whoever holds its key."""
    if request.account is None:
        return request.key.spki_sha256 == certificate.spki_sha256
    account_id = request.account.id
    if account_id == certificate.account_id:
        return True
    with services.store.read() as transaction:
        return all(_has_proved(transaction, account_id, name, now) for name in certificate.names)


def _has_proved(transaction: Transaction, account_id: str, name: str, now: datetime) -> bool:
    """By an authorization of the name, or of a domain above it that speaks for those below (RFC 9444 §4)."""
    labels = name.split(".")
    domains = [(name, False), *((".".join(labels[depth:]), True) for depth in range(len(labels)))]
    return any(
        transaction.authorizations.reusable(account_id, Identifier("dns", domain), subdomains=subdomains, until=now)
        for domain, subdomains in domains
    )


def issuer_certificate(issuer_id: str, services: Services) -> Reply:
    """The issuer's certificate in DER (RFC 5280 §4.2.2.1)."""
    chain = services.chains.get(issuer_id)
    if chain is None:
        raise NotFound("no issuer has this URL")
    return Reply(chain[0], content_type="application/pkix-cert")


def issuer_crl(issuer_id: str, services: Services) -> Reply:
    """The issuer's newest CRL in DER (RFC 5280 §5, RFC 2585 §4.2)."""
    with services.store.read() as transaction:
        crl = transaction.crls.get(issuer_id)
    if crl is None:
        raise NotFound("no CRL has this URL")
    age = max(0, min(_MAX_AGE, int((crl.next_update - services.clock()).total_seconds())))
    return Reply(
        crl.der,
        content_type="application/pkix-crl",
        headers={
            "Cache-Control": f"public, max-age={age}",
            "Last-Modified": format_datetime(crl.this_update, usegmt=True),
        },
    )


_MAX_AGE = 3600
"""Seconds a cache may keep a CRL: a revocation is seen within an hour."""
