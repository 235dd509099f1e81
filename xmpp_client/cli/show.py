"""`xmpp-cert show` and `status`: what there is, for people and, with --json, for programs.

Neither may change anything or talk to anyone.
The JSON members are listed in `docs/reference/xmpp-cert.md`.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from xmpp_client.clock import SYSTEM
from xmpp_client.config import load
from xmpp_client.errors import StateError
from xmpp_client.lineage import Lineage
from xmpp_client.upkeep import Outlook, outlook

__all__ = ["show", "status"]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("name", required=False)
@click.option("--old", "number", type=click.IntRange(1), help="This version of the archive instead of the live one.")
@_json
@click.pass_obj
def show(path: Path, name: str | None, number: int | None, as_json: bool) -> None:
    """Show a certificate: names by kind, purposes, validity, chain. Without NAME: the first one configured."""
    from xmpp_client import describe  # noqa: PLC0415 - loads cryptography, which `renew` must not

    config = load(path)
    certificate = config.find(name) if name else config.certificate[0]
    lineage = Lineage(config.state, certificate.name)
    version = lineage.current() if number is None else lineage.version(str(number))
    if version is None:
        raise StateError(f"{certificate.name} has no certificate yet", hint="Run `xmpp-cert issue`.")
    facts = describe.describe(version.pem("fullchain.pem"))
    if as_json:
        place = {"name": certificate.name, "version": version.number, "path": str(version.path)}
        click.echo(json.dumps(place | facts, indent=1, ensure_ascii=False))
    else:
        click.echo(f"{certificate.name}, version {version.number}, in {version.path}")
        click.echo(describe.as_text(facts))


@click.command()
@_json
@click.pass_obj
def status(path: Path, as_json: bool) -> None:
    """List the configured certificates: versions, validity, when they are renewed, whether installed."""
    config = load(path)
    now = SYSTEM.now()
    outlooks = [outlook(config, certificate, now) for certificate in config.certificate]
    if as_json:
        plain = [o.to_json() | {"versions": [v.number for v in o.lineage.versions()]} for o in outlooks]
        click.echo(json.dumps(plain, indent=1, ensure_ascii=False))
        return
    for item in outlooks:
        click.echo(_line(item))


def _line(item: Outlook) -> str:
    facts = item.to_json()
    if item.version is None:
        return f"{facts['name']}: no certificate yet"
    state = f"due ({facts['due']})" if facts["due"] else f"renewal from {facts['renew_at']}"
    placed = {None: "", True: ", installed", False: ", NOT installed"}[facts["installed"]]
    versions = ", ".join(str(version.number) for version in item.lineage.versions())
    return (
        f"{facts['name']}: version {facts['version']} (kept: {versions}), serial {facts['serial']}, "
        f"valid until {facts['not_after']}, {state}{placed}"
    )
