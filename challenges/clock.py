"""The one place in this package where the time is read; whatever needs it gets it as a parameter."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["utc_now"]


def utc_now() -> datetime:
    """The time now, aware and in UTC."""
    return datetime.now(UTC)
