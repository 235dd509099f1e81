"""Looks up the CAA records of names and says which of them this CA may not certify.

It must never take silence for consent: records, an empty set and NXDOMAIN are answers, and whatever else comes from the
resolver refuses. RFC 8659 §3 and §5.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from acme_server.validation.caa import Asked, Property, names_upwards, obstacle
from challenges.base import Error, Fault

__all__ = ["Caa", "CaaLookup", "CaaRecords"]


class Caa(Protocol):
    """What the validation and the issuance ask before they go on."""

    def refusals(self, asked: Sequence[Asked]) -> dict[Asked, Fault]:
        """Those that must not be certified now, each with the reason.

        Kind `caa` and final where records forbid it; kind `dns` where they could not be had.
        """


class CaaRecords(Protocol):
    """Where CAA records come from: the resolver."""

    def caa(self, name: str, deadline: float) -> tuple[Property, ...]:
        """The CAA records of the A-label name, of its alias where it is one; none where it has none or does not exist.

        `deadline` is a reading of the clock that both sides share. Raises Fault of kind `dns`.
        """


@dataclass(frozen=True, slots=True)
class CaaLookup:
    """Implements `Caa`; holds no state, so threads may share one."""

    records: CaaRecords
    issuers: tuple[str, ...]
    """The A-label names of this CA, in lower case (`caaIdentities`)."""
    clock: Callable[[], float] = time.monotonic
    """Seconds; the same as the resolver's."""
    for_one: float = 10.0
    """Seconds for a name and those above it."""
    for_all: float = 15.0
    """Seconds for one call, which holds a worker: what has no answer by then has to be asked for anew."""

    def refusals(self, asked: Sequence[Asked]) -> dict[Asked, Fault]:
        """See the contract. What stands above several of the names is looked up once."""
        end = self.clock() + self.for_all
        known: dict[str, tuple[Property, ...]] = {}
        found = {}
        for each in asked:
            try:
                self._check(each, known, min(end, self.clock() + self.for_one))
            except Fault as fault:
                found[each] = fault
        return found

    def _check(self, asked: Asked, known: dict[str, tuple[Property, ...]], deadline: float) -> None:
        """Raises Fault for a name that must not be certified."""
        for name in names_upwards(asked.name):
            if name not in known:
                known[name] = self._records(name, asked, deadline)
            if known[name]:
                problem = obstacle(known[name], asked, self.issuers)
                if problem is not None:
                    raise Fault(Error("caa", f"CAA at {name} forbids {_shown(asked)}: {problem}"), transient=False)
                return

    def _records(self, name: str, asked: Asked, deadline: float) -> tuple[Property, ...]:
        try:
            return self.records.caa(name, deadline)
        except Fault as fault:
            detail = f"CAA for {_shown(asked)} could not be checked. {fault.error.detail}"
            raise Fault(Error(fault.error.kind, detail), transient=fault.transient) from fault


def _shown(asked: Asked) -> str:
    return f"*.{asked.name}" if asked.wildcard else asked.name
