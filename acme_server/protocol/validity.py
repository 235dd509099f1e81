"""notBefore and notAfter of a newOrder (RFC 8555 §7.4): RFC 3339 read strictly; the profile says what may be asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from acme_server.errors import Malformed
from challenges.base import Json

__all__ = ["read_validity"]

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.0+)?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
"""Of whole seconds: a certificate knows no others. A leap second is no time to ask for."""


def read_validity(payload: Json) -> tuple[datetime | None, datetime | None]:
    """`notBefore` and `notAfter` in UTC; None where a member is not there or null. Raises Malformed."""
    return _moment(payload, "notBefore"), _moment(payload, "notAfter")


def _moment(payload: Json, name: str) -> datetime | None:
    value = payload.get(name)
    if value is None:
        return None
    parts = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if parts is not None:
        date, time, offset = parts.groups()
        try:
            return datetime.fromisoformat(f"{date}T{time}{offset.upper()}").astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise Malformed(f"`{name}` must be a time as RFC 3339 writes it, in whole seconds: 2026-06-01T12:00:00Z")
