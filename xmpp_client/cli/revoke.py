"""`xmpp-cert revoke`: tell the CA that one of our certificates must not be trusted any more.

It must never revoke what is not in the state directory, nor guess which version is meant by a serial.
RFC 8555 §7.6, RFC 5280 §5.3.1.
"""

from __future__ import annotations

from pathlib import Path

import click

from xmpp_client import durable
from xmpp_client.cli.common import lock_path, workbench_for
from xmpp_client.cli.terminal import progress_for
from xmpp_client.config import load
from xmpp_client.errors import StateError
from xmpp_client.lineage import Lineage, Version

__all__ = ["revoke"]

_REASONS = ("unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation")


@click.command()
@click.argument("name")
@click.option("--old", "number", type=click.IntRange(1), help="This version of the archive instead of the live one.")
@click.option("--serial", help="The version with this serial number, in hexadecimal.")
@click.option(
    "--reason", type=click.Choice(_REASONS), default="unspecified", show_default=True, help="What the CRL says."
)
@click.pass_obj
def revoke(path: Path, name: str, number: int | None, serial: str | None, reason: str) -> None:
    """Revoke a certificate of NAME: the live one, or the one chosen. `renew` then replaces a live one."""
    if number is not None and serial is not None:
        raise click.UsageError("--old and --serial exclude each other")
    from xmpp_client import issuance  # noqa: PLC0415 - loads cryptography, which `renew` must not

    config = load(path)
    lineage = Lineage(config.state, config.find(name).name)
    with durable.lock(lock_path(config)), progress_for(quiet=False) as progress:
        version = _version(lineage, number, serial)
        new = issuance.revoke(workbench_for(config, progress), version, reason)
        said = "revoked" if new else "was already revoked:"
        progress.step(f"{said} version {version.number} of {lineage.name}, serial {version.meta.serial}")


def _version(lineage: Lineage, number: int | None, serial: str | None) -> Version:
    if serial is not None:
        wanted = serial.lower().replace(":", "").lstrip("0")
        found = [version for version in lineage.versions() if version.meta.serial == wanted]
        if not found:
            raise StateError(
                f"no version of {lineage.name} has this serial number", hint="`xmpp-cert status` lists them."
            )
        return found[0]
    version = lineage.current() if number is None else lineage.version(str(number))
    if version is None:
        raise StateError(f"{lineage.name} has no certificate yet")
    return version
