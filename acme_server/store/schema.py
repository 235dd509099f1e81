"""The tables, as SQLAlchemy knows them: what the migrations lead to, and what the tests compare a database with.

`serve` never imports this module (SQLAlchemy costs more to import than an issuance to make): the hot statements are
in the files of this package, and a test compares the two. Times are seconds since the epoch, UTC; JSON is text.

What an issuance costs is mostly the pages it writes: so tables keyed by text are without SQLite's row id (one tree and
not two), and there is no index that no statement needs; the small table of jobs has none.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

__all__ = ["metadata"]

metadata = MetaData()

Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("thumbprint", String, nullable=False, unique=True),
    Column("jwk", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("contact", Text, nullable=False),
    Column("terms_agreed_at", Integer),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "authorizations",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False),
    Column("type", String, nullable=False),
    Column("value", String, nullable=False),
    Column("subdomains", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("expires", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("assurance", String),
    Column("caa_checked_at", Integer),
    Index("authorization_by_name", "account_id", "value"),
    sqlite_with_rowid=False,
)

Table(
    "challenges",
    metadata,
    Column("id", String, primary_key=True),
    Column("authorization_id", String, ForeignKey("authorizations.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("status", String, nullable=False),
    Column("token", String, nullable=False),
    Column("offer", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("thumbprint", String),
    Column("error", Text),
    Column("validated_at", Integer),
    Column("revision", Integer, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "certificates",
    metadata,
    Column("serial", String, primary_key=True),
    Column("order_id", String, index=True),
    Column("account_id", String, ForeignKey("accounts.id")),
    Column("issuer_id", String, nullable=False),
    Column("profile", String, nullable=False),
    Column("identifiers", Text, nullable=False),
    Column("tbs_sha256", LargeBinary, nullable=False),
    Column("spki_sha256", LargeBinary, nullable=False),
    Column("not_before", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("der", LargeBinary),
    Column("revoked_at", Integer),
    Column("reason", Integer),
    # No signature without its record, no issued certificate without its bytes.
    CheckConstraint("(status = 'issued') = (der IS NOT NULL)", name="issued_has_der"),
    CheckConstraint("status <> 'orphan' OR revoked_at IS NOT NULL", name="orphan_is_revoked"),
    Index("certificate_revoked", "issuer_id", "revoked_at"),
    Index("certificate_by_key", "spki_sha256"),
    sqlite_with_rowid=False,
)

Table(
    "orders",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("profile", String, nullable=False),
    Column("expires", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("error", Text),
    Column("csr", LargeBinary),
    Column("processing_since", Integer),
    Column("certificate", String, ForeignKey("certificates.serial"), unique=True),
    Column("not_before", Integer),
    Column("not_after", Integer),
    Column("replaces", String),
    CheckConstraint("certificate IS NULL OR error IS NULL", name="valid_has_no_error"),
    # Most orders replace nothing, and write no page of it.
    Index(
        "order_replaces",
        "replaces",
        "processing_since",
        "expires",
        sqlite_where=text("replaces IS NOT NULL AND error IS NULL"),
    ),
    sqlite_with_rowid=False,
)

Table(
    "order_identifiers",
    metadata,
    Column("order_id", String, ForeignKey("orders.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("type", String, nullable=False),
    Column("value", String, nullable=False),
    Column("authorization_id", String, ForeignKey("authorizations.id"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

Table(
    "jobs",
    metadata,
    Column("kind", String, primary_key=True),
    Column("ref", String, primary_key=True),
    Column("due", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("owner", String),
    Column("lease_until", Float),
    Column("account_id", String),
    sqlite_with_rowid=False,
)

Table(
    "outbox",
    metadata,
    Column("id", String, primary_key=True),
    Column("challenge_id", String, ForeignKey("challenges.id"), nullable=False, index=True),
    Column("recipient", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Integer, nullable=False),
    Column("event", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("at", Integer, nullable=False),
    Column("delivered_at", Integer),
)

Table(
    "crls",
    metadata,
    Column("issuer_id", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("this_update", Integer, nullable=False),
    Column("next_update", Integer, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "external_keys",
    metadata,
    Column("kid", String, primary_key=True),
    Column("mac_key", LargeBinary, nullable=False),
    Column("label", String, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("account_id", String, ForeignKey("accounts.id"), unique=True),
    Column("binding", Text),
    Column("revoked_at", Integer),
    CheckConstraint("(account_id IS NULL) = (binding IS NULL)", name="bound_has_binding"),
    sqlite_with_rowid=False,
)

Table(
    "blocked_keys",
    metadata,
    Column("spki_sha256", LargeBinary, primary_key=True),
    Column("blocked_at", Integer, nullable=False),
    Column("reason", String, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "limits",
    metadata,
    Column("name", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("free_at", BigInteger),
    Column("exception", String),
    sqlite_with_rowid=False,
)

Table(
    "linted_shapes",
    metadata,
    Column("shape", String, primary_key=True),
    Column("passed_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "approvals",
    metadata,
    Column("name", String, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), primary_key=True),
    Column("approved_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "former_keys",
    metadata,
    Column("account_id", String, ForeignKey("accounts.id"), primary_key=True),
    Column("thumbprint", String, primary_key=True, index=True),
    sqlite_with_rowid=False,
)
