"""Walks the whole audit chain of a CA, as it lies in the database, up to the first record that does not fit.

It reads page by page, each in a transaction of its own: a server may work meanwhile, and its log of pages is copied
back. It never writes, nor trusts a row before it was judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from acme_server.federation.audit import GENESIS, NotARecord, StoredRecord, flaw, read_record
from acme_server.store import Store

__all__ = ["Break", "Head", "Report", "verify"]

PAGE = 1000
"""Records of a transaction: some megabytes at most, and some hundredths of a second."""
_BEFORE_ALL = -(1 << 63)
"""SQLite's smallest number: a record put in before the first one is found too."""
_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-fA-F]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """One link, as it can be kept elsewhere: it stands for itself and for all before it."""

    number: int
    hash: bytes

    @classmethod
    def parse(cls, text: str) -> Head:
        """`NUMBER:HEX`. Raises ValueError."""
        match = _HEAD.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a record's number, a colon and 64 hexadecimal digits")
        return cls(int(match[1]), bytes.fromhex(match[2]))

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain ends to hold."""

    number: int
    """Of the first record that is wrong or missing."""
    problem: str
    """For people."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; counts and times are of the records up to the break."""

    records: int
    first_at: datetime | None
    last_at: datetime | None
    head: Head | None
    """The newest record; None where there is none."""
    broken: Break | None


def verify(store: Store, kept: Head | None = None, progress: Callable[[int], object] = lambda _: None) -> Report:
    """Judge the chain; `kept` is a head from elsewhere that must be a link of it.

    `progress` is told how many records hold, after each page. Raises StoreUnavailable.
    """
    number, previous = 0, GENESIS
    first: datetime | None = None
    last: datetime | None = None
    broken = None
    for row in _rows(store, progress):
        try:
            record = read_record(row)
            problem = flaw(record, previous, number) or _other_than_kept(row, kept)
        except NotARecord as error:
            problem = str(error)
        if problem is not None:
            broken = Break(row.number, problem)
            break
        number, previous, last = record.number, record.hash, record.at
        first = first or last
    head = Head(number, previous) if number else None
    return Report(number, first, last, head, broken or _cut(number, kept))


def _other_than_kept(row: StoredRecord, kept: Head | None) -> str | None:
    if kept is None or row.number != kept.number or row.hash == kept.hash:
        return None
    return "it has another hash than the head that was kept: the chain was written anew, up to here or further"


def _cut(number: int, kept: Head | None) -> Break | None:
    """What a chain that holds lacks at its end."""
    if kept is not None and kept.number > number:
        return Break(number + 1, f"the chain ends before it, but record {kept.number} was kept as its head: cut off")
    if number == 0:
        return Break(1, "there is no record at all: a CA's first one is that of its making")
    return None


def _rows(store: Store, progress: Callable[[int], object]) -> Iterator[StoredRecord]:
    after = _BEFORE_ALL
    while True:
        with store.read() as transaction:
            page = transaction.audit.stored(after, PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].number
        progress(after)
