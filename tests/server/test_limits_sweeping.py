"""Rows of limits whose time has passed go, a bounded number at a time; rows that still say something stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acme_server import limiter
from acme_server.limiter import Limiter
from acme_server.limits import EXEMPT, PAUSED, Limit, instant, parse_rate
from acme_server.store.migrate import upgrade
from acme_server.store.sqlite import SqliteStore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path):
    upgrade(tmp_path / "x.db")
    made = SqliteStore(tmp_path / "x.db")
    yield made
    made.close()


@pytest.fixture
def limits():
    return Limiter(dict.fromkeys(Limit, parse_rate("10/1h")), lambda name: name, None)


def subjects(store):
    with store.read() as transaction:
        return {(entry.limit, entry.subject) for entry in transaction.limits.page(("", ""), 10_000)}


def spend(store, limits, limit, subject, now):
    with store.write() as transaction:
        limits.spend(transaction, limit, subject, now)


def test_rows_that_have_rested_go_as_others_are_written(store, limits):
    for number in range(1000):
        spend(store, limits, Limit.NEW_ACCOUNTS, f"old-{number}", NOW)
    with store.write() as transaction:
        transaction.limits.mark(Limit.NEW_ACCOUNTS, "old-1", EXEMPT)
        transaction.limits.mark(PAUSED, "example.org", PAUSED)
    spend(store, limits, Limit.CERTIFICATES_OF_NAMES, "a example.org", NOW)
    later = NOW + 2 * HOUR
    for number in range(1100):
        spend(store, limits, Limit.REFUSALS, f"new-{number}", later)
    left = subjects(store)
    assert {subject for _, subject in left if subject.startswith("old")} == {"old-1"}
    assert {("paused", "example.org"), (Limit.CERTIFICATES_OF_NAMES, "a example.org")} <= left
    assert len([subject for _, subject in left if subject.startswith("new")]) == 1100


def test_no_sweep_looks_at_more_rows_than_it_may(store, limits, monkeypatch):
    monkeypatch.setattr(limiter, "_SWEPT", 10)
    for number in range(30):
        spend(store, limits, Limit.NEW_ACCOUNTS, f"{number:02}", NOW)
    for left in (20, 10, 0, 0):
        with store.write() as transaction:
            limits._sweep(transaction, instant(NOW + 2 * HOUR))
        assert len(subjects(store)) == left


def test_the_row_of_a_set_of_names_outlives_its_certificate(store, limits):
    spend(store, limits, Limit.CERTIFICATES_OF_NAMES, "a example.org", NOW)
    for days, left in ((90, 1), (179, 1), (181, 0)):
        with store.write() as transaction:
            limits._sweep(transaction, instant(NOW + timedelta(days=days)))
        assert len(subjects(store)) == left
