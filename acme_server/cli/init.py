"""`xmpp-ica init`: a folder that holds a whole CA."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import click

from acme_server.cli.common import actor, read_config

__all__ = ["init"]

_CONFIG = """\
# The configuration of an xmpp-ica CA. Paths are relative to this file.
# Every setting is described in docs/reference/xmpp-ica.md.

name = {name}

# The beginning of every URL the server makes; the Host header of a request is never believed.
external_url = {external_url}
listen = {listen}
{mail}"""

_MAIL = """
# Challenge mail (email-01). Without this section the challenge is not offered.
[mail]
from = {sender}
smarthost = {smarthost}
"""


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", required=True, help="The CA's name, for people; it stands in the issuer's name.")
@click.option("--external-url", required=True, metavar="URL", help="https://host[:port] under which clients reach it.")
@click.option("--listen", metavar="ADDRESS:PORT", help="Where to listen; by default 127.0.0.1 and the URL's port.")
@click.option("--mail-from", metavar="ADDRESS", help="From address of challenge mail; needs --smarthost.")
@click.option("--smarthost", metavar="HOST:PORT", help="Mail server that takes challenge mail; needs --mail-from.")
def init(
    directory: Path, name: str, external_url: str, listen: str | None, mail_from: str | None, smarthost: str | None
) -> None:
    """Make a CA in DIRECTORY: root, issuer, database, web certificate, configuration.

    The root's key, ca/root.key, is not needed to run the CA: move it to a safe place off this machine.
    """
    if (mail_from is None) != (smarthost is None):
        raise click.UsageError("--mail-from and --smarthost go together")
    _check_url(external_url)
    text = _CONFIG.format(
        name=_toml(name),
        external_url=_toml(external_url),
        listen=_toml(listen or f"127.0.0.1:{urlsplit(external_url).port or 443}"),
        mail=_MAIL.format(sender=_toml(mail_from), smarthost=_toml(smarthost or "")) if mail_from else "",
    )
    config_path = directory / "xmpp-ica.toml"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise click.ClickException(f"{directory} is not empty: a CA is made in a folder of its own")
    except OSError as error:
        raise click.ClickException(f"{directory}: {error.strerror}") from error
    try:
        new = directory / "xmpp-ica.toml.new"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        _make(directory, new, name)
        new.rename(config_path)  # last: a CA without its configuration is not one
    except BaseException as error:  # Ctrl-C too: half a CA is in the way of the next attempt
        _empty(directory)
        if isinstance(error, OSError):
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error
        if isinstance(error, ValueError):
            raise click.UsageError(str(error)) from error
        raise
    click.echo(f"The CA is in {directory}. Start it with: xmpp-ica serve --config {config_path}")
    click.echo(f"Give {directory}/ca/root.pem to whoever shall trust it, and take ca/root.key off this machine.")


def _check_url(text: str) -> None:
    try:
        url = urlsplit(text)
        named = (
            url.hostname and not url.hostname.replace(".", "").isdigit() and ":" not in url.hostname and url.port != 0
        )
    except ValueError as error:
        raise click.UsageError(f"--external-url: {error}") from error
    if not named:
        raise click.UsageError("--external-url needs a host name, for example https://ca.example.org")


def _toml(text: str) -> str:
    """A TOML string (a JSON string is one). Raises UsageError for octets that are no text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise click.UsageError(f"{text!r} is not text") from error
    return json.dumps(text, ensure_ascii=False)


def _empty(directory: Path) -> None:
    """Take away all that was made: the folder was ours, and empty."""
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _make(directory: Path, config_path: Path, name: str) -> None:
    # Only here: they cost more to import than `serve` may take to start.
    from acme_server.clock import utc_now
    from acme_server.issuance import authority
    from acme_server.issuance.own import OwnCertificate
    from acme_server.issuance.profiles import PROFILES
    from acme_server.store.migrate import upgrade
    from acme_server.store.sqlite import SqliteStore

    config = read_config(config_path)
    now = utc_now()
    made = authority.create(directory / config.authority, name, now, secrets.token_bytes)
    upgrade(config.path(config.database))
    store = SqliteStore(config.path(config.database))
    try:
        with store.write() as transaction:
            subject = f"issuer/{made.issuer.id}"
            transaction.audit.append("ca_created", actor=actor(), subject=subject, at=now, detail={"name": name})
        own = OwnCertificate(store, made.issuer, PROFILES["tls"], config.pki, secrets.token_bytes)
        own.make(config.host, config.path(config.tls.certificate), config.path(config.tls.key), now, actor())
    finally:
        store.close()
