"""`xmpp-ica limit`: who is near a rate limit, who is exempt from one, and who may order nothing for the time being.

A running server heeds a change with its next request. Every change is in the audit chain.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from acme_server.cli.common import actor, config_option, json_option, read_config, urls_of
from acme_server.cli.database import opened
from acme_server.cli.subjects import account_of, name_to_pause, subject_of
from acme_server.config import Config
from acme_server.limits import EXEMPT, KEPT, PAUSED, SECOND, Entry, Limit, Rate, instant, used
from acme_server.store import Transaction
from acme_server.urls import Urls

__all__ = ["limit"]

_PAGE = 1000
_SHOWN = 10
"""Subjects that an error names."""

_limit_argument = click.argument("name", metavar="LIMIT", type=click.Choice([limit.value for limit in Limit]))
_subject_argument = click.argument("subject", nargs=-1, required=True)
_account_option = click.option("--account", metavar="ID", help="An account, by its id or URL, and not a name.")
_paused_argument = click.argument("subject", required=False)


@click.group()
def limit() -> None:
    """Rate limits: exceptions, pauses, and who is near one."""


@limit.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """Show the limits, whoever is exempt or paused, and whoever has used four fifths of a limit."""
    from acme_server.clock import utc_now

    config = read_config(config_path)
    with opened(config) as store, store.read() as transaction:
        facts = _facts(config, _entries(transaction), utc_now())
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    for row in facts["limits"]:
        click.echo(f"{row['limit']}  {row['text']}")
    for row in facts["exceptions"]:
        what = row["subject"] if row["exception"] == PAUSED else f"{row['limit']}  {row['subject']}"
        click.echo(f"{row['exception']}  {what}")
    for row in facts["near"]:
        click.echo(f"near  {row['limit']}  {row['subject']}  {row['used']} of {row['count']}")


@limit.command()
@config_option
@_limit_argument
@_subject_argument
def exempt(config_path: Path, name: str, subject: tuple[str, ...]) -> None:
    """Let LIMIT not hold for SUBJECT. `limit reset` takes that back.

    SUBJECT is an address, an account, a domain, or an account and names. An account is written as its URL or id.
    """
    config = read_config(config_path)
    with opened(config) as store, store.write() as transaction:
        chosen = subject_of(Limit(name), " ".join(subject), transaction, urls_of(config))
        entry = transaction.limits.get(name, chosen)
        if entry is not None and entry.exception is not None:
            raise click.ClickException(f"{chosen} is exempt from {name} already")
        transaction.limits.mark(name, chosen, EXEMPT)
        _record(transaction, "limit_exempted", f"limit/{name}", chosen)
    click.echo(f"{name} does not hold for {chosen} any more.")


@limit.command()
@config_option
@_limit_argument
@_subject_argument
def reset(config_path: Path, name: str, subject: tuple[str, ...]) -> None:
    """Forget what was counted for SUBJECT under LIMIT, and an exemption. SUBJECT is written as for `limit exempt`."""
    from acme_server.clock import utc_now

    config = read_config(config_path)
    with opened(config) as store, store.write() as transaction:
        chosen = subject_of(Limit(name), " ".join(subject), transaction, urls_of(config))
        if transaction.limits.get(name, chosen) is None:
            there = [entry.subject for entry in _entries(transaction) if entry.limit == name]
            raise click.ClickException(f"nothing is counted for {chosen} under {name}{_those(there)}")
        if name in KEPT:  # the row itself tells a renewal from a new certificate
            transaction.limits.unmark(name, chosen)
            transaction.limits.put(name, chosen, instant(utc_now()))
        else:
            transaction.limits.remove(name, chosen)
        _record(transaction, "limit_reset", f"limit/{name}", chosen)
    click.echo(f"{name} begins anew for {chosen}.")


@limit.command()
@config_option
@_paused_argument
@_account_option
def pause(config_path: Path, subject: str | None, account: str | None) -> None:
    """Let nothing be ordered for the name SUBJECT and all names below it, or by an account, until `limit resume`."""
    config = read_config(config_path)
    with opened(config) as store, store.write() as transaction:
        chosen = _paused(transaction, subject, account, urls_of(config))
        if transaction.limits.get(PAUSED, chosen) is not None:
            raise click.ClickException(f"{chosen} is paused already")
        transaction.limits.mark(PAUSED, chosen, PAUSED)
        _record(transaction, "orders_paused", "limit/paused", chosen)
    click.echo(f"{chosen} is paused: nothing is ordered until `xmpp-ica limit resume`.")


@limit.command()
@config_option
@_paused_argument
@_account_option
def resume(config_path: Path, subject: str | None, account: str | None) -> None:
    """End a pause."""
    config = read_config(config_path)
    with opened(config) as store, store.write() as transaction:
        chosen = _paused(transaction, subject, account, urls_of(config))
        if not transaction.limits.remove(PAUSED, chosen):
            there = sorted(transaction.limits.excepted(PAUSED))
            raise click.ClickException(f"{chosen} is not paused{_those(there)}")
        _record(transaction, "orders_resumed", "limit/paused", chosen)
    click.echo(f"{chosen} may be ordered for again.")


def _paused(transaction: Transaction, subject: str | None, account: str | None, urls: Urls) -> str:
    if (subject is None) == (account is None):
        raise click.UsageError("give a name, or --account and an account's id")
    if account is not None:
        return f"account/{account_of(account, transaction, urls)}"
    assert subject is not None
    return name_to_pause(subject)


def _record(transaction: Transaction, event: str, subject: str, whom: str) -> None:
    from acme_server.clock import utc_now

    transaction.audit.append(event, actor=actor(), subject=subject, at=utc_now(), detail={"subject": whom})


def _those(subjects: list[str]) -> str:
    more = " …" if len(subjects) > _SHOWN else ""
    return f"; there are: {', '.join(subjects[:_SHOWN])}{more}" if subjects else "; there is none"


def _entries(transaction: Transaction) -> Iterator[Entry]:
    """All rows."""
    after = ("", "")
    while entries := transaction.limits.page(after, _PAGE):
        yield from entries
        after = (entries[-1].limit, entries[-1].subject)


def _facts(config: Config, entries: Iterator[Entry], now: datetime) -> dict[str, list[dict[str, Any]]]:
    rates = config.limits.rates()
    exceptions, near = [], []
    for entry in entries:
        if entry.exception is not None:
            exceptions.append({"limit": entry.limit, "subject": entry.subject, "exception": entry.exception})
        elif entry.limit in rates and (rate := rates[Limit(entry.limit)]) is not None:
            near += _near(entry, rate, instant(now))
    limits = [
        {"limit": name, "text": str(rate or "none"), "count": rate and rate.count, "seconds": rate and rate.period}
        for name, rate in rates.items()
    ]
    return {"limits": limits, "exceptions": exceptions, "near": near}


def _near(entry: Entry, rate: Rate, now: int) -> list[dict[str, Any]]:
    count = used(entry.free_at, now, rate)
    if count * 5 < rate.count * 4:
        return []
    rested = max(0, -(-((entry.free_at or now) - now) // SECOND))
    facts = {"limit": entry.limit, "subject": entry.subject, "used": count, "count": rate.count}
    return [facts | {"rested_in": rested}]
