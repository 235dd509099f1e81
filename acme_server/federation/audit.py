"""The audit chain: each record's hash covers the record and the hash before it.

Whoever changes, removes or inserts a record breaks every hash that follows. It cannot show that the newest records
were cut off, or that all were written anew: that takes a head kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from acme_server.model import AuditRecord
from challenges.base import Json

__all__ = ["GENESIS", "NotARecord", "StoredRecord", "flaw", "link_hash", "read_record"]

GENESIS = bytes(32)
"""What the first record names as the hash before it."""


class NotARecord(Exception):  # noqa: N818 - what it is
    """A row of the chain does not hold what a record holds; str() says which part of it."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A row as it lies in the database, where others than the server may have put anything."""

    number: int
    at: int | None
    """Seconds since the epoch; None where it is no whole number."""
    event: bytes
    actor: bytes
    subject: bytes
    detail: bytes
    previous: bytes
    hash: bytes


def link_hash(previous: bytes, number: int, at: datetime, event: str, actor: str, subject: str, detail: Json) -> bytes:
    """SHA-256 over the hash before and the record as canonical JSON (UTF-8, sorted members, no blanks)."""
    record = _canonical([number, int(at.timestamp()), event, actor, subject, detail])
    return hashlib.sha256(previous + record.encode()).digest()


def read_record(row: StoredRecord) -> AuditRecord:
    """The record that a row holds. Raises NotARecord.

    Its detail must be written as the server writes it: of two members with one name, each reader believes another.
    """
    if row.at is None:
        raise NotARecord("its time is not a whole number")
    try:
        at = datetime.fromtimestamp(row.at, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotARecord("its time is none") from error
    try:
        event, actor, subject, text = (part.decode() for part in (row.event, row.actor, row.subject, row.detail))
        detail = json.loads(text)
        written_by_us = isinstance(detail, dict) and _canonical(detail) == text
    except (ValueError, RecursionError) as error:
        raise NotARecord("it holds what is neither text nor JSON") from error
    if not written_by_us:
        raise NotARecord("its detail is not written as this server writes it")
    return AuditRecord(row.number, at, event, actor, subject, detail, row.previous, row.hash)


def flaw(record: AuditRecord, previous: bytes, number: int) -> str | None:
    """Why a record does not fit behind the one of that number and that hash, for people; None when it does."""
    if record.number != number + 1:
        gap = f"record {number + 1} is" if record.number == number + 2 else f"records {number + 1} ff. are"
        return f"{gap} missing before it" if record.number > number else "the chain begins with record 1"
    fits = record.previous == previous
    whole = record.hash == link_hash(
        record.previous, record.number, record.at, record.event, record.actor, record.subject, record.detail
    )
    if fits and whole:
        return None
    if fits:
        return "its hash is not that of what it says: it was changed"
    if whole:
        return f"it was written behind another record {number}: one was changed, removed or put in before it"
    return f"neither the hash of record {number} nor its own is right in it: it was changed or put in"


def _canonical(value: Json | list[object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
