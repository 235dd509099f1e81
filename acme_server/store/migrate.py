"""Bring a database to the schema this version works with (Alembic).

Only `xmpp-ica init` and `xmpp-ica migrate` import this; `serve` merely compares the revision. A migration runs in one
transaction: interrupted, the database is as it was.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, event

__all__ = ["upgrade"]


def upgrade(path: Path) -> tuple[str | None, str | None]:
    """Migrate the SQLite file, made (mode 0600) if it is not there; the revisions before and after."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    config = Config()
    config.set_main_option("script_location", "acme_server.store:migrations")
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            before = MigrationContext.configure(connection).get_current_revision()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return before, MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    """Begin no transaction by itself: Python's driver would begin none before DDL, and so leave half a migration."""
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")
