"""RFC 8555 §7.1.6: the drawings of the status changes, written out once more and compared with `states.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from acme_server import states
from acme_server.states import (
    AccountStatus,
    AuthorizationStatus,
    CertificateStatus,
    ChallengeStatus,
    Event,
    ForbiddenTransition,
    OrderStatus,
    after,
    authorization_status,
    order_status,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)

DRAWN = {
    "ACCOUNT": (
        AccountStatus,
        {("valid", "deactivated"): "deactivated", ("valid", "revoked"): "revoked"},
    ),
    "AUTHORIZATION": (
        AuthorizationStatus,
        {
            ("pending", "proved"): "valid",
            ("pending", "refuted"): "invalid",
            ("pending", "expired"): "expired",
            ("pending", "deactivated"): "deactivated",
            ("valid", "expired"): "expired",
            ("valid", "deactivated"): "deactivated",
            ("valid", "revoked"): "revoked",
        },
    ),
    "CHALLENGE": (
        ChallengeStatus,
        {
            ("pending", "responded"): "processing",
            ("pending", "expired"): "invalid",
            ("processing", "responded"): "processing",
            ("processing", "proved"): "valid",
            ("processing", "refuted"): "invalid",
            ("processing", "expired"): "invalid",
        },
    ),
    "CERTIFICATE": (
        CertificateStatus,
        {("reserved", "signed"): "issued", ("reserved", "interrupted"): "orphan"},
    ),
}
PAIRS = [(table, status, event) for table, (statuses, _) in DRAWN.items() for status, event in product(statuses, Event)]


@pytest.mark.parametrize(("table", "status", "event"), PAIRS)
def test_7_1_6_what_is_drawn_happens_and_every_other_pair_is_refused(table, status, event):
    wanted = DRAWN[table][1].get((status.value, event.value))
    if wanted is None:
        with pytest.raises(ForbiddenTransition, match=f"{status} takes no {event}"):
            after(getattr(states, table), status, event)
    else:
        assert after(getattr(states, table), status, event) == wanted


@pytest.mark.parametrize("table", DRAWN)
def test_7_1_6_nothing_leads_out_of_an_end(table):
    steps = getattr(states, table)
    ends = set(DRAWN[table][0]) - {status for status, _ in steps}
    reachable = {status for status, _ in steps} | set(steps.values())
    assert ends
    assert reachable == set(DRAWN[table][0])


@pytest.mark.parametrize("status", AuthorizationStatus)
def test_7_1_6_time_ends_an_authorization_that_is_pending_or_valid_and_no_other(status):
    ended = {"pending": "expired", "valid": "expired"}.get(status, status)
    assert authorization_status(status, NOW, NOW) == ended
    assert authorization_status(status, NOW - timedelta(seconds=1), NOW) == ended
    assert authorization_status(status, NOW + timedelta(seconds=1), NOW) == status


def wanted_order_status(authorizations, expired, failed, processing, issued):
    """The drawing of RFC 8555 §7.1.6 for orders, in words."""
    if failed:
        return "invalid"
    if issued:
        return "valid"
    if processing:
        return "processing"
    if expired or any(status not in ("pending", "valid") for status in authorizations):
        return "invalid"
    return "ready" if authorizations and all(status == "valid" for status in authorizations) else "pending"


@pytest.mark.parametrize("flags", list(product([False, True], repeat=4)))
def test_7_1_6_an_order_is_what_its_parts_make_it(flags):
    expired, failed, processing, issued = flags
    for size in (0, 1, 2, 3):
        for authorizations in product(AuthorizationStatus, repeat=size):
            found = order_status(authorizations, expired=expired, failed=failed, processing=processing, issued=issued)
            assert found == wanted_order_status(authorizations, *flags)
            assert isinstance(found, OrderStatus)


def test_7_1_6_an_order_that_is_being_made_is_not_ended_by_time_or_a_lost_authorization():
    """The certificate may exist already: the finalizer decides, and no clock."""
    lost = [AuthorizationStatus.DEACTIVATED]
    assert order_status(lost, expired=True, failed=False, processing=True, issued=False) is OrderStatus.PROCESSING
    assert order_status(lost, expired=True, failed=False, processing=True, issued=True) is OrderStatus.VALID
