"""`xmpp-ica`: the CA's commands. Each one that changes something is in the audit chain."""

from __future__ import annotations

import click

from acme_server.cli.approve import approve
from acme_server.cli.audit import audit
from acme_server.cli.check import check
from acme_server.cli.eab import eab
from acme_server.cli.export import export
from acme_server.cli.init import init
from acme_server.cli.limit import limit
from acme_server.cli.migrate import migrate
from acme_server.cli.serve import serve

__all__ = ["main"]


class _Commands(click.Group):
    """What is typed goes into the database and the audit chain, both of which are UTF-8."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            "".join(args).encode()
        except UnicodeEncodeError as error:
            raise click.UsageError("an argument is not UTF-8") from error
        return super().parse_args(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xmpp-ica")
def main() -> None:
    """Run an ACME certificate authority for the XMPP federation."""


main.add_command(init)
main.add_command(serve)
main.add_command(migrate)
main.add_command(eab)
main.add_command(approve)
main.add_command(check)
main.add_command(audit)
main.add_command(export)
main.add_command(limit)
