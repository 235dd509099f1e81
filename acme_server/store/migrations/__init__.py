"""Alembic's migrations: how a database gets the schema of `schema.py`, forward only."""
