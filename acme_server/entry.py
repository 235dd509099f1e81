"""The console script `xmpp-ica`: it says what is missing where only the client is installed."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command."""
    try:
        from acme_server.cli import main as command  # noqa: PLC0415 - it may not be there, which is the point
    except ModuleNotFoundError as error:
        sys.exit(f"xmpp-ica: {error.name} is not installed; the CA needs the extra: pip install 'xmpp-ica[server]'")
    command()
