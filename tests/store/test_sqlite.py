"""What is SQLite's own: durability, faults of the file, the schema and its migrations."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from threading import Thread

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from acme_server.model import Notice
from acme_server.store import SchemaMismatch, StoreUnavailable, sqlite
from acme_server.store.migrate import upgrade
from acme_server.store.schema import metadata
from acme_server.store.sqlite import REVISION, SqliteStore
from tests.store_values import NOW, account


@pytest.fixture
def path(tmp_path):
    upgrade(tmp_path / "store.db")
    return tmp_path / "store.db"


@pytest.fixture
def store(path):
    made = SqliteStore(path)
    yield made
    made.close()


def count(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM accounts").fetchone()[0]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_every_connection_has_wal_full_synchronization_and_foreign_keys(store, kind):
    found = []

    def look():
        with getattr(store, kind)() as transaction:
            found.append([transaction.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS])

    for _ in range(2):
        thread = Thread(target=look)
        thread.start()
        thread.join()
    look()
    assert found == [["wal", 2, 1]] * 3


PRAGMAS = ("journal_mode", "synchronous", "foreign_keys")


def test_the_migrations_lead_to_the_schema_and_to_the_revision_that_this_version_wants(path):
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION
    engine.dispose()


def _schema(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'"
        ).fetchall()
    return {(kind, name): "".join((sql or "").split()).replace('"', "") for kind, name, sql in rows}


def _parts(sql):
    """Columns and constraints, whose sequence does not matter, and what stands behind them."""
    head, _, rest = sql.partition("(")
    body, _, tail = rest.rpartition(")")
    return head, sorted(body.split(",")), tail


def test_the_migrated_tables_have_the_checks_and_the_form_that_the_schema_says(path, tmp_path):
    """What compare_metadata does not look at: CHECK, UNIQUE, WITHOUT ROWID."""
    fresh = tmp_path / "fresh.db"
    engine = create_engine(f"sqlite:///{fresh}")
    metadata.create_all(engine)
    engine.dispose()
    migrated, wanted = _schema(path), _schema(fresh)
    assert set(migrated) == set(wanted)
    for key, sql in wanted.items():
        assert _parts(migrated[key]) == _parts(sql), key


def test_there_is_one_head_and_it_is_the_stores_revision():
    config = Config()
    config.set_main_option("script_location", "acme_server.store:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_a_migration_again_changes_nothing_and_says_so(path):
    before = path.read_bytes()
    assert upgrade(path) == (REVISION, REVISION)
    assert path.read_bytes() == before


def test_a_new_database_is_its_owners_alone_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        assert upgrade(tmp_path / "new.db") == (None, REVISION)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.db").stat().st_mode) == 0o600


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path):
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (x)")
    with pytest.raises(Exception, match="orders"):
        upgrade(path)
    assert set(_schema(path)) == {("table", "orders")}


@pytest.mark.parametrize(
    "prepare",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"rubbish" * 1000),
        lambda path: _run(path, "UPDATE alembic_version SET version_num = '0000'"),
        lambda path: _run(path, "UPDATE alembic_version SET version_num = '9999'"),
        lambda path: _run(path, "DELETE FROM alembic_version"),
        lambda path: _run(path, "DROP TABLE alembic_version"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["missing", "empty", "rubbish", "older", "newer", "without version", "foreign", "a folder"],
)
def test_a_file_that_is_not_at_this_versions_schema_is_a_SchemaMismatch_that_names_it(path, prepare):
    prepare(path)
    with pytest.raises(SchemaMismatch, match=r"store\.db"):
        SqliteStore(path)


def _run(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_opening_makes_no_file(tmp_path):
    with pytest.raises(SchemaMismatch, match="xmpp-ica init"):
        SqliteStore(tmp_path / "missing.db")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_another_process_keeps_locked_is_StoreUnavailable_and_nothing_is_written(path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    store = SqliteStore(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"), store.write() as transaction:
            transaction.accounts.add(account())
        with store.read() as transaction:
            assert transaction.accounts.get("a") is None
        other.execute("ROLLBACK")
    with store.write() as transaction:
        assert transaction.accounts.add(account())
    store.close()


def test_a_thread_that_waits_too_long_for_another_is_StoreUnavailable(store, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    errors = []

    def write():
        try:
            with store.write():
                pass
        except StoreUnavailable as error:
            errors.append(error)

    with store.write():
        thread = Thread(target=write)
        thread.start()
        thread.join()
    assert len(errors) == 1


def test_a_read_only_database_is_StoreUnavailable(path):
    store = SqliteStore(path)
    with store.write() as transaction:
        transaction.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"), store.write() as transaction:
        transaction.accounts.add(account())
    store.close()
    assert count(path) == 0


def test_a_full_disk_is_StoreUnavailable_and_all_of_the_transaction_is_undone(path):
    store = SqliteStore(path)
    with store.write() as transaction:
        (pages,) = transaction.connection.execute("PRAGMA page_count").fetchone()
        transaction.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable, match="full"), store.write() as transaction:  # noqa: PT012
        transaction.accounts.add(account())
        for number in range(100):
            transaction.audit.append("x", actor="a", subject="s", at=NOW, detail={"x": "x" * 1000, "n": number})
    with store.read() as transaction:
        assert transaction.accounts.get("a") is None
        assert transaction.audit.records(0, 1) == ()
    with store.write() as transaction:
        assert transaction.accounts.add(account())
    store.close()


def test_after_close_a_store_keeps_no_file_open(path):
    store = SqliteStore(path)
    with store.write() as transaction:
        transaction.accounts.add(account())
    store.close()
    open_files = [file.resolve() for file in Path("/proc/self/fd").iterdir() if file.exists()]
    assert path not in open_files
    assert not path.with_name("store.db-wal").exists()


def test_a_row_that_others_rest_on_cannot_be_deleted(store):
    with store.write() as transaction:
        transaction.accounts.add(account())
        transaction.audit.notice(Notice("a", "e", "s", NOW))
    with pytest.raises(sqlite3.IntegrityError), store.write() as transaction:
        transaction.connection.execute("DELETE FROM accounts")


def test_a_database_that_is_gone_is_StoreUnavailable(path):
    store = SqliteStore(path)
    store.close()
    path.unlink()
    for enter in (store.read, store.write):
        with pytest.raises(StoreUnavailable, match="unable to open"), enter():
            pass
    assert not path.exists()
