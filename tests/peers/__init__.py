"""Programs nobody here wrote, for our tests, demo and bench to talk to: found, started on loopback, and ended again.

Every one keeps its files in a folder it is given and listens on 127.0.0.1 only. Nothing here knows how our own code
works: ours is started by its commands, as anybody would.
"""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["COMMANDS", "ROOT", "find"]

ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder of the project."""

COMMANDS = {
    "acme-tiny": "acme-tiny",
    "certbot": "certbot",
    "certbot-pypi": ".peers/certbot/bin/certbot",
    "curl": "curl",
    "dehydrated": "dehydrated",
    "hexdump": "hexdump",
    "lego": "lego",
    "nsupdate": "nsupdate",
    "openssl": "openssl",
    "p1-acme": "escript",
    "pebble": "pebble",
    "prosody": "prosody",
    "uacme": "uacme",
    "ualpn": "ualpn",
    "unbound": "unbound",
    "unshare": "unshare",
}
"""What a peer is called here -> its command, or its path below ROOT where it is installed beside the packages."""


def find(name: str) -> Path | None:
    """The program of a peer, or None where it is not installed."""
    command = COMMANDS[name]
    if "/" in command:
        return ROOT / command if (ROOT / command).is_file() else None
    # Debian keeps daemons where the PATH of ordinary users does not lead.
    path = shutil.which(command) or shutil.which(command, path="/usr/sbin")
    return Path(path) if path else None
