"""How the demo is stopped: a signal unwinds it, but never between a process's start and the note that it must be ended.

A second one, from somebody in a hurry, must never keep anything from being ended. Statuses are those of a shell.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["held", "ignore", "unwind"]

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def unwind() -> None:
    """From here on the first signal raises SystemExit."""
    for number in STOPPING:
        signal.signal(number, _stop)


def ignore() -> None:
    """From here on signals change nothing: we are ending already."""
    for number in STOPPING:
        signal.signal(number, _nothing)  # SIG_IGN would have Python complain of one that is just being handled


@contextmanager
def held() -> Iterator[None]:
    """A signal that comes during the block is acted upon after it."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signal's signature
    ignore()
    sys.exit(128 + number)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Not even a look."""
