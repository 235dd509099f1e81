"""Whether records that were read are one chain, by the server's own rule (`acme_server.federation.audit.flaw`)."""

from __future__ import annotations

from collections.abc import Iterable

from acme_server.federation.audit import GENESIS, flaw
from acme_server.model import AuditRecord

__all__ = ["broken_link"]


def broken_link(records: Iterable[AuditRecord], previous: bytes = GENESIS, number: int = 0) -> int | None:
    """The number of the first record that does not fit behind the one before it, None when all do.

    `previous` and `number` are those of the record before the first.
    """
    for record in records:
        if flaw(record, previous, number) is not None:
            return record.number
        previous, number = record.hash, record.number
    return None
