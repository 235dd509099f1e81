"""`xmpp-cert mail`: takes a message from a mail alias and keeps the code in it for `issue`.

It must never make a mail bounce because it was none of ours, nor answer it.
The project's protocol for email-01; the pipe delivery of aliases(5).
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from xmpp_client.config import load
from xmpp_client.errors import printable

__all__ = ["mail"]


@click.command()
@click.pass_obj
def mail(path: Path) -> None:
    """Read one mail from stdin and keep its code: for an alias such as `postmaster: "|xmpp-cert mail"`.

    Another mail is let pass with status 0, so that nothing bounces.
    """
    from challenges.transports.mail import SIZE_LIMIT  # noqa: PLC0415 - the mail parser is for this command alone
    from xmpp_client.mailbox import drop  # noqa: PLC0415

    config = load(path)
    raw = sys.stdin.buffer.read(SIZE_LIMIT + 1)
    try:
        url = drop(config.spool_path, raw)
    except ValueError as error:
        click.echo(f"not a challenge mail: {printable(error, 200)}", err=True)
        return
    click.echo(f"kept the code for {printable(url, 200)}", err=True)
