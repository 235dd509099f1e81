"""Rate limits: which there are, what they count, and the arithmetic: the generic cell rate algorithm (GCRA).

One number for each (limit, subject) says everything: the time at which the subject is fully rested again. Whoever is
rested may spend `count` at once, and after that one in each `period / count`. Nothing here reads a clock or a
database, and times are whole microseconds, so that no rounding ever gives or takes one. RFC 8555 §6.6.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from challenges.base import Identifier, base64url

__all__ = [
    "EXEMPT",
    "KEPT",
    "PAUSED",
    "SECOND",
    "Decision",
    "Entry",
    "Limit",
    "Rate",
    "address_subject",
    "decide",
    "domain_subject",
    "failure_subject",
    "given_back",
    "instant",
    "names_subject",
    "order_cost",
    "parse_rate",
    "paused_subject",
    "used",
]

SECOND = 1_000_000
"""Microseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_WORDS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_RATE = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,2})([smhdw])", re.ASCII)
_LONGEST = 366 * 86400
_NAMES_AT_ONCE = 10
_SHOWN = 200
_SITE = 48
"""Bits of an IPv6 address that one customer shares: who has one address may have all of a /48."""


class Limit(StrEnum):
    """What is limited; the value is the setting of `[limits]`, and stands in the database."""

    NEW_ACCOUNTS = "new_accounts_per_address"
    NEW_ORDERS = "new_orders_per_account"
    FAILED_VALIDATIONS = "failed_validations_per_name"
    """By an account; with those that are under way."""
    CERTIFICATES_OF_DOMAIN = "certificates_per_domain"
    """New ones: a renewal does not count."""
    CERTIFICATES_OF_NAMES = "certificates_per_names"
    """For exactly the same names, of one account: renewals are what it counts."""
    CHANGES = "changes_per_account"
    """Of contacts and keys: each is a durable write and a link of the audit chain."""
    REFUSALS = "refusals_per_address"
    """Of requests whose refusal goes into the audit chain, which nothing is ever taken out of."""


EXEMPT = "exempt"
"""An exception: nothing is counted for this subject."""
PAUSED = "paused"
"""An exception, and the name of the rows that have it: nothing is ordered by this account, or for this name."""

KEPT: Mapping[str, int] = {Limit.CERTIFICATES_OF_NAMES: 180 * 86400 * SECOND}
"""How much longer than it takes to rest a row is kept: it tells a renewal from a new certificate."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in `period`."""

    count: int
    period: int
    """Seconds."""
    text: str
    """The period for people: `3 hours`."""

    @property
    def interval(self) -> int:
        """Microseconds in which one is refilled; rounded down, so that `count` of them never exceed the period."""
        return self.period * SECOND // self.count

    def __str__(self) -> str:
        return f"{self.count} in {self.text}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: what is known of one subject of a limit."""

    limit: str
    subject: str
    free_at: int | None
    """Microseconds since the epoch: when the subject is fully rested. None: nothing was counted."""
    exception: str | None
    """EXEMPT or PAUSED."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and what is known of the subject afterwards."""

    allowed: bool
    free_at: int
    retry_after: int
    """Seconds until it would be allowed, rounded up; 0 where it is."""


def parse_rate(text: str) -> Rate | None:
    """`300/3h`: 300 in 3 hours; `none`: no limit. Raises ValueError."""
    if text == "none":
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a limit: write COUNT/PERIOD such as 300/3h (s, m, h, d, w), or none")
    count, number, unit = int(match[1]), int(match[2]), match[3]
    if number * _UNITS[unit] > _LONGEST:
        raise ValueError(f"{text!r}: the period is longer than a year")
    return Rate(count, number * _UNITS[unit], f"{number} {_WORDS[unit]}{'s' if number > 1 else ''}")


def decide(free_at: int | None, now: int, rate: Rate, cost: int = 1) -> Decision:
    """Spend `cost` if it is there; times in microseconds since the epoch. What costs more than all costs all."""
    rested_at = _rested_at(free_at, now, rate)
    after = rested_at + min(cost, rate.count) * rate.interval
    wait = after - now - rate.period * SECOND
    if wait > 0:
        return Decision(False, rested_at, -(-wait // SECOND))
    return Decision(True, after, 0)


def given_back(free_at: int | None, now: int, rate: Rate, count: int) -> int | None:
    """The new `free_at` when `count` that were spent are given back; None: nothing is spent any more."""
    rested_at = _rested_at(free_at, now, rate) - count * rate.interval
    return rested_at if rested_at > now else None


def used(free_at: int | None, now: int, rate: Rate) -> int:
    """How many of `rate.count` cannot be spent now."""
    return min(rate.count, -(-(_rested_at(free_at, now, rate) - now) // rate.interval))


def _rested_at(free_at: int | None, now: int, rate: Rate) -> int:
    # Never beyond a period from now, whatever the clock or the configuration was when the row was written.
    return now if free_at is None else min(max(free_at, now), now + rate.period * SECOND)


def instant(time: datetime) -> int:
    """Microseconds since the epoch."""
    return (time - _EPOCH) // _MICROSECOND


def order_cost(names: int) -> int:
    """What an order costs: every ten names count as one, for they are what fills the database."""
    return -(-names // _NAMES_AT_ONCE)


def address_subject(address: str) -> str:
    """The subject that an IP address belongs to: an IPv4 address, or the /48 of an IPv6 address."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), _SITE), strict=False))


def domain_subject(identifier: Identifier, registrable: Callable[[str], str | None]) -> str:
    """Who is responsible for a name: its registrable domain, a user's JID itself, an address as above."""
    if identifier.type == "ip":
        return address_subject(identifier.value)
    if identifier.type == "jid":
        return identifier.value  # the users of a large server must not be in each other's way
    name = identifier.value.removeprefix("*.")
    return registrable(name) or name


def failure_subject(account_id: str, identifier: Identifier) -> str:
    """A name that an account tries to prove."""
    return f"{account_id} {identifier.value.removeprefix('*.')}"


def names_subject(account_id: str, names: Iterable[str]) -> str:
    """A set of names of an account, for people as long as it is short."""
    text = ",".join(sorted(set(names)))
    if len(text) > _SHOWN:
        text = f"{text.partition(',')[0]},sha256:{base64url(hashlib.sha256(text.encode()).digest())}"
    return f"{account_id} {text}"


def paused_subject(
    paused: Container[str], account_id: str, names: Sequence[Identifier], dns_name: Callable[[Identifier], str | None]
) -> str | None:
    """Which pause stops an order: of the account, or of a name, its domain, or a domain above it.

    `dns_name`: the A-label name in whose zone an identifier lies, if any.
    """
    if f"account/{account_id}" in paused:
        return f"account/{account_id}"
    for identifier in names:
        if identifier.value in paused:
            return identifier.value
        domain = dns_name(identifier) or ""
        while domain and domain not in paused:
            domain = domain.partition(".")[2]
        if domain:
            return domain
    return None
