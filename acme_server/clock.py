"""The server's clock: the only place that asks the machine for the time of day."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["utc_now"]


def utc_now() -> datetime:
    """Now, aware, UTC."""
    return datetime.now(UTC)
