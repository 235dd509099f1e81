"""What every statement of the store is written for: a connection inside a transaction, and the forms of its values.

The statements are in one file an object, common to every dialect: named parameters, one row <-> one value of
`model.py`. They never decide: statuses come from `states.py` and are written by compare-and-set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from challenges.base import Json

__all__ = ["Database", "Rows", "dump", "load", "moment", "seconds", "when"]


class Rows(Protocol):
    """What running a statement gives (a part of PEP 249's cursor)."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """A connection inside a transaction; parameters are written `:name`."""

    def execute(self, statement: str, parameters: Mapping[str, Any], /) -> Rows: ...


def seconds(time: datetime) -> int:
    """Seconds since the epoch."""
    return int(time.timestamp())


def when(stored: float | None) -> datetime | None:
    """Seconds since the epoch, or nothing, as a time, or nothing."""
    return None if stored is None else datetime.fromtimestamp(stored, UTC)


def moment(stored: float) -> datetime:
    """Seconds since the epoch as a time."""
    return datetime.fromtimestamp(stored, UTC)


def dump(value: Any) -> str:
    """JSON text, canonical: sorted members, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load(stored: str | None) -> Json | None:
    """JSON text, or nothing, as an object, or nothing."""
    return None if stored is None else json.loads(stored)
