"""The one place that names concrete classes: a configuration becomes a server.

`create_app` builds and starts nothing outside; `Application.start` begins to work off jobs, `close` ends that.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from acme_server.clock import utc_now
from acme_server.config import Config, host_port
from acme_server.gateways.mail import Smarthost
from acme_server.gateways.outbox import MailGateway
from acme_server.identifiers import PublicSuffixes
from acme_server.issuance import authority
from acme_server.issuance.authority import Issuer
from acme_server.issuance.finalize import Finalizer
from acme_server.issuance.profiles import PROFILES, Profile
from acme_server.issuance.publisher import CrlPublisher
from acme_server.model import JobKind
from acme_server.protocol.nonces import Nonces, boot_id
from acme_server.protocol.services import Services
from acme_server.store.sqlite import SqliteStore
from acme_server.urls import Urls
from acme_server.validation.network import GuardedNetwork
from acme_server.validation.outcomes import Reuse
from acme_server.validation.queue import Handler, Workers
from acme_server.validation.resolver import DnsResolver, system_nameservers
from acme_server.validation.worker import Validator
from acme_server.web.acme import create_edge
from challenges import registry
from challenges.base import Ca

__all__ = ["Application", "create_app", "profiles_of"]


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


def create_app(config: Config) -> Application:
    """Put the parts together. Raises SchemaMismatch, UnusableAuthority, UnusableKey, OSError."""
    store = SqliteStore(config.path(config.database))
    issuer = authority.load(config.path(config.authority)).issuer
    boot = boot_id()
    urls = Urls(config.external_url)
    challenges = registry()
    suffixes = PublicSuffixes()
    profiles = profiles_of(config)
    reuse = Reuse(
        usual=timedelta(seconds=config.acme.authorization_reuse),
        mail=timedelta(seconds=config.acme.mail_authorization_reuse),
    )
    publisher = CrlPublisher(store, utc_now, issuer)
    handlers: dict[JobKind, Handler] = {
        JobKind.VALIDATE: Validator(store, utc_now, _network(config), challenges, urls, reuse),
        JobKind.ISSUE: Finalizer(store, utc_now, secrets.token_bytes, issuer, profiles, urls.pki),
        JobKind.CRL: publisher,
    }
    if config.mail is not None:
        handlers[JobKind.MAIL] = MailGateway(
            store,
            utc_now,
            Smarthost(*host_port(config.mail.smarthost)),
            envelope_from=config.mail.envelope_from or config.mail.sender,
            helo=config.host,
            challenges=challenges,
            urls=urls,
            reuse=reuse,
        )
    workers = Workers(store, utc_now, boot, config.validation.threads, handlers)
    services = Services(
        config=config,
        store=store,
        clock=utc_now,
        random=secrets.token_bytes,
        nonces=Nonces(Path(f"{config.path(config.database)}-nonces"), boot),
        challenges=challenges,
        ca=_ca(config, suffixes),
        profiles=profiles,
        suffixes=suffixes,
        urls=urls,
        work=workers,
        chains={issuer.id: _der(issuer)},
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


def _network(config: Config) -> GuardedNetwork:
    nameservers = [host_port(server) for server in config.validation.nameservers] or system_nameservers()
    return GuardedNetwork(
        DnsResolver(nameservers),
        exempt=config.validation.exempt_networks(),
        ports={"http": config.validation.http_port, "https": 443},
    )


def _ca(config: Config, suffixes: PublicSuffixes) -> Ca:
    mail = config.mail
    return Ca(
        name=config.name,
        mail_from=None if mail is None else mail.sender,
        registrable=suffixes.registrable,
        report_to=config.external_url if mail is None else mail.report_to or mail.sender,
    )


def _der(issuer: Issuer) -> tuple[bytes, ...]:
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in issuer.chain)
