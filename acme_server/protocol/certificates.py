"""Certificates: download and revocation (RFC 8555 §7.4.2, §7.6), and the issuers' own (RFC 5280 §4.2.2.1, §5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from ssl import DER_cert_to_PEM_cert

from cryptography import x509

from acme_server.errors import AlreadyRevoked, Malformed, NotFound, Unauthorized
from acme_server.issuance.crl import check_reason
from acme_server.issuance.serials import serial_text
from acme_server.model import Certificate, Job, JobKind, Notice
from acme_server.protocol.messages import PEM_CHAIN, Reply
from acme_server.protocol.requests import refuse_payload
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import from_base64url, json_object
from acme_server.states import ACCOUNT, AccountStatus, Event, after
from acme_server.store import Transaction
from challenges.base import Identifier

__all__ = ["issuer_certificate", "issuer_crl", "revoke_certificate", "show_certificate"]

_KEY_COMPROMISE = 1
"""RFC 5280 §5.3.1."""
_MAX_AGE = 3600
"""Seconds a cache may keep a CRL: a revocation is seen within an hour."""


def show_certificate(request: SignedRequest, services: Services) -> Reply:
    """The chain, leaf first, without the root (RFC 8555 §7.4.2, §9.1)."""
    refuse_payload(request)
    with services.store.read() as transaction:
        certificate = transaction.certificates.get(request.target)
    if certificate is None or certificate.der is None or certificate.issuer_id not in services.chains:
        raise NotFound("no certificate has this URL")
    if certificate.account_id != request.signer.id:
        raise Unauthorized("this is another account's certificate")
    serial, chains = certificate.serial, services.chains[certificate.issuer_id]
    now, usual = services.clock(), services.urls.certificate(serial)
    urls = {
        services.urls.alternate(serial, number) if number else usual: chain
        for number, chain in enumerate(chains)
        if number == 0 or now <= chain.until
    }
    if request.url not in urls:
        raise NotFound("there is no such chain; the header Link of the certificate names those there are")
    pem = "".join(map(DER_cert_to_PEM_cert, (certificate.der, *urls[request.url].certificates))).encode("ascii")
    # RFC 8555 §7.4.2: each of them leads to all others.
    links = tuple((url, "alternate") for url in urls if url != request.url)
    return Reply(pem, content_type=PEM_CHAIN, links=links)


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
    with services.store.write() as transaction:
        revoked = [certificate] if _revoke(transaction, certificate, request, reason, now) else []
        # Whoever has signed by the certificate's key has shown that others may have it; an account only says so.
        if reason == _KEY_COMPROMISE and request.account is None:
            revoked += _end_key(transaction, certificate, request, now)
        jobs = [Job(JobKind.CRL, issuer_id, due=now) for issuer_id in {each.issuer_id for each in revoked}]
        for job in jobs:
            transaction.jobs.add(job, now)
    for job in jobs:
        services.work.run(job, held=False)
    if certificate not in revoked:
        raise AlreadyRevoked("the certificate is revoked already")
    return Reply()


def _revoke(
    transaction: Transaction, certificate: Certificate, request: SignedRequest, reason: int | None, now: datetime
) -> bool:
    """Whether it was not revoked before."""
    if not transaction.certificates.revoke(certificate.serial, now, reason):
        return False
    subject = f"certificate/{certificate.serial}"
    detail = {"reason": reason}
    transaction.audit.append("certificate_revoked", actor=_actor(request), subject=subject, at=now, detail=detail)
    if certificate.account_id is not None:
        transaction.audit.notice(Notice(certificate.account_id, "certificate_revoked", subject, now))
    return True


def _end_key(
    transaction: Transaction, certificate: Certificate, request: SignedRequest, now: datetime
) -> list[Certificate]:
    """Block a compromised key, and end what rests on it; the other certificates that were revoked for it.

    An account of that key is revoked: whoever has the key could act for it.
    """
    key, subject = request.key, f"certificate/{certificate.serial}"
    if not transaction.blocked_keys.block(key.spki_sha256, now, f"reported as compromised with {subject}"):
        return []
    thumbprint = f"key/{key.thumbprint}"
    detail = {"certificate": certificate.serial}
    transaction.audit.append("key_blocked", actor=_actor(request), subject=thumbprint, at=now, detail=detail)
    account = transaction.accounts.by_thumbprint(key.thumbprint)
    if account is not None and account.status is AccountStatus.VALID:
        revoked = replace(account, status=after(ACCOUNT, account.status, Event.REVOKED))
        transaction.accounts.save(revoked, account.status)
        transaction.authorizations.end_pending(account.id)
        owner = f"account/{account.id}"
        transaction.audit.append("account_revoked", actor=_actor(request), subject=owner, at=now, detail=detail)
        transaction.audit.notice(Notice(account.id, "account_revoked", owner, now))
    others = transaction.certificates.of_key(key.spki_sha256, now)
    return [other for other in others if _revoke(transaction, other, request, _KEY_COMPROMISE, now)]


def _actor(request: SignedRequest) -> str:
    return f"account/{request.account.id}" if request.account else f"key/{request.key.thumbprint}"


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
        return all(_has_proved(transaction, account_id, part, now) for part in certificate.identifiers)


def _has_proved(transaction: Transaction, account_id: str, identifier: Identifier, now: datetime) -> bool:
    """By an authorization of the identifier, or of a domain above it that speaks for those below (RFC 9444 §4)."""
    proofs = [(identifier, False)]
    if identifier.type == "dns" and not identifier.value.startswith("*."):
        labels = identifier.value.split(".")
        proofs += [(Identifier("dns", ".".join(labels[depth:])), True) for depth in range(len(labels))]
    return any(
        transaction.authorizations.reusable(account_id, proof, subdomains=subdomains, until=now)
        for proof, subdomains in proofs
    )


def issuer_certificate(issuer_id: str, services: Services) -> Reply:
    """The issuer's certificate in DER (RFC 5280 §4.2.2.1)."""
    chains = services.chains.get(issuer_id)
    if chains is None:
        raise NotFound("no issuer has this URL")
    return Reply(chains[0].certificates[0], content_type="application/pkix-cert")


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
