"""When a certificate is due for renewal: pure functions of its validity and the time.

Must never read a clock, a file or the network, nor import what does: `renew` decides with this and a small JSON.
The rule is ours: the last third of a life is left for what goes wrong, and in the last tenth nothing may wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

__all__ = ["Due", "Reason", "due", "emergency_at", "renew_at"]

SHORT_LIFE = timedelta(days=10)
"""Certificates that live less than this are renewed at half their life: two thirds leaves too few tries."""


class Reason(StrEnum):
    """Why a certificate is renewed."""

    AGE = "its time has come"
    EMERGENCY = "less than a tenth of its life is left"
    EXPIRED = "it has expired"
    CHANGED = "the configuration has changed"
    REVOKED = "it was revoked"


@dataclass(frozen=True, slots=True)
class Due:
    """The decision for one certificate."""

    reason: Reason | None
    """None: nothing is due."""

    def __bool__(self) -> bool:
        """Whether to renew now."""
        return self.reason is not None


def renew_at(not_before: datetime, not_after: datetime) -> datetime:
    """The regular moment: two thirds of the life, half of a life under ten days; whole seconds, UTC."""
    life = not_after - not_before
    share = life / 2 if life < SHORT_LIFE else life * 2 / 3
    return (not_before + share).replace(microsecond=0)


def emergency_at(not_before: datetime, not_after: datetime) -> datetime:
    """From here on nothing may put a renewal off: a tenth of the life is left."""
    return (not_after - (not_after - not_before) / 10).replace(microsecond=0)


def due(
    now: datetime,
    *,
    not_before: datetime,
    not_after: datetime,
    renew_at: datetime,
    revoked: bool = False,
    changed: bool = False,
) -> Due:
    """Whether to renew now; the most pressing reason is given.

    `changed`: it is not what would be ordered today.
    """
    if now >= not_after:
        return Due(Reason.EXPIRED)
    if revoked:
        return Due(Reason.REVOKED)
    if now >= emergency_at(not_before, not_after):
        return Due(Reason.EMERGENCY)
    if changed:
        return Due(Reason.CHANGED)
    return Due(Reason.AGE if now >= renew_at else None)
