"""Judges how a CA is: each function takes what was seen and says one thing about it, with what to do.

Nothing here looks at anything itself. The numbers are our own policy, and stand in `docs/reference/operating.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from acme_server.model import Certificate, Crl, Job, JobKind
from acme_server.states import CertificateStatus

__all__ = [
    "LISTED",
    "LONG",
    "Finding",
    "Level",
    "clock",
    "crl",
    "issuer",
    "jobs",
    "mail",
    "nonces",
    "orders",
    "root",
    "space",
    "unissued",
    "web_certificate",
]

LISTED = 1000
"""So many rows of a kind are looked at: whether it is a thousand or more makes no difference."""
LONG = timedelta(minutes=10)
"""An issuance takes milliseconds, and is taken over after two minutes where it was interrupted."""
_NAMED = 5
"""So many are named in a finding."""

_LATE, _VERY_LATE = timedelta(minutes=5), timedelta(hours=1)
_FAILED_TRIES = 3
_MAIL_TRIES = 8
"""About a quarter of an hour, as `gateways/outbox.py` has it."""
_SPACE, _LITTLE_SPACE = 500 << 20, 100 << 20
_STEP, _LONG_STEP = timedelta(seconds=5), timedelta(minutes=5)
_DAY = timedelta(days=1)


class Level(IntEnum):
    """How bad it is; the number is the exit code of `check`, as monitoring plug-ins have it."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    check: str
    """Its name, for programs."""
    text: str
    """For people: what is so, and what to do where it is not fine."""


def issuer(end: datetime, now: datetime) -> Finding:
    """How long the issuer's certificate lives; no certificate outlives it, and they take up to 90 days."""
    todo = "have the root make a new issuer"
    return _ending("issuer", "the issuer's certificate", end, now, (365 * _DAY, 90 * _DAY), todo)


def root(end: datetime, now: datetime) -> Finding:
    """How long the root lives: everybody has to install the next one, and an issuer lives for years below it."""
    todo = "make a new root, and give it to everybody who trusts this one"
    return _ending("root", "the root", end, now, (730 * _DAY, 180 * _DAY), todo)


def web_certificate(begin: datetime, end: datetime, now: datetime) -> Finding:
    """How long our web server's own certificate lives: who made it renews it when a third of its life is left."""
    life = end - begin
    limits = (min(life / 4, 21 * _DAY), min(life / 10, 3 * _DAY))
    todo = "one of our own is renewed by `serve`, whose log says why it was not; another one is for you to renew"
    if begin > now:
        return Finding(Level.CRITICAL, "tls", f"the web server's certificate is not valid before {_at(begin)}: {todo}")
    return _ending("tls", "the web server's certificate", end, now, limits, todo)


def crl(published: Crl | None, now: datetime) -> Finding:
    """Whether there is a CRL, with more than half of its life left: a new one comes every day."""
    todo = "`serve` makes one every day, and its log says why it did not"
    if published is None:
        return Finding(Level.CRITICAL, "crl", "no CRL was ever published: start `serve`, which makes one")
    left, life = published.next_update - now, published.next_update - published.this_update
    if left <= timedelta(0):
        return Finding(Level.CRITICAL, "crl", f"the CRL has expired, at {_at(published.next_update)}: {todo}")
    level = Level.OK if left > life / 2 else Level.WARNING
    advice = "" if level is Level.OK else f", less than half of its life: {todo}"
    return Finding(level, "crl", f"the CRL is good for {_span(left)}{advice}")


def jobs(queued: Sequence[Job], now: datetime) -> Finding:
    """Whether somebody does what is due, and with success; `queued`: the first ones due."""
    free = [job for job in queued if job.lease_until is None or job.lease_until <= now]
    late = [job for job in free if now - job.due > _LATE]
    if late:
        oldest = now - late[0].due
        kinds = ", ".join(sorted({job.kind.value for job in late}))
        level = Level.CRITICAL if oldest > _VERY_LATE else Level.WARNING
        text = f"{_number(late, 'job')} ({kinds}) should have been begun up to {_span(oldest)} ago: does `serve` run?"
        return Finding(level, "jobs", text)
    # Validations and mails are tried again as a matter of course.
    failing = [job for job in queued if job.kind in (JobKind.CRL, JobKind.ISSUE) and job.tries >= _FAILED_TRIES]
    if failing:
        names = _some(f"{job.kind} {job.ref}" for job in failing)
        text = f"tried again and again: {names}; the log of `serve` says why (`job_failed`)"
        return Finding(Level.WARNING, "jobs", text)
    return Finding(Level.OK, "jobs", "no job is late")


def orders(processing: Sequence[tuple[str, datetime]], now: datetime) -> Finding:
    """`processing`: (id, since when) of the orders that are in it for longer than `LONG`, the oldest first."""
    if not processing:
        return Finding(Level.OK, "orders", "no order is in processing for long")
    oldest = _span(now - processing[0][1])
    text = (
        f"{_number(processing, 'order')} in processing for up to {oldest}: {_some(id_ for id_, _ in processing)}; "
        "does `serve` run? If so, its log says why they do not end"
    )
    return Finding(Level.CRITICAL if now - processing[0][1] > _VERY_LATE else Level.WARNING, "orders", text)


def unissued(certificates: Sequence[Certificate], now: datetime) -> Finding:
    """Serials that were reserved and are not known to be signed; `certificates`: none that was issued."""
    reserved = [c for c in certificates if c.status is CertificateStatus.RESERVED and now - c.created_at > LONG]
    orphans = [c for c in certificates if c.status is CertificateStatus.ORPHAN]
    fresh = [c for c in orphans if now - (c.revoked_at or now) <= _DAY]
    if reserved:
        text = (
            f"{_number(reserved, 'serial')} reserved and neither signed nor given up: "
            f"{_some(c.serial for c in reserved)}; does `serve` run? It puts them onto the CRL"
        )
        return Finding(Level.WARNING, "unissued", text)
    if fresh:
        text = (
            f"an issuance was interrupted within the last day; on the CRL for it: {_some(c.serial for c in fresh)}. "
            "Nothing is left to do, if you know why the server ended then"
        )
        return Finding(Level.WARNING, "unissued", text)
    known = f"; {len(orphans)} of earlier interruptions on the CRL" if orphans else ""
    return Finding(Level.OK, "unissued", f"no serial is reserved without a certificate{known}")


def mail(tries: Sequence[int | None]) -> Finding:
    """`tries`: how often each mail in the outbox was tried; None where nothing would send it."""
    lost = [count for count in tries if count is None]
    worst = max((count for count in tries if count is not None), default=0)
    if lost:
        text = f"{_number(lost, 'mail')} in the outbox without a job that would send it: tell the authors of xmpp-ica"
        return Finding(Level.WARNING, "mail", text)
    if worst >= _MAIL_TRIES:
        text = f"{_number(tries, 'mail')} in the outbox, tried up to {worst} times: does the smarthost take our mail?"
        return Finding(Level.WARNING, "mail", text)
    return Finding(Level.OK, "mail", f"{_number(tries, 'mail')} in the outbox")


def clock(newest: datetime | None, now: datetime) -> Finding:
    """Whether time goes forward; `newest`: when the last audit record was written."""
    if newest is None:
        return Finding(Level.WARNING, "clock", "the audit chain has no readable end: run `xmpp-ica audit verify`")
    back = newest - now
    if back <= _STEP:
        return Finding(Level.OK, "clock", f"the last audit record is of {_at(newest)}")
    text = f"the clock is {_span(back)} before the last audit record, which is of {_at(newest)}: set it right (NTP)"
    return Finding(Level.CRITICAL if back > _LONG_STEP else Level.WARNING, "clock", text)


def space(free: int) -> Finding:
    """`free`: octets where the database is, for whom we are."""
    if free >= _SPACE:
        return Finding(Level.OK, "space", f"{free >> 20} MiB free for the database")
    level = Level.CRITICAL if free < _LITTLE_SPACE else Level.WARNING
    return Finding(level, "space", f"only {free >> 20} MiB free for the database: on a full disk nothing is issued")


def nonces(size: int | None, mode: int, wanted: int) -> Finding:
    """The file of the nonces: its size (None where there is none), its mode, and the size it should have at least."""
    if size is None:
        text = "there is no file of nonces: `serve` makes it when it starts, and must be restarted if it runs"
        return Finding(Level.WARNING, "nonces", text)
    if mode & 0o077:
        text = f"others may use the file of nonces (mode {mode & 0o777:04o}): chmod 600 it"
        return Finding(Level.WARNING, "nonces", text)
    if size < wanted:
        return Finding(Level.WARNING, "nonces", "the file of nonces was cut off: remove it, and restart `serve`")
    return Finding(Level.OK, "nonces", "the file of nonces is there")


def _ending(
    check: str, what: str, end: datetime, now: datetime, limits: tuple[timedelta, timedelta], todo: str
) -> Finding:
    """What ends one day; `limits`: with less left it is a warning, or critical."""
    left = end - now
    if left < timedelta(0):
        return Finding(Level.CRITICAL, check, f"{what} has ended, at {_at(end)}: {todo}")
    level = Level.CRITICAL if left < limits[1] else Level.WARNING if left < limits[0] else Level.OK
    advice = "" if level is Level.OK else f": {todo}"
    return Finding(level, check, f"{what} ends in {_span(left)}, on {end:%Y-%m-%d}{advice}")


def _at(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _span(length: timedelta) -> str:
    """In the largest unit of which there are two."""
    seconds = int(length.total_seconds())
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} seconds"


def _number(things: Sequence[object], name: str) -> str:
    count = f"{LISTED} or more" if len(things) >= LISTED else str(len(things))
    return f"{count} {name}{'s' * (len(things) != 1)}"


def _some(names: Iterable[str]) -> str:
    all_ = list(names)
    rest = f" and {len(all_) - _NAMED} more" if len(all_) > _NAMED else ""
    return ", ".join(all_[:_NAMED]) + rest
