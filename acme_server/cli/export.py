"""`xmpp-ica export`: what the CA has recorded, for other programs. It changes nothing, and works beside a server."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from acme_server.cli.common import config_option, read_config
from acme_server.cli.database import opened

__all__ = ["export"]

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@click.group()
def export() -> None:
    """Write out what the CA has recorded."""


@export.command()
@config_option
@click.option("--since", type=click.DateTime(_TIMES), help="Only what was made or revoked since then (UTC).")
@click.option("--live", is_flag=True, help="Only what is valid now: issued, not revoked, not expired.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file, whole or not at all, for its owner alone; else standard output.",
)
def certificates(config_path: Path, since: datetime | None, live: bool, output: Path | None) -> None:
    """Export the record of every serial: one JSON object a line, in the order of the serials.

    With what was reserved and never issued; an issued certificate comes with its DER in base64.
    """
    from acme_server.clock import utc_now
    from acme_server.federation.export import certificates as records

    count = 0
    since = since and since.replace(tzinfo=UTC)
    with opened(read_config(config_path)) as store, _opened(output) as file:
        for record in records(store, since=since, live_at=utc_now() if live else None):
            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            count += 1
    if output is not None:
        click.echo(f"{count} serial{'s' * (count != 1)} written to {output}")


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    """Where to write. Raises ClickException; a reader who goes away (EPIPE) is click's own business."""
    try:
        if output is not None:
            with _whole(output) as file:
                yield file
            return
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()  # here, and not when Python ends, a full disk can still be told
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise click.ClickException(f"{output or 'standard output'}: {error.strerror}") from error


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file (mode 0600) that gets its name when all of it is on the disk; what had it before stays until then."""
    # The name itself is judged, not what a link leads to: /dev/stdout is a link, and may lead to a file.
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise click.ClickException(f"{path} is there, and is not a file of its own that could be replaced")
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:  # Ctrl-C too
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
