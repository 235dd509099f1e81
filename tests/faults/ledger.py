"""What the database of a CA must say after anything: read from the file itself, beside the server.

A list of everything that is wrong, empty when all is well. security: record before sign, durable before said, the audit
chain.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509

from acme_server.store.sqlite import SqliteStore
from tests.audit_chain import broken_link

Row = tuple[Any, ...]


@contextlib.contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{database}?mode=rw", uri=True, timeout=10, isolation_level=None)
    try:
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write."""
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def rows(database: Path, statement: str, *values: object) -> list[Row]:
    with reading(database) as connection:
        return connection.execute(statement, values).fetchall()


def _published(connection: sqlite3.Connection) -> set[str]:
    """Serials on the newest CRLs."""
    found = connection.execute("SELECT der FROM crls").fetchall()
    return {f"{entry.serial_number:x}" for (der,) in found for entry in x509.load_der_x509_crl(der)}


QUESTIONS = {
    "a serial is reserved and neither issued nor an orphan": "SELECT serial FROM certificates WHERE status = 'reserved'",
    "a certificate was issued that its order does not name": (
        "SELECT serial FROM certificates c WHERE status = 'issued' AND order_id IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = c.order_id AND o.certificate = c.serial)"
    ),
    "an order is stuck in processing": (
        "SELECT id FROM orders WHERE processing_since IS NOT NULL AND certificate IS NULL AND error IS NULL"
    ),
    "an authorization is valid without a valid challenge": (
        "SELECT id FROM authorizations a WHERE status = 'valid' AND NOT EXISTS"
        " (SELECT 1 FROM challenges c WHERE c.authorization_id = a.id AND c.status = 'valid')"
    ),
    "an authorization is pending though its challenge has ended": (
        "SELECT id FROM authorizations a WHERE status = 'pending' AND EXISTS"
        " (SELECT 1 FROM challenges c WHERE c.authorization_id = a.id AND c.status IN ('valid', 'invalid'))"
    ),
    "nobody works on a challenge that is being validated": (
        "SELECT c.id FROM challenges c JOIN authorizations a ON a.id = c.authorization_id"
        " WHERE c.status = 'processing' AND a.status = 'pending'"
        " AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = 'validate' AND j.ref = c.id)"
    ),
    "a mail is in the outbox and nobody sends it": (
        "SELECT id FROM outbox o WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = 'mail' AND j.ref = o.id)"
    ),
    "a job of making a certificate is left of an order that has ended": (
        "SELECT ref FROM jobs j JOIN orders o ON o.id = j.ref"
        " WHERE j.kind = 'issue' AND (o.certificate IS NOT NULL OR o.error IS NOT NULL)"
    ),
    "a certificate has no record of its reservation": (
        "SELECT serial FROM certificates c WHERE NOT EXISTS (SELECT 1 FROM audit a"
        " WHERE a.event = 'certificate_reserved' AND a.subject = 'certificate/' || c.serial)"
    ),
    "a certificate has not exactly one record of its end": (
        "SELECT serial FROM certificates c WHERE 1 <> (SELECT count(*) FROM audit a WHERE a.event IN"
        " ('certificate_issued', 'certificate_orphaned') AND a.subject = 'certificate/' || c.serial)"
    ),
    "a member was not told of a certificate": (
        "SELECT serial FROM certificates c WHERE status = 'issued' AND account_id IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM notices n WHERE n.event = 'certificate_issued' AND n.subject = 'certificate/' || c.serial)"
    ),
    "an account has no record": (
        "SELECT id FROM accounts x WHERE 1 <> (SELECT count(*) FROM audit a"
        " WHERE a.event = 'account_created' AND a.subject = 'account/' || x.id)"
    ),
    "a reference leads nowhere": "PRAGMA foreign_key_check",
}


def faults(database: Path) -> list[str]:
    """Everything that is wrong, now."""
    with reading(database) as connection:
        wrong = [
            f"{what}: {found}"
            for what, question in QUESTIONS.items()
            if (found := connection.execute(question).fetchall())
        ]
        revoked = connection.execute("SELECT serial FROM certificates WHERE revoked_at IS NOT NULL").fetchall()
        if hidden := {serial for (serial,) in revoked} - _published(connection):
            wrong.append(f"revoked or an orphan, and not on the CRL: {hidden}")
        if (state := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            wrong.append(f"the file is damaged: {state}")
    store = SqliteStore(database)
    with store.read() as transaction:
        if (broken := broken_link(transaction.audit.records(0, 1 << 30))) is not None:
            wrong.append(f"the audit chain is broken at record {broken}")
    store.close()
    return wrong
