"""The one place that reads the clock; everything else is handed a `Clock`.

Wall time must never measure a timeout: that is what `monotonic` is for.
RFC 3339 texts are those of RFC 8555 §7.1.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["SYSTEM", "Clock", "from_text", "to_text"]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as a parameter."""

    now: Callable[[], datetime] = _now
    """Aware, UTC, whole seconds."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds from an arbitrary start."""
    sleep: Callable[[float], None] = time.sleep
    """Waits so many seconds."""


SYSTEM = Clock()


def to_text(moment: datetime) -> str:
    """`2026-11-23T03:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(text: str) -> datetime:
    """The reverse, for any offset. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time that is none in UTC") from error
