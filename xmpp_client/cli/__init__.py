"""The command `xmpp-cert`: its group, what it does with errors, and its exit codes.

It must never show a traceback or foreign octets to an administrator, nor import at start what only some commands need.
Exit codes are in `docs/reference/xmpp-cert.md`.
"""

from __future__ import annotations

import errno
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from xmpp_client.cli import mail, maintain, revoke, show
from xmpp_client.cli.common import explain
from xmpp_client.config import DEFAULT_PATH
from xmpp_client.errors import ClientError

__all__ = ["FAILED", "INTERRUPTED", "cli", "main"]

FAILED = 1
INTERRUPTED = 130


class _Group(click.Group):
    """A group whose errors are sentences and whose statuses are documented."""

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run the command and end with its status."""
        try:
            ctx.exit(super().invoke(ctx) or 0)
        except (click.Abort, KeyboardInterrupt):
            click.echo("stopped: nothing was left half done", err=True)
            ctx.exit(INTERRUPTED)
        except ClientError as error:
            explain(str(error), error.hint)
            ctx.exit(FAILED)
        except OSError as error:
            if error.errno == errno.EPIPE:  # who read our output has gone: click ends quietly
                raise
            explain(f"{error.filename or 'the system'}: {error.strerror or error}", "")
            ctx.exit(FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_PATH,
    show_default=True,
    help="The configuration file.",
)
@click.version_option(package_name="xmpp-ica")
@click.pass_context
def cli(context: click.Context, path: Path) -> None:
    """Obtain, renew and install certificates for an XMPP server."""
    context.obj = path


for _command in (maintain.issue, maintain.renew, maintain.install, show.show, show.status, revoke.revoke, mail.mail):
    cli.add_command(_command)


def _on_sigterm(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signal's signature
    sys.exit(128 + number)


def main() -> None:
    """The console script. A SIGTERM unwinds like Ctrl-C, so that challenges are cleaned up."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    cli()


if __name__ == "__main__":
    main()
