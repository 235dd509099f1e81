"""`xmpp-ica`: the CA's commands. Each one that changes something is in the audit chain."""

from __future__ import annotations

import click

from acme_server.cli.init import init
from acme_server.cli.migrate import migrate
from acme_server.cli.serve import serve

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xmpp-ica")
def main() -> None:
    """Run an ACME certificate authority for the XMPP federation."""


main.add_command(init)
main.add_command(serve)
main.add_command(migrate)
