"""Progress and questions on a terminal, or plain lines where there is none.

Only here does the client print while it works; rich is imported on a terminal alone.
Our own policy.
"""

from __future__ import annotations

import io
import select
import sys
from typing import Any, Self

import click

from xmpp_client.errors import ChallengeFailed
from xmpp_client.progress import Progress

__all__ = ["Lines", "Prompter", "Spinner", "progress_for"]


class Lines(Progress):
    """One line a step; troubles to stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def step(self, text: str) -> None:
        """A line."""
        if not self._quiet:
            click.echo(text)

    def trouble(self, text: str) -> None:
        """A line on stderr, quiet or not."""
        click.echo(f"note: {text}", err=True)

    def rest(self) -> None:
        """Nothing moves on the terminal from here to the next call."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()  # whatever happened: a cursor that stays hidden is worse than an error


class Spinner(Lines):
    """On a terminal: what is waited for is shown while it lasts."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console  # noqa: PLC0415 - costs 50 ms, and a timer has no terminal

        self._console = Console(stderr=True)
        self._status: Any = None

    def step(self, text: str) -> None:
        """The line, and the end of the waiting."""
        self.rest()
        super().step(text)

    def waiting(self, text: str) -> None:
        """A moving sign with the text."""
        self.rest()
        self._status = self._console.status(text + " …")
        self._status.start()

    def trouble(self, text: str) -> None:
        """The line, and the end of the waiting."""
        self.rest()
        super().trouble(text)

    def rest(self) -> None:
        """Take the sign away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


class Prompter:
    """Asks for a line on stdin. A question that timed out is not printed again when it is asked again."""

    def __init__(self, progress: Lines) -> None:
        self._progress = progress
        self._open = ""

    def __call__(self, question: str, timeout: float) -> str:
        """The line. Raises TimeoutError after so many seconds, ChallengeFailed at the end of the input."""
        if question != self._open:
            self._progress.rest()
            click.echo(f"{question}: ", nl=False, err=True)
            self._open = question
        if not _readable(timeout):
            raise TimeoutError("no code was typed in time")
        line = sys.stdin.readline()
        self._open = ""
        if not line:
            raise ChallengeFailed(
                "the input ended before a code was typed",
                hint="Run this on a terminal, or set up another `mail.reader`.",
            )
        return line


def progress_for(*, quiet: bool) -> Lines:
    """The kind that fits: moving only on a terminal."""
    return Spinner() if sys.stderr.isatty() and not quiet else Lines(quiet=quiet)


def _readable(timeout: float) -> bool:
    """Whether stdin has a line, or an end, within so many seconds."""
    try:
        return bool(select.select([sys.stdin], [], [], timeout)[0])
    except (io.UnsupportedOperation, ValueError):
        return True  # not a descriptor: a read will tell
