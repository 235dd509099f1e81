"""The store's contract, second part: what the operator and the past allow or forbid.

Nothing here knows what a row means for a request; that is for `policy.py` and the handlers to say.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from acme_server.limits import Entry
from acme_server.model import ExternalAccountKey
from challenges.base import Json

__all__ = ["Approvals", "BlockedKeys", "ExternalAccountKeys", "Limits", "LintedShapes"]


class ExternalAccountKeys(Protocol):
    """Keys that bind new accounts to accounts elsewhere (RFC 8555 §7.3.4)."""

    def add(self, key: ExternalAccountKey) -> bool:
        """Whether it was added: False when there is one of this `kid`."""

    def get(self, kid: str) -> ExternalAccountKey | None: ...

    def of_account(self, account_id: str) -> ExternalAccountKey | None:
        """The one that has bound this account."""

    def bind(self, kid: str, account_id: str, binding: Json) -> bool:
        """Use the key up; False when it has bound an account already, or is revoked."""

    def revoke(self, kid: str, now: datetime) -> bool:
        """It binds no account any more; False when it is revoked already, or there is none."""

    def all(self) -> tuple[ExternalAccountKey, ...]:
        """By the time of their making."""


class BlockedKeys(Protocol):
    """Keys that nobody may use any more, by the SHA-256 of their SubjectPublicKeyInfo."""

    def block(self, spki_sha256: bytes, now: datetime, reason: str) -> bool:
        """`reason` is for people. False when it is blocked already."""

    def blocked(self, spki_sha256: bytes) -> bool: ...


class LintedShapes(Protocol):
    """Shapes of certificates that pkilint has found nothing wrong with."""

    def known(self, shape: str) -> bool: ...

    def passed(self, shape: str, now: datetime) -> None: ...


class Limits(Protocol):
    """Rows of the rate limits, each of a (limit, subject); `acme_server/limits.py` says what they mean."""

    def get(self, limit: str, subject: str) -> Entry | None: ...

    def put(self, limit: str, subject: str, free_at: int) -> None:
        """Write the number, whether there is a row or not; microseconds since the epoch."""

    def mark(self, limit: str, subject: str, exception: str) -> None:
        """Write the exception, whether there is a row or not."""

    def unmark(self, limit: str, subject: str) -> None:
        """No exception any more, if there was one."""

    def remove(self, limit: str, subject: str) -> bool:
        """Whether there was a row."""

    def excepted(self, limit: str) -> frozenset[str]:
        """Subjects of the limit that are an exception."""

    def page(self, after: tuple[str, str], limit: int) -> tuple[Entry, ...]:
        """Up to `limit` rows beyond the (limit, subject) `after`, in order of both."""


class Approvals(Protocol):
    """High-value names that a person has approved for an account, each with all names below it."""

    def approve(self, name: str, account_id: str, now: datetime) -> bool:
        """`name`: A-labels in lower case. False when it is approved already."""

    def withdraw(self, name: str, account_id: str) -> bool:
        """False when it is not approved."""

    def of_account(self, account_id: str) -> tuple[str, ...]:
        """The names that are approved for the account."""

    def all(self) -> tuple[tuple[str, str, datetime], ...]:
        """(name, account id, when), by name."""
