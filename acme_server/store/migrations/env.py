"""Alembic runs this for each migration; the connection comes from `migrate.py`."""

from __future__ import annotations

from alembic import context

from acme_server.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
