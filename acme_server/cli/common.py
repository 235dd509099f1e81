"""What the commands share: where the configuration is, who is typing, and how a failure is told."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from acme_server.config import Config, ConfigError, load

__all__ = ["actor", "config_option", "read_config"]

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("/etc/xmpp-ica/xmpp-ica.toml"),
    show_default=True,
    help="The configuration file.",
)


def read_config(path: Path) -> Config:
    """The configuration, or an error for the person."""
    try:
        return load(path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


def actor() -> str:
    """Who gave the command, for the audit chain: `user/NAME`."""
    return f"user/{getpass.getuser()}"
