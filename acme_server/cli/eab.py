"""`xmpp-ica eab`: keys that bind new accounts to people we know (RFC 8555 §7.3.4).

A key is shown once, when it is made; the database has it, the log and the audit chain never do.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path

import click

from acme_server.cli.common import actor, config_option, json_option, read_config
from acme_server.cli.database import opened
from acme_server.model import ExternalAccountKey
from acme_server.protocol.messages import timestamp
from challenges.base import base64url

__all__ = ["eab", "new_key"]

_KID_OCTETS, _KEY_OCTETS = 12, 32
_MAX_LABEL = 200


@click.group()
def eab() -> None:
    """Keys for external account binding."""


@eab.command()
@config_option
@click.option("--label", default="", metavar="TEXT", help="Whom the key is for; only `eab list` shows it.")
@json_option
def create(config_path: Path, label: str, as_json: bool) -> None:
    """Make a key that one new account can be made with, and print it: it is not shown again."""
    from acme_server.clock import utc_now

    if not label.isprintable() or len(label) > _MAX_LABEL:
        raise click.UsageError(f"--label takes one line of at most {_MAX_LABEL} characters")
    config = read_config(config_path)
    kid, text, key = new_key(secrets.token_bytes)
    now = utc_now()
    with opened(config) as store, store.write() as transaction:
        added = transaction.external_keys.add(ExternalAccountKey(kid, key, label, now))
        assert added  # 96 random bits
        detail = {"label": label}
        transaction.audit.append("external_key_created", actor=actor(), subject=_subject(kid), at=now, detail=detail)
    directory = f"{config.external_url}/directory"
    if as_json:
        click.echo(json.dumps({"kid": kid, "key": text, "label": label, "directory": directory}, indent=1))
        return
    click.echo(f"kid: {kid}\nkey: {text}\n")
    click.echo(f"certbot register --server {directory} --eab-kid {kid} --eab-hmac-key {text}")
    click.echo(f"lego --server {directory} --eab --kid {kid} --hmac {text} …")
    click.echo(f"acme.sh --register-account --server {directory} --eab-kid {kid} --eab-hmac-key {text}")


def new_key(random: Callable[[int], bytes]) -> tuple[str, str, bytes]:
    """A new kid (hexadecimal), and a key as base64url and as octets. `random`: that many octets from a CSPRNG."""
    kid = random(_KID_OCTETS).hex()
    # A value that begins with a dash is an option to most clients.
    while (text := base64url(key := random(_KEY_OCTETS))).startswith("-"):
        pass
    return kid, text, key


@eab.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """List all keys: whom each is for, and what has become of it."""
    with opened(read_config(config_path)) as store, store.read() as transaction:
        keys = transaction.external_keys.all()
    if as_json:
        click.echo(json.dumps([_facts(key) for key in keys], ensure_ascii=False, indent=1))
        return
    for key in keys:
        revoked = f"revoked {timestamp(key.revoked_at)}" if key.revoked_at else ""
        bound = f"account {key.account_id}" if key.account_id else ""
        state = ", ".join(part for part in (bound, revoked) if part) or "unused"
        click.echo(f"{key.kid}  {timestamp(key.created_at)}  {state}  {key.label}".rstrip())


def _facts(key: ExternalAccountKey) -> dict[str, str | None]:
    return {
        "kid": key.kid,
        "label": key.label,
        "created": timestamp(key.created_at),
        "account": key.account_id,
        "revoked": None if key.revoked_at is None else timestamp(key.revoked_at),
    }


@eab.command()
@config_option
@click.argument("kid")
def revoke(config_path: Path, kid: str) -> None:
    """Let the key KID bind no account any more. An account that it has bound stays."""
    from acme_server.clock import utc_now

    now = utc_now()
    with opened(read_config(config_path)) as store, store.write() as transaction:
        key = transaction.external_keys.get(kid)
        if key is None:
            raise click.ClickException(f"there is no key {kid!r}: `xmpp-ica eab list` shows those there are")
        if not transaction.external_keys.revoke(kid, now):
            raise click.ClickException(f"{kid} was revoked before")
        detail = {"label": key.label, "account": key.account_id}
        transaction.audit.append("external_key_revoked", actor=actor(), subject=_subject(kid), at=now, detail=detail)
    click.echo(f"{kid} is revoked.")


def _subject(kid: str) -> str:
    return f"external-key/{kid}"
