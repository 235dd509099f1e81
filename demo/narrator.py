"""What the demo says and shows: a line for each thing done, a moving sign where it waits, commands and their output.

It must never leave a command running, whatever ends the demo. On anything but a terminal it writes plain lines.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import IO

from rich.console import Console

from demo.signals import held

__all__ = ["Narrator", "StepError"]

PATIENCE = 60.0
"""Seconds a command may take: far more than any needs."""


class StepError(Exception):
    """The demo cannot go on; str() is the reason."""


class Narrator:
    """Writes to a console; with `pause` it waits for Enter after each step."""

    def __init__(self, console: Console, *, pause: bool) -> None:
        self._console = console
        self._pause = pause
        self._steps = 0

    def step(self, title: str) -> None:
        """A new step, after a pause if there are to be any."""
        if self._steps:
            self.pause()
        self._steps += 1
        self._write(f"\n{self._steps}. {title}", style="bold")

    def pause(self) -> None:
        """Wait for Enter, or the end of the input, where this was asked for."""
        if self._pause:
            self._write("   (Enter goes on)")
            with suppress(EOFError):
                input()

    def say(self, text: str) -> None:
        """One thing that was done or seen."""
        self._write(f"   {text}")

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """A moving sign for as long as the block lasts."""
        return self._console.status(f"{what} …")

    def run(self, *words: str | Path) -> None:
        """Show a command and what it says while it runs. Raises StepError unless its status is 0."""
        shown = " ".join([Path(words[0]).name, *(_quoted(str(word)) for word in words[1:])])
        self._write(f"   $ {shown}", style="cyan")
        with self.waiting("it runs"):
            said, status = self._watch([str(word) for word in words])
        if status != 0:
            raise StepError(f"`{shown}` ended with status {status}: {_reason(said)}")

    def _watch(self, argv: Sequence[str]) -> tuple[list[str], int]:
        """The lines of a command and its status; it ends with us, and when its time is over."""
        with ExitStack() as ending:
            with held():
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
                ending.callback(_end, process)
            deadline = threading.Timer(PATIENCE, process.kill)
            ending.callback(deadline.cancel)
            deadline.start()
            assert process.stdout is not None
            return self._pass_on(process.stdout), process.wait()

    def _pass_on(self, output: IO[str]) -> list[str]:
        said = []
        for line in output:
            said.append(line)
            self._write(f"     {line.rstrip()}", style="dim")
        return said

    def _write(self, text: str, style: str = "") -> None:
        """As it is: nothing in it is markup, and a long path stays in one piece."""
        self._console.print(text, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _end(process: subprocess.Popen[str]) -> None:
    """Whether it has ended or not."""
    process.kill()
    process.communicate()


def _reason(said: Sequence[str]) -> str:
    """What a command gives as its error; otherwise the last it said."""
    errors = [line.strip() for line in said if line.lower().startswith("error:")]
    return (errors or [line.strip() for line in said] or ["it said nothing"])[-1]


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word
