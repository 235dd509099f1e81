"""`xmpp-cert show` and `status`: what there is, for people and, with --json, for programs.

Neither may change anything or talk to anyone.
The JSON members are listed in `docs/reference/xmpp-cert.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from xmpp_client.cli.common import explain
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
def status(path: Path, as_json: bool) -> int:
    """List the configured certificates: versions, validity, when they are renewed, whether installed."""
    config = load(path)
    now = SYSTEM.now()
    told: list[dict[str, Any]] = []
    failed = 0
    for certificate in config.certificate:
        try:
            told.append(_facts(outlook(config, certificate, now)))
        except StateError as error:
            failed = 1
            told.append({"name": certificate.name, "error": str(error)})
            explain(f"{certificate.name}: {error}", error.hint)
    if as_json:
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return failed
    for facts in told:
        if "error" not in facts:
            click.echo(_line(facts))
    return failed


def _facts(item: Outlook) -> dict[str, Any]:
    return item.to_json() | {"versions": item.lineage.numbers()}


def _line(facts: dict[str, Any]) -> str:
    if facts["version"] is None:
        return f"{facts['name']}: no certificate yet"
    state = f"due ({facts['due']})" if facts["due"] else f"renewal from {facts['renew_at']}"
    placed = {None: "", True: ", installed", False: ", NOT installed"}[facts["installed"]]
    versions = ", ".join(map(str, facts["versions"]))
    return (
        f"{facts['name']}: version {facts['version']} (kept: {versions}), serial {facts['serial']}, "
        f"valid until {facts['not_after']}, {state}{placed}"
    )
