"""What RFC 8555 §7.3.4, RFC 9773 and identifiers of more than one type need; keys and names that are held back."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables and columns; the names of certificates become identifiers."""
    _authorizations()
    _orders()
    _jobs()
    _certificates()
    _external_keys()
    _blocked_keys()
    _limits()
    _linted_shapes()
    _approvals()
    _former_keys()


def _authorizations() -> None:
    op.add_column("authorizations", sa.Column("caa_checked_at", sa.Integer(), nullable=True))


def _orders() -> None:
    for name, kind in (("not_before", sa.Integer()), ("not_after", sa.Integer()), ("replaces", sa.String())):
        op.add_column("orders", sa.Column(name, kind, nullable=True))
    op.create_index(
        "order_replaces",
        "orders",
        ["replaces", "processing_since", "expires"],
        sqlite_where=sa.text("replaces IS NOT NULL AND error IS NULL"),
    )


def _jobs() -> None:
    op.add_column("jobs", sa.Column("account_id", sa.String(), nullable=True))


def _certificates() -> None:
    op.execute("ALTER TABLE certificates RENAME COLUMN names TO identifiers")
    table = sa.table("certificates", sa.column("serial", sa.String), sa.column("identifiers", sa.Text))
    connection = op.get_bind()
    for serial, names in connection.execute(sa.select(table)).all():
        identifiers = [{"type": "dns", "value": name} for name in json.loads(names)]
        stored = json.dumps(identifiers, sort_keys=True, separators=(",", ":"))
        connection.execute(sa.update(table).where(table.c.serial == serial).values(identifiers=stored))
    op.create_index("certificate_by_key", "certificates", ["spki_sha256"])


def _external_keys() -> None:
    op.create_table(
        "external_keys",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("mac_key", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("binding", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.Integer(), nullable=True),
        sa.CheckConstraint("(account_id IS NULL) = (binding IS NULL)", name="bound_has_binding"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("kid"),
        sa.UniqueConstraint("account_id"),
        sqlite_with_rowid=False,
    )


def _blocked_keys() -> None:
    op.create_table(
        "blocked_keys",
        sa.Column("spki_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("blocked_at", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("spki_sha256"),
        sqlite_with_rowid=False,
    )


def _limits() -> None:
    op.create_table(
        "limits",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("free_at", sa.BigInteger(), nullable=True),
        sa.Column("exception", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", "subject"),
        sqlite_with_rowid=False,
    )


def _linted_shapes() -> None:
    op.create_table(
        "linted_shapes",
        sa.Column("shape", sa.String(), nullable=False),
        sa.Column("passed_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("shape"),
        sqlite_with_rowid=False,
    )


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("approved_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("name", "account_id"),
        sqlite_with_rowid=False,
    )


def _former_keys() -> None:
    op.create_table(
        "former_keys",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("thumbprint", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("account_id", "thumbprint"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_former_keys_thumbprint", "former_keys", ["thumbprint"])
