"""`xmpp-ica audit`: what the audit chain says about itself. It changes nothing, and works beside a running server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from acme_server.cli.common import config_option, json_option, read_config
from acme_server.cli.database import opened, say
from acme_server.federation.verification import Head, Report, verify
from acme_server.store import Store

__all__ = ["audit"]


class _Unreadable(click.ClickException):
    """The chain cannot be read, or nobody be told; 1 is the exit code for one that is broken."""

    exit_code = 2


def _head(_context: click.Context, _option: click.Parameter, value: str | None) -> Head | None:
    try:
        return None if value is None else Head.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group()
def audit() -> None:
    """Look after the audit chain."""


@audit.command("verify")
@config_option
@click.option(
    "--head",
    metavar="NUMBER:HEX",
    callback=_head,
    help="A link that was kept elsewhere, and that the chain must still have.",
)
@json_option
def verify_(config_path: Path, head: Head | None, as_json: bool) -> None:
    """Verify the whole audit chain: status 0: it holds; 1: it is broken; 2: it cannot be read.

    Whoever can write the database can write the whole chain anew, or cut off its end. Keep the head this prints on
    another machine, and give it to `--head` the next time.
    """
    try:
        with opened(read_config(config_path)) as store, _progress(store) as progress:
            report = verify(store, head, progress)
    except click.ClickException as error:
        raise _Unreadable(error.message) from error
    say(json.dumps(_facts(report), indent=1) if as_json else _text(report), _Unreadable)
    if report.broken is not None:
        sys.exit(1)


def _facts(report: Report) -> dict[str, object]:
    broken = report.broken
    return {
        "holds": broken is None,
        "records": report.records,
        "first_at": report.first_at and f"{report.first_at:%Y-%m-%dT%H:%M:%SZ}",
        "last_at": report.last_at and f"{report.last_at:%Y-%m-%dT%H:%M:%SZ}",
        "head": report.head and str(report.head),
        "broken": broken and {"number": broken.number, "problem": broken.problem},
    }


def _text(report: Report) -> str:
    span = f"{report.records} record{'s' * (report.records != 1)}"
    if report.first_at and report.last_at:
        span += f", {report.first_at:%Y-%m-%d %H:%M:%S} to {report.last_at:%Y-%m-%d %H:%M:%S} UTC"
    if report.broken is None:
        return f"The audit chain holds: {span}.\nHead: {report.head}"
    broken = report.broken
    return f"The audit chain is BROKEN at record {broken.number}: {broken.problem}.\nBefore it: {span}."


@contextmanager
def _progress(store: Store) -> Iterator[Callable[[int], object]]:
    """Told how many records hold, it shows that on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # costs 50 ms, and cron has no terminal
    from rich.progress import Progress

    with store.read() as transaction:
        newest = transaction.audit.newest()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("records", total=None if newest is None else newest.number)
        yield lambda done: bar.update(task, completed=done)
