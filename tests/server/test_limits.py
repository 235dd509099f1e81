"""The arithmetic of the rate limits (GCRA), what their settings mean, and whom they count for: values only."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acme_server.domains import PublicSuffixes
from acme_server.identifiers import dns_name_of
from acme_server.limit_settings import LimitSettings
from acme_server.limits import (
    SECOND,
    Limit,
    Rate,
    address_subject,
    decide,
    domain_subject,
    failure_subject,
    given_back,
    instant,
    names_subject,
    order_cost,
    parse_rate,
    paused_subject,
    used,
)
from challenges.base import Identifier

NOW = instant(datetime(2026, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC))
RATES = st.builds(Rate, st.integers(1, 1000), st.integers(1, 7 * 86400), st.just("a while"))


def dns(*names):
    return tuple(Identifier("dns", name) for name in names)


@pytest.mark.parametrize(
    ("text", "count", "seconds", "shown"),
    [
        ("5/1h", 5, 3600, "5 in 1 hour"),
        ("300/3h", 300, 10800, "300 in 3 hours"),
        ("50/7d", 50, 604800, "50 in 7 days"),
        ("1/1w", 1, 604800, "1 in 1 week"),
        ("9999999/1s", 9999999, 1, "9999999 in 1 second"),
        ("2/30m", 2, 1800, "2 in 30 minutes"),
    ],
)
def test_a_limit_is_written_as_count_and_period(text, count, seconds, shown):
    rate = parse_rate(text)
    assert (rate.count, rate.period, str(rate)) == (count, seconds, shown)


def test_none_is_the_one_word_for_no_limit():
    assert parse_rate("none") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "0/1h", "5", "5/h", "5/0h", "-1/1h", "5/1y", " 5/1h", "5/1h\n", "5 / 1h"),
        *("\u0665/1h", "5/1H", "05/1h", "1e3/1h", "None", "unlimited", "5/367d", "5/999w", "99999999/1h", "1.5/1h"),
    ],
)
def test_anything_else_is_no_limit_and_said_to_be_none(text):
    with pytest.raises(ValueError, match=r"is not a limit|longer than a year"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("free_at", "cost", "allowed", "rests", "retry_after"),
    # 6 in 60 seconds: one in 10. Times in seconds from now.
    [
        (None, 1, True, 10, 0),
        (-1000, 1, True, 10, 0),
        (0, 1, True, 10, 0),
        (None, 6, True, 60, 0),
        (50, 1, True, 60, 0),
        (50.000001, 1, False, 50.000001, 1),
        (51, 1, False, 51, 1),
        (51.5, 1, False, 51.5, 2),
        (60, 1, False, 60, 10),
        (60, 6, False, 60, 60),
        (10, 5, True, 60, 0),
        (10, 6, False, 10, 10),
        # What costs more than there ever is takes all of it.
        (None, 7, True, 60, 0),
        (None, 1000, True, 60, 0),
        # A clock that was wrong, or a limit that was longer, stops nobody for more than the period.
        (10**9, 1, False, 60, 10),
    ],
)
def test_what_is_left_decides_and_what_is_refused_costs_nothing(free_at, cost, allowed, rests, retry_after):
    rate = Rate(6, 60, "60 seconds")
    stored = None if free_at is None else NOW + round(free_at * SECOND)
    decision = decide(stored, NOW, rate, cost)
    assert (decision.allowed, decision.free_at - NOW, decision.retry_after) == (
        allowed,
        round(rests * SECOND),
        retry_after,
    )


@given(rate=RATES, steps=st.lists(st.integers(0, 100 * SECOND), max_size=200))
def test_no_window_ever_lets_more_through_than_the_count_and_what_was_refilled_in_it(rate, steps):
    now, free_at, allowed = NOW, None, []
    for step in steps:
        now += step
        decision = decide(free_at, now, rate)
        free_at = decision.free_at
        if decision.allowed:
            allowed.append(now)
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            window = allowed[last] - allowed[first]
            assert last - first + 1 <= rate.count + window // rate.interval


@given(rate=RATES, spent=st.integers(0, 1000))
def test_the_count_can_be_spent_at_once_and_not_one_more(rate, spent):
    free_at = None
    for _ in range(rate.count):
        decision = decide(free_at, NOW, rate)
        assert decision.allowed
        free_at = decision.free_at
    refused = decide(free_at, NOW, rate)
    assert not refused.allowed
    assert used(free_at, NOW, rate) == rate.count


@given(rate=RATES, data=st.data())
def test_whoever_comes_when_told_is_let_in_and_not_a_refill_earlier(rate, data):
    free_at = NOW + data.draw(st.integers(0, rate.period * SECOND))
    decision = decide(free_at, NOW, rate)
    if decision.allowed:
        return
    assert 0 < decision.retry_after <= rate.period
    assert decide(free_at, NOW + decision.retry_after * SECOND, rate).allowed
    assert not decide(free_at, NOW + (decision.retry_after - 1) * SECOND, rate).allowed


@given(rate=RATES)
def test_one_comes_back_in_each_interval_exactly(rate):
    free_at = decide(None, NOW, rate, rate.count).free_at
    due = free_at - (rate.count - 1) * rate.interval
    slack = rate.period * SECOND - rate.count * rate.interval
    assert 0 <= slack < rate.count
    assert decide(free_at, due, rate).allowed
    assert not decide(free_at, due - slack - 1, rate).allowed


@pytest.mark.parametrize(
    ("free_at", "count", "rests"),
    # 6 in 60 seconds, as above.
    [(None, 1, None), (-5, 1, None), (10, 1, None), (20, 1, 10), (60, 1, 50), (60, 4, 20), (60, 9, None), (999, 1, 50)],
)
def test_what_is_given_back_can_be_spent_again_and_is_never_more_than_all(free_at, count, rests):
    stored = None if free_at is None else NOW + free_at * SECOND
    left = given_back(stored, NOW, Rate(6, 60, "60 seconds"), count)
    assert left == (None if rests is None else NOW + rests * SECOND)


@given(rate=RATES, spent=st.integers(1, 1000), more=st.integers(1, 1000))
def test_giving_back_at_once_undoes_the_spending(rate, spent, more):
    before = decide(None, NOW, rate, spent).free_at
    after = decide(before, NOW, rate, more)
    if after.allowed and more <= rate.count:
        assert given_back(after.free_at, NOW, rate, more) == before


@pytest.mark.parametrize(("names", "cost"), [(1, 1), (10, 1), (11, 2), (100, 10)])
def test_every_ten_names_of_an_order_count_as_one(names, cost):
    assert order_cost(names) == cost


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::1", "::/48"),
        ("", "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_addresses_are_counted_one_by_one_and_by_48_bits_of_ipv6(address, subject):
    assert address_subject(address) == subject


@pytest.mark.parametrize(
    ("identifier", "subject"),
    [
        (Identifier("dns", "a.b.example.co.uk"), "example.co.uk"),
        (Identifier("dns", "*.example.org"), "example.org"),
        (Identifier("dns", "example.org"), "example.org"),
        (Identifier("dns", "co.uk"), "co.uk"),
        (Identifier("jid", "juliet@im.example.org"), "juliet@im.example.org"),
        (Identifier("ip", "192.0.2.1"), "192.0.2.1"),
        (Identifier("ip", "2001:db8::1"), "2001:db8::/48"),
    ],
)
def test_certificates_are_counted_for_the_registrable_domain_the_user_or_the_address(identifier, subject):
    assert domain_subject(identifier, PublicSuffixes().registrable) == subject


def test_a_set_of_names_has_one_subject_in_whatever_sequence_and_a_short_one_can_be_read():
    assert names_subject("A", ["b.example", "a.example", "b.example"]) == "A a.example,b.example"
    assert names_subject("A", ["a.example"]) != names_subject("B", ["a.example"])
    many = [f"name-{number}.example.org" for number in range(100)]
    assert names_subject("A", many) == names_subject("A", reversed(many)) != names_subject("A", many[1:])
    assert len(names_subject("A", many)) < 200
    assert failure_subject("A", Identifier("dns", "*.a.example")) == "A a.example"


@pytest.mark.parametrize(
    ("paused", "stops"),
    [
        ("example.org", "example.org"),
        ("im.example.org", "im.example.org"),
        ("org", "org"),
        ("account/A", "account/A"),
        ("juliet@jid.example", "juliet@jid.example"),
        ("jid.example", "jid.example"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("mple.org", None),
        ("x.im.example.org", None),
        ("account/B", None),
        ("A", None),
        ("romeo@jid.example", None),
        ("2.1", None),
    ],
)
def test_a_pause_is_for_an_account_or_a_name_and_all_below_it(paused, stops):
    names = (
        *dns("*.im.example.org"),
        Identifier("jid", "juliet@jid.example"),
        Identifier("jid", "juliet@münchen.example"),
        Identifier("ip", "192.0.2.1"),
    )
    assert paused_subject({paused}, "A", names, dns_name_of) == stops


def test_every_limit_is_a_setting_with_a_default_that_can_be_read():
    fields = {field.name for field in msgspec.structs.fields(LimitSettings)}
    assert fields == {limit.value for limit in Limit} | {"help", "proxies"}
    rates = LimitSettings().rates()
    assert set(rates) == set(Limit)
    assert all(rate is not None for rate in rates.values())
    LimitSettings().check()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("new_orders_per_account", "300"),
        ("refusals_per_address", "0/1h"),
        ("proxies", ("10.0.0.1/8",)),
        ("proxies", ("proxy.example",)),
        ("help", "ca.example/limits"),
        ("help", "https:///limits"),
        ("help", 'https://ca.example/>;rel="x"'),
    ],
)
def test_a_wrong_setting_is_named(setting, value):
    with pytest.raises(ValueError, match=f"limits.{setting}"):
        LimitSettings(**{setting: value}).check()
