"""Progress and questions on a terminal, or plain lines where there is none.

Only here does the client print while it works; rich is imported on a terminal alone.
Our own policy.
"""

from __future__ import annotations

import os
import select
import sys
from typing import Any, Self

import click

from xmpp_client.errors import ChallengeFailed
from xmpp_client.progress import Progress

__all__ = ["Lines", "Prompter", "Spinner", "progress_for"]

_LONGEST = 4096


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
    """Asks for a line on stdin. A question that timed out is not printed again when it is asked again.

    It reads the descriptor itself: lines that Python's own stdin had buffered would not be seen by `select`.
    """

    def __init__(self, progress: Lines, source: int = 0) -> None:
        self._progress = progress
        self._source = source
        """A descriptor."""
        self._typed = b""
        self._open = ""

    def __call__(self, question: str, timeout: float) -> str:
        """The next line that is not blank.

        Raises TimeoutError when nothing comes for so many seconds, ChallengeFailed at the end of the input.
        """
        if question != self._open:
            self._progress.rest()
            click.echo(f"{question}: ", nl=False, err=True)
            self._open = question
        while True:
            line, end, rest = self._typed.partition(b"\n")
            if not end and len(line) < _LONGEST:
                self._typed += self._more(timeout)
                continue
            self._typed = rest
            if line.strip():
                self._open = ""
                return line.decode("utf-8", "replace")

    def _more(self, timeout: float) -> bytes:
        """What was typed since; a last line without its end gets one."""
        if not select.select([self._source], [], [], timeout)[0]:
            raise TimeoutError("no code was typed in time")
        part = os.read(self._source, _LONGEST)
        if part or self._typed:
            return part or b"\n"
        raise ChallengeFailed(
            "the input ended before a code was typed",
            hint="Run this on a terminal, or set up another `mail.reader`.",
        )


def progress_for(*, quiet: bool) -> Lines:
    """The kind that fits: moving only on a terminal."""
    return Spinner() if sys.stderr.isatty() and not quiet else Lines(quiet=quiet)
