"""Our own rules where the RFCs leave the choice to the server; pure functions of values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["USABLE", "Reuse"]

USABLE = timedelta(hours=1)
"""What an order needs of a valid authorization: one with less time left is not used again."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """How long a valid authorization may be used again, by the worth of its proof."""

    usual: timedelta
    mail: timedelta

    def of(self, assurance: str) -> timedelta:
        """How long an authorization of that assurance stays valid: at least for the order it was proved for."""
        return max(self.mail if assurance == "mail" else self.usual, USABLE)
