"""A database of an older version, with rows in it, becomes this version's and loses nothing."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from acme_server.store.migrate import upgrade
from acme_server.store.sqlite import REVISION, SqliteStore
from challenges.base import Identifier
from tests.audit_chain import broken_link
from tests.store_values import LATER, NAME, NOW, account, authorization, certificate, order

T, UNTIL = int(NOW.timestamp()), int(LATER.timestamp())
NAMES = ("example.org", "b.example.org")
ROWS = {
    "accounts": [("a", "thumbprint of a", "{}", "valid", json.dumps(account().contact), T, T)],
    "authorizations": [("z", "a", "dns", "example.org", 0, "pending", UNTIL, T, None)],
    "challenges": [
        (
            f"{first}-z",
            "z",
            position,
            type_,
            "pending",
            "t",
            json.dumps({"a": ["ü", None, 1]}),
            "{}",
            None,
            None,
            None,
            0,
        )
        for position, (first, type_) in enumerate((("c", "http-01"), ("d", "email-01")))
    ],
    "certificates": [
        (
            "1f",
            "o",
            "a",
            "i",
            "xmpp",
            json.dumps(NAMES),
            bytes(32),
            b"\1" * 32,
            T,
            UNTIL,
            T,
            "reserved",
            None,
            None,
            None,
        ),
        ("2f", None, None, "i", "tls", '["ca.example"]', bytes(32), b"\2" * 32, T, UNTIL, T, "issued", b"der", T, 4),
    ],
    "orders": [("o", "a", "xmpp", UNTIL, T, None, None, None, None)],
    "order_identifiers": [("o", position, "dns", name, "z") for position, name in enumerate(NAMES)],
    "jobs": [("crl", "i", float(T), 0, None, None)],
    "notices": [(1, "a", "certificate_issued", "certificate/2f", T, None)],
}
"""What `tests/store_values.py` says, as schema 0001 keeps it."""


@pytest.fixture
def old(tmp_path):
    """A database at 0001."""
    path = tmp_path / "store.db"
    config = Config()
    config.set_main_option("script_location", "acme_server.store:migrations")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for table, rows in ROWS.items():
            for row in rows:
                connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    return path


def test_from_0001_every_row_is_there_as_this_version_reads_it(old):
    assert upgrade(old) == ("0001", REVISION)
    store = SqliteStore(old)
    try:
        with store.read() as transaction:
            assert transaction.accounts.get("a") == account()
            assert transaction.authorizations.get("z") == authorization()
            assert transaction.orders.get("o") == order()
            assert transaction.certificates.get("1f") == certificate()
            own = transaction.certificates.get("2f")
            assert own.identifiers == (Identifier("dns", "ca.example"),)
            assert (own.der, own.revoked_at, own.reason) == (b"der", NOW, 4)
            assert [notice.subject for notice in transaction.audit.notices()] == ["certificate/2f"]
            assert transaction.external_keys.all() == ()
            assert transaction.external_keys.of_account("a") is None
            assert not transaction.blocked_keys.blocked(b"\1" * 32)
    finally:
        store.close()


def test_from_0001_the_database_can_be_written_as_before(old):
    upgrade(old)
    store = SqliteStore(old)
    try:
        with store.write() as transaction:
            transaction.orders.add(order("p", replaces="2f"))
            transaction.certificates.reserve(certificate("3f", "p", identifiers=(NAME,)))
            transaction.audit.append("x", actor="server", subject="s", at=NOW)
        with store.read() as transaction:
            assert transaction.certificates.get("3f").identifiers == (NAME,)
            assert transaction.orders.replacing("2f", NOW, 9) == ("p",)
            assert broken_link(transaction.audit.records(0, 9)) is None
    finally:
        store.close()


def test_from_0001_no_reference_is_left_hanging(old):
    upgrade(old)
    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_migration_that_fails_half_way_leaves_0001_with_all_its_rows(old):
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("CREATE TABLE external_keys (x)")
    with pytest.raises(Exception, match="external_keys"):
        upgrade(old)
    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        for table, rows in ROWS.items():
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == rows
