"""The audit chain and the notices in SQL."""

from __future__ import annotations

import json
from datetime import datetime

from acme_server.federation.audit import GENESIS, StoredRecord, link_hash
from acme_server.model import AuditRecord, Notice
from acme_server.store.sql import Database, dump, moment, seconds
from challenges.base import Json

__all__ = ["Audit"]

# Octets whatever the type: a text that is none, which only somebody else can have put there, would end the reading.
_STORED = (
    "SELECT number, CASE typeof(at) WHEN 'integer' THEN at END, CAST(event AS BLOB), CAST(actor AS BLOB),"
    " CAST(subject AS BLOB), CAST(detail AS BLOB), CAST(previous AS BLOB), CAST(hash AS BLOB) FROM audit "
)


class Audit:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, event: str, *, actor: str, subject: str, at: datetime, detail: Json | None = None) -> None:
        """See the contract."""
        last = self._db.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", {}).fetchone()
        number, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
        detail = detail or {}
        self._db.execute(
            "INSERT INTO audit (number, at, event, actor, subject, detail, previous, hash)"
            " VALUES (:number, :at, :event, :actor, :subject, :detail, :previous, :hash)",
            {
                "number": number,
                "at": seconds(at),
                "event": event,
                "actor": actor,
                "subject": subject,
                "detail": dump(detail),
                "previous": previous,
                "hash": link_hash(previous, number, at, event, actor, subject, detail),
            },
        )

    def records(self, after: int, limit: int) -> tuple[AuditRecord, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT number, at, event, actor, subject, detail, previous, hash FROM audit"
            " WHERE number > :after ORDER BY number LIMIT :limit",
            {"after": after, "limit": limit},
        )
        return tuple(
            AuditRecord(number, moment(at), event, actor, subject, json.loads(detail), previous, hash_)
            for number, at, event, actor, subject, detail, previous, hash_ in rows.fetchall()
        )

    def stored(self, after: int, limit: int) -> tuple[StoredRecord, ...]:
        """See the contract."""
        rows = self._db.execute(
            _STORED + "WHERE number > :after ORDER BY number LIMIT :limit", {"after": after, "limit": limit}
        )
        return tuple(StoredRecord(*row) for row in rows.fetchall())

    def newest(self) -> StoredRecord | None:
        """See the contract."""
        row = self._db.execute(_STORED + "ORDER BY number DESC LIMIT 1", {}).fetchone()
        return None if row is None else StoredRecord(*row)

    def notice(self, notice: Notice) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO notices (account_id, event, subject, at) VALUES (:account_id, :event, :subject, :at)",
            {
                "account_id": notice.account_id,
                "event": notice.event,
                "subject": notice.subject,
                "at": seconds(notice.at),
            },
        )

    def notices(self) -> tuple[Notice, ...]:
        """See the contract."""
        rows = self._db.execute(
            "SELECT account_id, event, subject, at FROM notices WHERE delivered_at IS NULL ORDER BY id", {}
        )
        return tuple(Notice(account, event, subject, moment(at)) for account, event, subject, at in rows.fetchall())
