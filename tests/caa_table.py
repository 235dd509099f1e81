"""CAA as a test wants it, without records or a resolver; it keeps what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from acme_server.validation.caa import Asked
from challenges.base import Fault

__all__ = ["CaaTable"]


@dataclass
class CaaTable:
    """Implements `acme_server.validation.caa_lookup.Caa`: permits all names but those it is told not to."""

    asked: list[Asked] = field(default_factory=list)
    forbidden: dict[str, Fault] = field(default_factory=dict)
    """By name; a wildcard's with its `*.`."""

    def refusals(self, asked: Sequence[Asked]) -> dict[Asked, Fault]:
        self.asked += asked
        names = {each: f"*.{each.name}" if each.wildcard else each.name for each in asked}
        return {each: self.forbidden[name] for each, name in names.items() if name in self.forbidden}

    def names(self) -> set[str]:
        """The names asked for since this was last called."""
        names = {each.name for each in self.asked}
        self.asked.clear()
        return names
