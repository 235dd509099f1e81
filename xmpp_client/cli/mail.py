"""`xmpp-cert mail`: takes a message from a mail alias and keeps the code in it for `issue`.

It must never make a mail bounce because it was none of ours, nor answer it.
docs/reference/email-01.md; the pipe delivery of aliases(5), sysexits(3).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from xmpp_client.cli.common import explain
from xmpp_client.config import load
from xmpp_client.errors import ClientError, ConfigError, legible

__all__ = ["mail"]


@click.command()
@click.pass_obj
def mail(path: Path) -> int:
    """Read one mail from stdin and keep its code: for an alias such as `postmaster: "|xmpp-cert mail"`.

    Another mail is let pass with status 0, so that nothing bounces.
    """
    from challenges.transports.mail import SIZE_LIMIT  # noqa: PLC0415 - the mail parser is for this command alone
    from xmpp_client.mailbox import challenge_mail, drop  # noqa: PLC0415

    try:
        ours = challenge_mail(sys.stdin.buffer.read(SIZE_LIMIT + 1))
    except ValueError as error:
        click.echo(f"not a challenge mail: {legible(error, 200)}", err=True)
        return 0
    try:
        drop(_spool(path), ours)
    except (ClientError, OSError) as error:
        explain(str(error), getattr(error, "hint", ""))
        return os.EX_TEMPFAIL  # the mail system keeps the mail and tries again
    click.echo(f"kept the code for {legible(ours.challenge_url, 200)}", err=True)
    return 0


def _spool(path: Path) -> Path:
    """Raises ConfigError."""
    spool = load(path).spool
    if spool is None:
        raise ConfigError("there is no folder for codes", hint="Set `spool`.")
    return spool
