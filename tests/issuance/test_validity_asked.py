"""Which notBefore and notAfter a newOrder may ask for (RFC 8555 §7.4)."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acme_server.errors import Malformed
from acme_server.issuance.profiles import PROFILES, check_validity, period

PROFILE = PROFILES["xmpp"]
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
LIFE = timedelta(days=45)

TAKEN = {
    "nothing": (None, None),
    "from now": (timedelta(0), None),
    "from an hour ago": (-HOUR, None),
    "for a day": (None, DAY),
    "for the whole life": (-HOUR, LIFE - HOUR - SECOND),
    "for a second": (DAY, DAY + SECOND),
    "up to the last second": (None, LIFE - HOUR - SECOND),
    "from next week": (7 * DAY, None),
}
REFUSED = {
    "a second before the first": (-HOUR - SECOND, None, "`notBefore` must be a whole second from 2026-06-01T11:00:00Z"),
    "a second after the last": (None, LIFE - HOUR, "to 2026-07-16T10:59:59Z: profile `xmpp`"),
    "in ten years": (None, 3650 * DAY, "`notAfter` must be"),
    "ten years ago": (-3650 * DAY, None, "`notBefore` must be"),
    "from next year": (365 * DAY, 366 * DAY, "`notBefore` must be"),
    "until now": (None, timedelta(0), "in the future"),
    "until half an hour ago": (None, -HOUR / 2, "in the future"),
    "for no time": (DAY, DAY, "after `notBefore`"),
    "backwards": (2 * DAY, DAY, "after `notBefore`"),
    "half a second": (SECOND / 2, None, "whole second"),
    "until half a second": (None, DAY + SECOND / 2, "whole second"),
}


def at(now, offset):
    return None if offset is None else now.replace(microsecond=0) + offset


@pytest.mark.parametrize("asked", TAKEN.values(), ids=TAKEN)
def test_7_4_what_lies_within_the_life_of_a_certificate_made_now_is_taken(asked, now):
    check_validity(PROFILE, now, *(at(now, offset) for offset in asked))


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_7_4_anything_beyond_is_malformed_and_the_text_says_what_could_be_had(asked, now):
    *offsets, reason = asked
    with pytest.raises(Malformed) as refused:
        check_validity(PROFILE, now, *(at(now, offset) for offset in offsets))
    assert reason in refused.value.detail


def test_7_4_the_profiles_own_life_counts(now):
    last = period(PROFILE, now)[1]
    assert last - at(now, -HOUR) == LIFE - SECOND
    with pytest.raises(Malformed):
        check_validity(PROFILE, now, None, last + SECOND)


MOMENTS = st.none() | st.integers(-(10**7), 10**7).map(lambda seconds: timedelta(seconds=seconds))


@given(MOMENTS, MOMENTS)
def test_7_4_nobody_gains_a_longer_life_or_a_later_end_by_asking(before, after):
    now = datetime.fromisoformat("2026-06-01T12:00:00Z")
    not_before, not_after = at(now, before), at(now, after)
    try:
        check_validity(PROFILE, now, not_before, not_after)
    except Malformed:
        return
    first, last = period(PROFILE, now)
    start, end = not_before or first, not_after or last
    assert first <= start <= end <= last
    assert end - start < PROFILE.lifetime
