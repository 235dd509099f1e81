"""The store on SQLite: one file, WAL, `synchronous=FULL`, for a CA on one machine.

Every thread has its own connection. A write takes the lock at once (BEGIN IMMEDIATE), so a transaction that has read
can never fail for having read too early. A COMMIT that has returned is on the disk.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from acme_server.store import SchemaMismatch, StoreUnavailable
from acme_server.store.accounts import Accounts
from acme_server.store.audit import Audit
from acme_server.store.authorizations import Authorizations
from acme_server.store.certificates import Certificates, Crls
from acme_server.store.jobs import Jobs, Outbox
from acme_server.store.orders import Orders

__all__ = ["REVISION", "SqliteStore"]

REVISION = "0001"
"""The migration that this version works with (`migrations/versions`)."""

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process's write to end."""


class SqliteTransaction:
    """See the contract."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.accounts = Accounts(connection)
        self.orders = Orders(connection)
        self.authorizations = Authorizations(connection)
        self.certificates = Certificates(connection)
        self.jobs = Jobs(connection)
        self.outbox = Outbox(connection)
        self.audit = Audit(connection)
        self.crls = Crls(connection)


class SqliteStore:
    """See the contract. Raises SchemaMismatch when the file is not at REVISION."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._check_revision()

    def read(self) -> AbstractContextManager[SqliteTransaction]:
        """See the contract."""
        return self._transaction("BEGIN", "ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[SqliteTransaction]:
        """See the contract."""
        # Threads of one process queue here, where waiting is fair, and not at SQLite's lock, where it is polling.
        if not self._writing.acquire(timeout=BUSY_TIMEOUT):
            raise StoreUnavailable("another thread has been writing for too long")
        try:
            with self._transaction("BEGIN IMMEDIATE", "COMMIT") as transaction:
                yield transaction
        finally:
            self._writing.release()

    def close(self) -> None:
        """See the contract; no other thread may use the store any more."""
        with self._lock:
            while self._open:
                self._open.pop().close()

    @contextmanager
    def _transaction(self, begin: str, end: str) -> Iterator[SqliteTransaction]:
        try:
            connection, transaction = self._connection()
            try:
                connection.execute(begin)
                yield transaction
                connection.execute(end)
            finally:
                # After an exception, or a COMMIT that failed (disk full).
                if connection.in_transaction:
                    connection.rollback()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def _connection(self) -> tuple[sqlite3.Connection, SqliteTransaction]:
        pair: tuple[sqlite3.Connection, SqliteTransaction] | None = getattr(self._local, "pair", None)
        if pair is None:
            connection = sqlite3.connect(
                f"file:{self._path}?mode=rw",
                uri=True,
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                # Closing happens in the thread that ends the server.
                check_same_thread=False,
                cached_statements=256,
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            # Pages of the log before they are copied into the database: the fewer copies, the less is written twice.
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            pair = self._local.pair = (connection, SqliteTransaction(connection))
            with self._lock:
                self._open.append(connection)
        return pair

    def _check_revision(self) -> None:
        if not self._path.is_file():
            raise SchemaMismatch(f"{self._path} does not exist: make it with `xmpp-ica init`")
        try:
            row = self._connection()[0].execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise SchemaMismatch(f"{self._path} is not a database of xmpp-ica: {error}") from error
        if row is None or row[0] != REVISION:
            found = "none" if row is None else row[0]
            raise SchemaMismatch(
                f"{self._path} has schema {found}, this version works with {REVISION}: run `xmpp-ica migrate`"
            )
