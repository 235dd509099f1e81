"""The work behind `issue`, `renew`, `install` and `revoke`: session, enrolment, check, archive, installation.

The live certificate must never change before the new one has passed `verify`; the caller holds the state's lock.
RFC 8555 §7.4 and §7.6.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from challenges import registry
from challenges.base import Identifier, MailReader, Tools, base64url
from xmpp_client.clock import Clock
from xmpp_client.config import Certificate, Config
from xmpp_client.csr import build_csr
from xmpp_client.enrol import EnrolRequest, enrol
from xmpp_client.errors import AcmeProblem
from xmpp_client.keys import account_key, load_account_key, new_key, to_pem
from xmpp_client.lineage import Lineage, Meta, Version
from xmpp_client.mailbox import MaildirReader, SpoolReader, TypedReader
from xmpp_client.progress import Progress
from xmpp_client.renewal import renew_at
from xmpp_client.servers import Release, Server, deploy
from xmpp_client.servers.files import Files
from xmpp_client.servers.prosody import Prosody
from xmpp_client.session import Session
from xmpp_client.verify import Verified, load_roots, verify
from xmpp_client.webroot import Webroot

__all__ = ["REASONS", "Workbench", "install", "issue", "revoke"]

REASONS = {"unspecified": 0, "keyCompromise": 1, "affiliationChanged": 3, "superseded": 4, "cessationOfOperation": 5}
"""RFC 5280 §5.3.1: those a subscriber may give."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """What the work is done with."""

    config: Config
    clock: Clock
    progress: Progress
    ask: Callable[[str, float], str]
    """Question, seconds -> what a person typed. Raises TimeoutError."""

    @property
    def account_path(self) -> Path:
        """Each directory has its own account key: a new CA never sees the old one's."""
        place = hashlib.sha256(self.config.directory.encode()).hexdigest()[:16]
        return self.config.state / "accounts" / place / "key.pem"


def issue(workbench: Workbench, certificate: Certificate, lineage: Lineage) -> Version:
    """Obtain, check and keep a new certificate; `live` points at it then. Raises a ClientError of any kind."""
    config = workbench.config
    roots = load_roots(config.root)
    session = Session(
        config.directory, account_key(workbench.account_path), trust=config.ca_bundle, clock=workbench.clock
    )
    workbench.progress.waiting(f"talking to {session.origin.host}")
    session.register(config.contact, agree_terms=config.agree_terms)
    key = new_key()
    request = EnrolRequest(
        identifiers=tuple(Identifier("dns", name) for name in certificate.domains),
        csr=build_csr(key, certificate.domains),
        preference=certificate.challenges,
        profile=certificate.profile,
    )
    issued = enrol(session, request, _tools(workbench, certificate), registry(), workbench.progress)
    now = workbench.clock.now()
    verified = verify(issued.chain, key=key, names=certificate.domains, roots=roots, now=now)
    files = {"privkey.pem": to_pem(key), **verified.pem()}
    version = lineage.add(files, _meta(verified, certificate, config))
    lineage.switch(version)
    workbench.progress.step(f"kept as {lineage.live} (version {version.number})")
    return version


def install(workbench: Workbench, certificate: Certificate, lineage: Lineage, version: Version) -> None:
    """Give a version to the configured server, and remember that. Raises InstallError, StateError."""
    server = _server(certificate)
    if server is None:
        return
    leaf = ssl.PEM_cert_to_DER_cert(version.pem("cert.pem").decode("ascii"))
    deploy(server, Release(lineage, version, leaf), workbench.clock, workbench.progress)
    version.mark("installed", workbench.clock.now())


def revoke(workbench: Workbench, version: Version, reason: str) -> bool:
    """Have the CA revoke a version by our account (RFC 8555 §7.6); False where it already was.

    `reason` is one of REASONS. Raises AcmeProblem and the session's errors.
    """
    config = workbench.config
    session = Session(
        config.directory, load_account_key(workbench.account_path), trust=config.ca_bundle, clock=workbench.clock
    )
    workbench.progress.waiting(f"talking to {session.origin.host}")
    session.find_account()
    der = ssl.PEM_cert_to_DER_cert(version.pem("cert.pem").decode("ascii"))
    new = True
    try:
        session.post(session.directory.revoke_cert, {"certificate": base64url(der), "reason": REASONS[reason]})
    except AcmeProblem as error:
        if error.problem.kind != "alreadyRevoked":
            raise
        new = False
    version.mark("revoked", workbench.clock.now())
    return new


def _meta(verified: Verified, certificate: Certificate, config: Config) -> Meta:
    leaf = verified.leaf
    return Meta(
        names=certificate.domains,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        renew_at=renew_at(leaf.not_valid_before_utc, leaf.not_valid_after_utc),
        serial=f"{leaf.serial_number:x}",
        directory=config.directory,
        profile=certificate.profile,
    )


def _tools(workbench: Workbench, certificate: Certificate) -> Tools:
    mail = certificate.mail
    return Tools(
        http=Webroot(certificate.webroot) if certificate.webroot else None,
        mail=_reader(workbench, certificate),
        mailbox=certificate.mailbox or None,
        timeout=float(mail.timeout) if mail else 0.0,
    )


def _reader(workbench: Workbench, certificate: Certificate) -> MailReader | None:
    mail = certificate.mail
    if mail is None:
        return None
    if mail.path is not None:
        return MaildirReader(mail.path, workbench.clock)
    spool = workbench.config.spool
    if mail.reader == "pipe" and spool is not None:
        return SpoolReader(spool, workbench.clock)
    return TypedReader(workbench.ask, workbench.progress)


def _server(certificate: Certificate) -> Server | None:
    if certificate.server == "prosody":
        return Prosody(certificate.prosody)
    if certificate.server == "files":
        return Files(certificate.files)
    return None
