"""Whose job is next: values only."""

from __future__ import annotations

import pytest

from acme_server.model import Job, JobKind
from acme_server.validation.turns import Turns, pick
from tests.in_process import NOW

V, M, ISSUE = JobKind.VALIDATE, JobKind.MAIL, JobKind.ISSUE


def jobs(text, kind=V):
    """`a1 b1`: jobs of the accounts `a` and `b`, the oldest first."""
    return [Job(kind, ref, due=NOW, account_id=ref[0]) for ref in text.split()]


@pytest.mark.parametrize(
    ("waiting", "running", "served", "room", "most", "picked"),
    [
        ("", {}, {}, 4, 3, ""),
        ("a1", {}, {}, 0, 3, ""),
        # One alone gets its share and no more.
        ("a1 a2 a3 a4", {}, {}, 4, 3, "a1 a2 a3"),
        ("a1 a2", {"a": 2}, {}, 2, 3, "a1"),
        ("a1 a2", {"a": 3}, {}, 1, 3, ""),
        # In turn, each time the oldest of an account.
        ("a1 a2 a3 b1 b2", {}, {}, 4, 3, "a1 b1 a2 b2"),
        ("a1 a2 a3 b1 c1", {}, {}, 4, 3, "a1 b1 c1 a2"),
        ("a1 a2 a3 b1 b2 b3", {}, {}, 1, 3, "a1"),
        ("a1 a2 a3 b1 b2 b3", {}, {"a": 9}, 1, 3, "b1"),
        ("a1 a2 a3 b1 b2 b3", {}, {"a": 8, "b": 9}, 3, 3, "a1 b1 a2"),
        # Whoever has fewer threads comes before whoever has waited longer.
        ("a1 b1", {"a": 2, "b": 0}, {"a": 1, "b": 9}, 1, 3, "b1"),
        ("a1 a2 b1 b2 b3", {"a": 2}, {}, 2, 3, "b1 b2"),
        # A stranger's thousand.
        (" ".join(f"a{number}" for number in range(1000)) + " b1 b2", {"a": 3}, {"a": 5, "b": 7}, 1, 3, "b1"),
        # Nobody's: the CA's own.
        ("-1 -2 a1", {}, {}, 2, 3, "-1 a1"),
    ],
)
def test_a_turn_goes_to_the_account_with_fewest_threads_that_was_served_longest_ago(
    waiting, running, served, room, most, picked
):
    assert [job.ref for job in pick(jobs(waiting), running, served, room, most)] == picked.split()


@pytest.mark.parametrize(
    ("threads", "kind", "alone", "all_"),
    # All that one account can have, and all that a kind can have.
    [
        (8, V, 3, 4),
        (4, V, 1, 2),
        (2, V, 1, 1),
        (1, V, 1, 1),
        (8, M, 1, 2),
        (16, M, 3, 4),
        (8, ISSUE, 5, 6),
        (2, ISSUE, 1, 1),
    ],
)
def test_an_account_never_has_all_threads_of_what_waits_for_other_hosts(threads, kind, alone, all_):
    turns = Turns(threads)
    begun = turns.next(kind, jobs(" ".join(f"a{number}" for number in range(20)), kind))
    for job in begun:
        turns.begin(job)
    assert len(begun) == alone
    assert not turns.may_begin(kind, "a")
    assert turns.may_begin(kind, "b") is (alone < all_)
    others = turns.next(kind, jobs(" ".join(f"{letter}1" for letter in "bcdefghijkl"), kind))
    assert len(begun) + len(others) == all_


def test_nobody_overtakes_those_who_wait_for_a_thread():
    turns = Turns(4)
    for job in turns.next(V, jobs("a1 b1 c1")):
        turns.begin(job)
    assert turns.waiting[V]
    turns.end(jobs("a1")[0])
    assert turns.is_free_for(V, "d")
    assert not turns.may_begin(V, "d")
    assert turns.may_begin(ISSUE, "d")
    (third,) = turns.next(V, jobs("c1"))
    assert third.ref == "c1"
    assert turns.may_begin(V, "d"), "it has been taken up, and nobody waits any more"


def test_jobs_that_wait_for_their_own_account_alone_hold_up_nobody():
    turns = Turns(8)
    for job in turns.next(V, jobs("a1 a2 a3 a4 a5")):
        turns.begin(job)
    assert not turns.waiting[V]
    assert turns.may_begin(V, "b")


def test_what_is_remembered_of_accounts_is_bounded():
    turns = Turns(8)
    for number in range(5000):
        job = Job(V, str(number), due=NOW, account_id=str(number))
        turns.begin(job)
        turns.end(job)
    assert len(turns._served) == 1024
    assert sum(len(running) for running in turns._running.values()) == 0
    old, new = Job(V, "old", due=NOW, account_id="1"), Job(V, "new", due=NOW, account_id="4999")
    assert turns.next(V, [new, old])[0] == old


def test_a_job_that_found_no_thread_is_not_overtaken_and_one_that_has_its_share_holds_up_nobody():
    turns = Turns(8)
    for job in jobs("a1 a2 a3 b1"):
        assert turns.ask(V, job.account_id)
        turns.begin(job)
    assert not turns.ask(V, "a"), "its share"
    assert not turns.waiting.get(V)
    assert not turns.ask(V, "c"), "no thread"
    turns.end(jobs("a1")[0])
    assert not turns.ask(V, "a")
    assert [job.ref for job in turns.next(V, jobs("c1"))] == ["c1"]
    turns.begin(jobs("c1")[0])
    turns.end(jobs("b1")[0])
    assert turns.ask(V, "a")
