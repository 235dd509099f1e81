"""The log: one line an event, `key=value`, on standard error (journald adds what it likes).

Never in it: tokens, codes, key authorizations, private keys. A line that cannot be written is lost, and stops nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

__all__ = ["configure_log"]


class _Lines:
    """What a logger writes to: a descriptor. On a full disk a request is still answered, and truly."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def configure_log() -> None:
    """Set it up, once in each process."""
    # A descriptor of our own: if another part closes 2, its number may be the database's next, and lines go there.
    descriptor = os.dup(sys.stderr.fileno())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Lines(descriptor))),
        cache_logger_on_first_use=True,
    )
