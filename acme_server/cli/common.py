"""What the commands share: where the configuration is, who is typing, and how a failure is told."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import click

from acme_server.config import Config, ConfigError, load
from acme_server.urls import Urls

__all__ = ["actor", "config_option", "json_option", "read_config", "urls_of"]

_LOGIN = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("/etc/xmpp-ica/xmpp-ica.toml"),
    show_default=True,
    help="The configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def read_config(path: Path) -> Config:
    """The configuration, or an error for the person."""
    try:
        return load(path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


def urls_of(config: Config) -> Urls:
    """The server's URLs."""
    return Urls(config.external_url, config.pki)


def actor() -> str:
    """Who gave the command, for the audit chain: `user/NAME`, or `user/root (NAME)` where NAME has logged in.

    As the kernel knows them: whoever types can set any environment variable.
    """
    user, login = os.getuid(), _login()
    return f"user/{_name(user)}" if login in {None, user} else f"user/{_name(user)} ({_name(login)})"


def _login() -> int | None:
    """Who has logged in, by user id; None where nobody has, or nothing keeps account of it."""
    try:
        login = int(_LOGIN.read_text("ascii"))
    except OSError:
        return None
    return None if login == _NOBODY else login


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user need not have one
        return str(user)
