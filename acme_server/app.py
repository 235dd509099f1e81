"""The one place that names concrete classes: a configuration becomes a server.

`create_app` builds and starts nothing outside; `Application.start` begins to work off jobs, `close` ends that.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from acme_server.clock import utc_now
from acme_server.config import Config, MailSettings, host_port
from acme_server.gateways.mail import Smarthost
from acme_server.gateways.outbox import MailGateway
from acme_server.identifiers import PublicSuffixes, Rules
from acme_server.issuance import authority
from acme_server.issuance.authority import Issuer, UnusableAuthority
from acme_server.issuance.caa_recheck import CaaRecheck
from acme_server.issuance.finalize import Finalizer
from acme_server.issuance.profiles import PROFILES, Profile
from acme_server.issuance.publisher import CrlPublisher
from acme_server.issuance.shapes import ShapeLinter, StoredShapes
from acme_server.limiter import Limiter
from acme_server.model import Clock, JobKind
from acme_server.policy import NamePolicy, Reuse
from acme_server.protocol.nonces import Nonces, boot_id
from acme_server.protocol.services import Chain, Services
from acme_server.store import Store
from acme_server.store.sqlite import SqliteStore
from acme_server.urls import Urls
from acme_server.validation.caa_lookup import Caa, CaaLookup
from acme_server.validation.network import GuardedNetwork
from acme_server.validation.queue import Handler, Workers
from acme_server.validation.resolver import DnsResolver, system_nameservers
from acme_server.validation.worker import Validator
from acme_server.web.acme import create_edge
from challenges import registry
from challenges.base import Ca, ChallengeType, Network
from challenges.dns_persist_01 import DNS_PERSIST_01, DnsPersist01
from challenges.email_01 import EMAIL_01, Email01
from challenges.tls_alpn_01 import TLS_ALPN_01, TlsAlpn01

__all__ = ["Application", "Parts", "create_app", "profiles_of"]


def _threads(count: int) -> Executor:
    return ThreadPoolExecutor(count, thread_name_prefix="worker")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a server takes from the world around it. Another kind of server, or a test, hands in others.

    None: what the configuration, or the installed packages, say.
    """

    clock: Clock = utc_now
    random: Callable[[int], bytes] = secrets.token_bytes
    """That many octets from a CSPRNG."""
    pool: Callable[[int], Executor] = _threads
    """How many jobs at a time -> what runs them."""
    network: Network | None = None
    caa: Caa | None = None
    challenges: Mapping[str, ChallengeType] | None = None
    issuer: Issuer | None = None
    suffixes: PublicSuffixes | None = None
    identifier_types: frozenset[str] = frozenset({"dns", "jid"})
    """What can be ordered; `ip` (RFC 8738) is for test servers."""


@dataclass(frozen=True, slots=True)
class Application:
    """A server that answers by `flask` and works by `workers`."""

    flask: Flask
    services: Services
    workers: Workers
    publisher: CrlPublisher

    def start(self) -> None:
        """Begin to work off jobs."""
        self.publisher.ensure()
        self.workers.start()

    def close(self) -> None:
        """Finish what is under way and let go of everything."""
        self.workers.stop()
        self.services.store.close()
        self.services.nonces.close()


def create_app(config: Config, parts: Parts = Parts()) -> Application:
    """Put the parts together. Raises SchemaMismatch, UnusableAuthority, UnusableKey, OSError."""
    store = SqliteStore(config.path(config.database))
    issuer = parts.issuer or authority.load(config.path(config.authority), parts.clock()).issuer
    _check_issuers(store, issuer, parts.clock)
    boot = boot_id()
    urls = Urls(config.external_url, config.pki)
    challenges = parts.challenges
    if challenges is None:
        challenges = registry() | {
            EMAIL_01.type: Email01(random=parts.random, now=parts.clock),
            TLS_ALPN_01.type: TlsAlpn01(now=parts.clock),
            DNS_PERSIST_01.type: DnsPersist01(now=parts.clock),
        }
    suffixes = parts.suffixes or PublicSuffixes()
    profiles = profiles_of(config)
    reuse = Reuse(
        usual=timedelta(seconds=config.acme.authorization_reuse),
        mail=timedelta(seconds=config.acme.mail_authorization_reuse),
    )
    limiter = Limiter(config.limits.rates(), suffixes.registrable, config.limits.help or config.acme.website)
    network = parts.network or _network(config)
    caa = parts.caa or CaaLookup(_resolver(config), config.issuer_domain_names)
    publisher = CrlPublisher(store, parts.clock, issuer)
    linter = ShapeLinter(StoredShapes(store, parts.clock), every=config.lint_every_certificate)
    handlers: Mapping[JobKind, Handler] = {
        JobKind.VALIDATE: Validator(store, parts.clock, network, caa, challenges, urls, reuse, limiter),
        JobKind.ISSUE: Finalizer(
            store, parts.clock, parts.random, issuer, profiles, urls.pki, linter, CaaRecheck(caa, urls.account)
        ),
        JobKind.CRL: publisher,
        JobKind.MAIL: MailGateway(
            store,
            parts.clock,
            *_way_out(config.mail),
            helo=config.host,
            challenges=challenges,
            urls=urls,
            reuse=reuse,
            limiter=limiter,
        ),
    }
    threads = config.validation.threads
    workers = Workers(store, parts.clock, boot, threads, handlers, parts.pool(threads))
    services = Services(
        config=config,
        store=store,
        clock=parts.clock,
        random=parts.random,
        nonces=Nonces(Path(f"{config.path(config.database)}-nonces"), boot),
        challenges=challenges,
        ca=_ca(config, suffixes),
        profiles=profiles,
        rules=Rules(suffixes, parts.identifier_types, config.acme.wildcards, config.validation.exempt_networks()),
        names=NamePolicy(config.names.refused, config.names.high_value),
        limiter=limiter,
        urls=urls,
        work=workers,
        chains={issuer.id: _chains(issuer)},
    )
    return Application(create_edge(services), services, workers, publisher)


def profiles_of(config: Config) -> dict[str, Profile]:
    """The certificate profiles, with what the configuration changes in them."""
    return {
        name: replace(profile, lifetime=timedelta(days=config.profiles[name].lifetime_days))
        if name in config.profiles
        else profile
        for name, profile in PROFILES.items()
    }


def _check_issuers(store: Store, issuer: Issuer, clock: Clock) -> None:
    """A certificate whose issuer is gone could not be revoked any more. Raises UnusableAuthority."""
    with store.read() as transaction:
        unknown = set(transaction.certificates.issuers(clock())) - {issuer.id}
    if unknown:
        raise UnusableAuthority(
            f"the issuer here is {issuer.id}, but certificates that are still valid were issued by "
            f"{', '.join(sorted(unknown))}: put that issuer back until they have expired"
        )


def _way_out(mail: MailSettings | None) -> tuple[Smarthost | None, str]:
    """Where mail is handed over, and its envelope's sender."""
    if mail is None:
        return None, ""
    return Smarthost(*host_port(mail.smarthost), starttls=mail.starttls), mail.envelope_from or mail.sender


def _resolver(config: Config) -> DnsResolver:
    return DnsResolver([host_port(server) for server in config.validation.nameservers] or system_nameservers())


def _network(config: Config) -> GuardedNetwork:
    return GuardedNetwork(
        _resolver(config),
        exempt=config.validation.exempt_networks(),
        ports={"http": config.validation.http_port, "https": 443, "tls-alpn": config.validation.tls_alpn_port},
    )


def _ca(config: Config, suffixes: PublicSuffixes) -> Ca:
    mail = config.mail
    return Ca(
        name=config.name,
        mail_from=None if mail is None else mail.sender,
        registrable=suffixes.registrable,
        report_to=config.external_url if mail is None else mail.report_to or mail.sender,
        issuer_domain_names=config.issuer_domain_names,
        account_hash_prefix=Urls(config.external_url, config.pki).account_hashes,
    )


def _chains(issuer: Issuer) -> tuple[Chain, ...]:
    return tuple(
        Chain(
            tuple(certificate.public_bytes(Encoding.DER) for certificate in chain),
            min(certificate.not_valid_after_utc for certificate in chain),
        )
        for chain in (issuer.chain, *issuer.alternates)
    )
