"""Rows of the rate limits, as the contract has them."""

from __future__ import annotations

from acme_server.limits import Entry

FREE_AT = 1_780_000_000_123_456


def test_a_row_is_written_and_written_over_and_keeps_its_exception(store):
    with store.write() as transaction:
        assert transaction.limits.get("orders", "a") is None
        transaction.limits.put("orders", "a", FREE_AT)
        assert transaction.limits.get("orders", "a") == Entry("orders", "a", FREE_AT, None)
        transaction.limits.mark("orders", "a", "exempt")
        transaction.limits.put("orders", "a", FREE_AT + 1)
        assert transaction.limits.get("orders", "a") == Entry("orders", "a", FREE_AT + 1, "exempt")
        transaction.limits.unmark("orders", "a")
        transaction.limits.unmark("orders", "nobody")
        assert transaction.limits.get("orders", "a") == Entry("orders", "a", FREE_AT + 1, None)
        transaction.limits.mark("orders", "b", "paused")
        assert transaction.limits.get("orders", "b") == Entry("orders", "b", None, "paused")


def test_a_row_is_removed_once(store):
    with store.write() as transaction:
        transaction.limits.put("orders", "a", FREE_AT)
        assert transaction.limits.remove("orders", "a")
        assert not transaction.limits.remove("orders", "a")
        assert transaction.limits.get("orders", "a") is None


def test_exceptions_are_found_by_their_limit(store):
    with store.write() as transaction:
        transaction.limits.put("orders", "a", FREE_AT)
        transaction.limits.mark("orders", "b", "exempt")
        transaction.limits.mark("paused", "c", "paused")
        assert transaction.limits.excepted("orders") == {"b"}
        assert transaction.limits.excepted("paused") == {"c"}
        assert transaction.limits.excepted("accounts") == frozenset()


def test_pages_have_every_row_once_in_order(store):
    rows = [(limit, subject) for limit in ("accounts", "orders") for subject in ("a", "b", "ü")]
    with store.write() as transaction:
        for limit, subject in reversed(rows):
            transaction.limits.put(limit, subject, FREE_AT)
    with store.read() as transaction:
        found, after = [], ("", "")
        while page := transaction.limits.page(after, 4):
            found += [(entry.limit, entry.subject) for entry in page]
            after = found[-1]
        assert found == rows
