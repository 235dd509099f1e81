"""`xmpp-ica serve`: everything the CA does, on one machine."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import click

from acme_server.cli.common import config_option, read_config
from acme_server.config import Config, load

__all__ = ["load_asgi", "serve"]

CONNECTIONS = 1024
"""That each process takes at a time."""
DESCRIPTORS = 4096
"""Open files of each process: connections, those that wait to be taken, the database, validations, mail."""
RENEWAL_CHECK = 3600.0
"""Seconds between looks at the certificate of our own web server."""


@click.command()
@config_option
def serve(config_path: Path) -> None:
    """Answer ACME clients, validate, send challenge mail, issue, publish CRLs. Ends on SIGTERM or Ctrl-C."""
    config = read_config(config_path)
    _ask_for_descriptors()
    _check_address(config)
    _check(config)
    threading.Thread(target=_keep_own_certificate, args=(config,), name="own certificate", daemon=True).start()
    # The HTTP server is Rust and reads bodies by itself; its processes call `load_asgi`, and are replaced if they die.
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, SSLProtocols
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    address, port = config.listen_address
    Granian(
        str(config_path),
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        workers=config.processes,
        respawn_failed_workers=True,
        workers_kill_timeout=20,
        backpressure=CONNECTIONS,
        # Only HTTP/1.1 has a deadline for whoever connects and then says nothing.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        ssl_cert=config.path(config.tls.certificate),
        ssl_key=config.path(config.tls.key),
        ssl_protocol_min=SSLProtocols.tls12,
        log_level=LogLevels.warning,
        websockets=False,
    ).serve(target_loader=load_asgi)


def _check_address(config: Config) -> None:
    """The HTTP server would share a port with whoever has it already, and each would get some of the clients."""
    address, port = config.listen_address
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just been closed is free
            probe.bind((address, port))
    except OSError as error:
        raise click.ClickException(f"{config.listen} cannot be listened on: {error.strerror}") from error


def _ask_for_descriptors() -> None:
    """A server that has none left to accept with tries without end, and does nothing else. Raises ClickException."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        raise click.ClickException(
            f"this process may open {hard} files and needs {DESCRIPTORS}: raise the limit (systemd: LimitNOFILE=)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))


def load_asgi(config_path: str) -> Any:
    """What each process of the HTTP server calls: the application, at work."""
    import structlog  # only the processes that answer need all of this, not the one that watches them

    from acme_server.app import create_app
    from acme_server.log import configure_log
    from acme_server.web.asgi import Adapter, hosts_of

    configure_log()
    config = load(Path(config_path))
    application = create_app(config)
    application.start()
    structlog.get_logger().info("listening", url=application.services.urls.directory, address=config.listen)
    return Adapter(
        application.flask,
        application.close,
        hosts=hosts_of(config.external_url, config.pki),
        proxies=config.limits.networks(),
    )


def _keep_own_certificate(config: Config) -> None:
    """Renew it when it is due, and have the processes that answer replaced by ones that use it."""
    while True:
        time.sleep(RENEWAL_CHECK)
        try:
            if _renew_own_certificate(config):
                os.kill(os.getpid(), signal.SIGHUP)  # to the HTTP server: new processes first, then the old ones end
        except click.ClickException as error:
            click.echo(f"the certificate of this web server was not renewed: {error.message}", err=True)


def _check(config: Config) -> None:
    """What can be wrong is told here, once and to a person, and not by every process that dies of it."""
    from acme_server.validation.resolver import system_nameservers

    try:
        if not config.validation.nameservers:
            system_nameservers()
    except ValueError as error:
        raise click.ClickException(f"{error}; set `validation.nameservers`") from error
    _renew_own_certificate(config)


def _renew_own_certificate(config: Config) -> bool:
    """Whether it was due, and is new now. Raises ClickException."""
    from acme_server.issuance.authority import UnusableAuthority
    from acme_server.issuance.signers import UnusableKey
    from acme_server.store import SchemaMismatch, StoreUnavailable

    try:
        return _own_certificate(config)
    except StoreUnavailable as error:
        raise click.ClickException(f"{config.path(config.database)}: {error}") from error
    except (SchemaMismatch, UnusableAuthority, UnusableKey, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _own_certificate(config: Config) -> bool:
    from acme_server.clock import utc_now
    from acme_server.issuance import authority
    from acme_server.issuance.own import OwnCertificate
    from acme_server.issuance.profiles import PROFILES
    from acme_server.store.sqlite import SqliteStore

    certificate, key = config.path(config.tls.certificate), config.path(config.tls.key)
    issuer = authority.load(config.path(config.authority), utc_now()).issuer
    store = SqliteStore(config.path(config.database))
    try:
        # Nobody can be served from a database that cannot be written; this changes nothing in one that can.
        with store.write() as transaction:
            transaction.jobs.release("nobody", utc_now())
        own = OwnCertificate(store, issuer, PROFILES["tls"], config.pki, secrets.token_bytes)
        if not own.is_due(certificate, key, utc_now()):
            return False
        own.make(config.host, certificate, key, utc_now(), "server")
        return True
    finally:
        store.close()
