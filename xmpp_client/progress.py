"""How library code tells what it is doing: to an object that is silent unless a front end replaces it.

Nothing here may print; a code, a key or a token must never be passed to it.
The steps told are those of RFC 8555 §7.1.6.
"""

from __future__ import annotations

__all__ = ["SILENT", "Progress"]


class Progress:
    """Silent. A front end overrides what it wants to show."""

    def step(self, text: str) -> None:
        """Something is done: one short sentence."""

    def waiting(self, text: str) -> None:
        """Something is being waited for, from now until the next call of either method."""

    def trouble(self, text: str) -> None:
        """Something went wrong that does not end the command."""


SILENT = Progress()
