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
    "certbot": "certbot",
    "certbot-pypi": ".peers/certbot/bin/certbot",
    "lego": "lego",
    "openssl": "openssl",
    "pebble": "pebble",
    "prosody": "prosody",
}
"""What a peer is called here -> its command, or its path below ROOT where it is installed beside the packages."""


def find(name: str) -> Path | None:
    """The program of a peer, or None where it is not installed."""
    command = COMMANDS[name]
    if "/" in command:
        return ROOT / command if (ROOT / command).is_file() else None
    path = shutil.which(command)
    return Path(path) if path else None
