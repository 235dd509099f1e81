"""The audit chain: each record's hash covers the record and the hash before it.

Whoever changes, removes or inserts a record breaks every hash that follows. It cannot show that the newest records
were cut off: that takes a head kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from acme_server.model import AuditRecord
from challenges.base import Json

__all__ = ["GENESIS", "broken_link", "link_hash"]

GENESIS = bytes(32)
"""What the first record names as the hash before it."""


def link_hash(previous: bytes, number: int, at: datetime, event: str, actor: str, subject: str, detail: Json) -> bytes:
    """SHA-256 over the hash before and the record as canonical JSON (UTF-8, sorted members, no blanks)."""
    record = json.dumps(
        [number, int(at.timestamp()), event, actor, subject, detail],
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(previous + record.encode()).digest()


def broken_link(records: Iterable[AuditRecord], previous: bytes = GENESIS, number: int = 0) -> int | None:
    """The number of the first record that does not fit behind the one before it, None when all do.

    `previous` and `number` are those of the record before the first.
    """
    for record in records:
        number += 1
        wanted = link_hash(previous, number, record.at, record.event, record.actor, record.subject, record.detail)
        if (record.number, record.previous, record.hash) != (number, previous, wanted):
            return record.number
        previous = record.hash
    return None
