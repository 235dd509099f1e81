"""The store on SQLite: one file, WAL, `synchronous=FULL`, for a CA on one machine.

A transaction has a connection to itself. A write takes the lock at once (BEGIN IMMEDIATE), so a transaction that has
read can never fail for having read too early. A COMMIT that has returned is on the disk.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from acme_server.store import SchemaMismatch, StoreUnavailable
from acme_server.store.accounts import Accounts
from acme_server.store.approvals import Approvals
from acme_server.store.audit import Audit
from acme_server.store.authorizations import Authorizations
from acme_server.store.blocked_keys import BlockedKeys, LintedShapes
from acme_server.store.certificates import Certificates, Crls
from acme_server.store.external_keys import ExternalAccountKeys
from acme_server.store.jobs import Jobs, Outbox
from acme_server.store.limits import Limits
from acme_server.store.orders import Orders

__all__ = ["REVISION", "SqliteStore"]

REVISION = "0002"
"""The migration that this version works with (`migrations/versions`)."""

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process's write to end."""


class SqliteTransaction:
    """See the contract."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.accounts = Accounts(connection)
        self.orders = Orders(connection)
        self.authorizations = Authorizations(connection)
        self.certificates = Certificates(connection)
        self.jobs = Jobs(connection)
        self.outbox = Outbox(connection)
        self.audit = Audit(connection)
        self.crls = Crls(connection)
        self.external_keys = ExternalAccountKeys(connection)
        self.blocked_keys = BlockedKeys(connection)
        self.limits = Limits(connection)
        self.linted_shapes = LintedShapes(connection)
        self.approvals = Approvals(connection)


class SqliteStore:
    """See the contract. Raises SchemaMismatch when the file is not at REVISION."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # The connection used last comes first: it has written, or seen what was written, so its cache still holds.
        # A connection for each thread would read most pages anew after every write of another one.
        self._idle: list[SqliteTransaction] = []
        self._writing = threading.Lock()
        self._check_revision()

    def read(self) -> AbstractContextManager[SqliteTransaction]:
        """See the contract."""
        return _Scope(self, "BEGIN", "ROLLBACK", None)

    def write(self) -> AbstractContextManager[SqliteTransaction]:
        """See the contract."""
        return _Scope(self, "BEGIN IMMEDIATE", "COMMIT", self._writing)

    def close(self) -> None:
        """See the contract; no other thread may use the store any more."""
        while self._idle:
            self._idle.pop().connection.close()

    def take(self) -> SqliteTransaction:
        """A connection that nobody uses."""
        try:
            return self._idle.pop()
        except IndexError:
            return SqliteTransaction(self._connect())

    def give_back(self, transaction: SqliteTransaction) -> None:
        """It may be used by anybody again."""
        self._idle.append(transaction)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{self._path}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time, as `take` and `give_back` have it
            cached_statements=256,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # A code that was mailed is gone from the file's pages when its row is.
        connection.execute("PRAGMA secure_delete = ON")
        # Pages of the log before they are copied into the database: the fewer copies, the less is written twice.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        return connection

    def _check_revision(self) -> None:
        if not self._path.is_file():
            raise SchemaMismatch(f"{self._path} does not exist: make it with `xmpp-ica init`")
        try:
            transaction = self.take()
            row = transaction.connection.execute("SELECT version_num FROM alembic_version").fetchone()
            self.give_back(transaction)
        except sqlite3.DatabaseError as error:
            raise SchemaMismatch(f"{self._path} is not a database of xmpp-ica: {error}") from error
        if row is None or row[0] != REVISION:
            found = "none" if row is None else row[0]
            raise SchemaMismatch(
                f"{self._path} has schema {found}, this version works with {REVISION}: run `xmpp-ica migrate`"
            )


class _Scope:
    """One transaction, as a context manager; a class and not a generator because it is on every path."""

    def __init__(self, store: SqliteStore, begin: str, end: str, lock: threading.Lock | None) -> None:
        self._store = store
        self._begin = begin
        self._end = end
        self._lock = lock

    def __enter__(self) -> SqliteTransaction:
        # Threads of one process queue here, where waiting is fair, and not at SQLite's lock, where it is polling.
        if self._lock is not None and not self._lock.acquire(timeout=BUSY_TIMEOUT):
            raise StoreUnavailable("another thread has been writing for too long")
        try:
            self._transaction = self._store.take()
        except sqlite3.Error as error:
            self._release()
            raise StoreUnavailable(str(error)) from error
        try:
            self._transaction.connection.execute(self._begin)
        except sqlite3.Error as error:
            self._let_go()
            raise StoreUnavailable(str(error)) from error
        return self._transaction

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        connection = self._transaction.connection
        try:
            if error is None:
                connection.execute(self._end)
        except sqlite3.OperationalError as failure:
            raise StoreUnavailable(str(failure)) from failure
        finally:
            self._let_go()
        # DatabaseError itself, and none of its other kinds, is what SQLite says of a damaged file.
        if isinstance(error, sqlite3.OperationalError) or kind is sqlite3.DatabaseError:
            raise StoreUnavailable(str(error)) from error

    def _let_go(self) -> None:
        """Whatever has gone wrong, the next one finds a connection without a transaction, and the lock free."""
        connection = self._transaction.connection
        try:
            # After an exception, or a COMMIT that failed (disk full).
            if connection.in_transaction:
                connection.rollback()
            self._store.give_back(self._transaction)
        except sqlite3.Error:
            connection.close()  # which undoes what it had begun
        finally:
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
