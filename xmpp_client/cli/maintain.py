"""`xmpp-cert issue`, `renew` and `install`: the commands that change certificates.

`renew` with nothing due must not touch the network, nor load what issuing needs.
Exit codes are in `docs/reference/xmpp-cert.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xmpp_client import durable
from xmpp_client.cli.common import explain, lock_path, workbench_for
from xmpp_client.cli.terminal import Lines, progress_for
from xmpp_client.clock import SYSTEM, to_text
from xmpp_client.config import Certificate, Config, load
from xmpp_client.errors import ClientError, StateError
from xmpp_client.lineage import Lineage
from xmpp_client.upkeep import Outlook, outlook

if TYPE_CHECKING:
    from xmpp_client.issuance import Workbench

__all__ = ["IDLE", "install", "issue", "renew"]

IDLE = 3
"""Exit code of `renew --exit-code` when nothing was due."""

_names = click.argument("names", nargs=-1, metavar="[NAME]...")
_force = click.option("--force", is_flag=True, help="Also what is not due yet.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing unless something goes wrong.")


@click.command()
@_names
@_force
@_quiet
@click.pass_obj
def issue(path: Path, names: tuple[str, ...], force: bool, quiet: bool) -> int:
    """Obtain and install the configured certificates that are missing or due (NAME: only these)."""
    config = load(path)
    chosen, failed = _chosen(config, names)
    idle = [o for o in chosen if o.idle and not force]
    _tell_idle(idle, quiet=quiet)
    return failed | _work(config, [o for o in chosen if o not in idle], quiet=quiet, force=force)


@click.command()
@_names
@_force
@_quiet
@click.option("--exit-code", is_flag=True, help=f"End with status {IDLE} instead of 0 when nothing was due.")
@click.pass_obj
def renew(path: Path, names: tuple[str, ...], force: bool, quiet: bool, exit_code: bool) -> int:
    """Renew what is due: the timer's command. Makes no network call when nothing is."""
    config = load(path)
    chosen, failed = _chosen(config, names)
    missing = [o for o in chosen if o.version is None]
    for absent in missing:
        failed = 1
        explain(f"{absent.certificate.name} has no certificate yet", "Run `xmpp-cert issue`.")
    idle = [o for o in chosen if o.idle and not force]
    _tell_idle(idle, quiet=quiet)
    rest = [o for o in chosen if o not in idle and o not in missing]
    if not rest and exit_code:
        return failed or IDLE
    return failed | _work(config, rest, quiet=quiet, force=force)


@click.command()
@click.argument("name")
@click.option("--to", "number", type=click.IntRange(1), help="Make this version of the archive the live one first.")
@_quiet
@click.pass_obj
def install(path: Path, name: str, number: int | None, quiet: bool) -> int:
    """Install the live certificate of NAME again, or go back to an older one."""
    config = load(path)
    certificate = config.find(name)
    lineage = Lineage(config.state, certificate.name)
    with durable.lock(lock_path(config)), progress_for(quiet=quiet) as progress:
        version = lineage.current() if number is None else lineage.version(str(number))
        if version is None:
            raise StateError(f"{certificate.name} has no certificate yet", hint="Run `xmpp-cert issue`.")
        if version.marked("revoked"):
            raise StateError(
                f"version {version.number} of {certificate.name} was revoked and is not installed",
                hint="Choose another by --to, or get a new one by `xmpp-cert renew --force`.",
            )
        if number is not None:
            lineage.switch(version)
        from xmpp_client import issuance  # noqa: PLC0415 - see the module's docstring

        issuance.install(workbench_for(config, progress), certificate, lineage, version)
        if not certificate.server:
            progress.step(f"{lineage.live} is version {version.number}; no `server` is configured")
    return 0


def _chosen(config: Config, names: Iterable[str]) -> tuple[list[Outlook], int]:
    """The certificates today, and 1 if there was one that cannot be judged: it is told, the others go on."""
    now = SYSTEM.now()
    found, failed = [], 0
    for certificate in [config.find(name) for name in names] or config.certificate:
        try:
            found.append(outlook(config, certificate, now))
        except StateError as error:
            failed = 1
            explain(f"{certificate.name}: {error}", error.hint)
    return found, failed


def _tell_idle(idle: Iterable[Outlook], *, quiet: bool) -> None:
    for item in idle:
        if item.version is not None and not quiet:
            meta = item.version.meta
            click.echo(
                f"nothing is due: {item.certificate.name} is valid until {to_text(meta.not_after)} "
                f"and will be renewed from {to_text(meta.renew_at)}"
            )


def _work(config: Config, outlooks: list[Outlook], *, quiet: bool, force: bool) -> int:
    """Do what is to be done for each, going on after a failure; 1 if there was any."""
    if not outlooks:
        return 0
    failed = 0
    with durable.lock(lock_path(config)), progress_for(quiet=quiet) as progress:
        workbench = workbench_for(config, progress)
        for item in outlooks:
            failed |= _one(item, progress, partial(_renew_one, workbench, item.certificate, force=force))
    return failed


def _one(item: Outlook, progress: Lines, work: Callable[[], None]) -> int:
    try:
        work()
    except ClientError as error:
        progress.rest()
        explain(f"{item.certificate.name}: {error}", error.hint)
        return 1
    return 0


def _renew_one(workbench: Workbench, certificate: Certificate, *, force: bool) -> None:
    """Issue and install one certificate, if it is still needed: another run may have done it before we had the lock."""
    from xmpp_client import issuance  # noqa: PLC0415 - see the module's docstring

    now = outlook(workbench.config, certificate, workbench.clock.now())
    if now.idle and not force:
        return
    version = now.version
    if version is None or now.due or force:
        reason = now.due.reason or ("as asked" if version else "it is the first")
        workbench.progress.step(f"{certificate.name}: a new certificate ({reason})")
        version = issuance.issue(workbench, certificate, now.lineage)
    issuance.install(workbench, certificate, now.lineage, version)
