"""What several commands need: errors as sentences, the state directory's lock, the workbench that work is done on.

Importing it must not load what issuing needs.
Our own policy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xmpp_client import durable
from xmpp_client.cli.terminal import Lines, Prompter
from xmpp_client.clock import SYSTEM
from xmpp_client.config import Config
from xmpp_client.errors import StateError

if TYPE_CHECKING:
    from xmpp_client.issuance import Workbench

__all__ = ["explain", "lock_path", "workbench_for"]


def explain(what: str, hint: str) -> None:
    """An error on stderr, with what to do next unless that is empty."""
    click.echo(f"error: {what}", err=True)
    if hint:
        click.echo(f"  next: {hint}", err=True)


def workbench_for(config: Config, progress: Lines) -> Workbench:
    """The workbench with the system's clock and a person at stdin."""
    from xmpp_client.issuance import Workbench as Made  # noqa: PLC0415 - see the module's docstring

    return Made(config, SYSTEM, progress, Prompter(progress))


def lock_path(config: Config) -> Path:
    """The lock's file, its directory made if need be. Raises StateError."""
    try:
        durable.make_directory(config.state)
    except OSError as error:
        raise StateError(
            f"the state directory {config.state} cannot be made: {error.strerror}",
            hint="Run this as root, or set `state`.",
        ) from error
    return config.state / "lock"
