"""The queue's contract, for every store: one holder at a time, and results only under a lease that is still held."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

from acme_server.model import Job, JobKind
from tests.store_values import LATER, NOW, SECOND, authorization

LEASE = timedelta(seconds=60)


def job(ref="c", owner=None, due=NOW, **changes):
    return Job(JobKind.VALIDATE, ref, due=due, owner=owner, lease_until=owner and due + LEASE, **changes)


def claim(transaction, owner, now, lease_until, limit):
    """The oldest of all that wait."""
    waiting = [found for kind in JobKind for found in transaction.jobs.waiting(kind, now, limit)]
    return transaction.jobs.claim(waiting[:limit], owner, now, lease_until)


def test_a_job_is_claimed_by_one_when_it_is_due(store):
    with store.write() as transaction:
        assert not transaction.jobs.add(job(due=NOW + SECOND), NOW)
        assert not transaction.jobs.due(NOW)
        assert claim(transaction, "one", NOW, NOW + LEASE, 10) == ()
        now = NOW + SECOND
        assert transaction.jobs.due(now)
        (claimed,) = claim(transaction, "one", now, now + LEASE, 10)
        assert (claimed.ref, claimed.owner, claimed.lease_until) == ("c", "one", now + LEASE)
        assert transaction.jobs.held(claimed)
        assert not transaction.jobs.due(now)
        assert claim(transaction, "two", now, now + LEASE, 10) == ()
        assert transaction.jobs.owners() == ("one",)


def test_no_more_jobs_are_claimed_than_asked_for_and_the_oldest_first(store):
    with store.write() as transaction:
        for number in (3, 1, 2):
            transaction.jobs.add(job(str(number), due=NOW + number * SECOND), NOW)
        claimed = claim(transaction, "one", LATER, LATER + LEASE, 2)
        assert sorted(found.ref for found in claimed) == ["1", "2"]


def test_a_lease_that_has_run_out_is_taken_over_and_its_former_holder_changes_nothing(store):
    with store.write() as transaction:
        transaction.jobs.add(job(), NOW)
        (first,) = claim(transaction, "one", NOW, NOW + LEASE, 1)
        (second,) = claim(transaction, "two", NOW + LEASE, NOW + 2 * LEASE, 1)
        assert not transaction.jobs.held(first)
        assert not transaction.jobs.finish(first)
        assert not transaction.jobs.postpone(first, LATER, 7)
        assert transaction.jobs.get(JobKind.VALIDATE, "c") == second
        assert transaction.jobs.finish(second)
        assert not transaction.jobs.finish(second)
        assert transaction.jobs.get(JobKind.VALIDATE, "c") is None


def test_a_job_that_was_put_off_is_nobodys_and_due_later_with_its_tries(store):
    with store.write() as transaction:
        transaction.jobs.add(job(), NOW)
        (claimed,) = claim(transaction, "one", NOW, NOW + LEASE, 1)
        due = NOW + timedelta(seconds=3, microseconds=500_000)
        assert transaction.jobs.postpone(claimed, due, 2)
        assert transaction.jobs.get(JobKind.VALIDATE, "c") == job(due=due, tries=2)
        assert not transaction.jobs.held(claimed)


def test_adding_a_job_that_is_there_makes_it_due_earlier_and_never_later(store):
    with store.write() as transaction:
        transaction.jobs.add(job(due=NOW + 5 * SECOND), NOW)
        transaction.jobs.add(job(due=NOW + 9 * SECOND), NOW)
        assert transaction.jobs.get(JobKind.VALIDATE, "c").due == NOW + 5 * SECOND
        transaction.jobs.add(job(due=NOW), NOW)
        assert transaction.jobs.get(JobKind.VALIDATE, "c").due == NOW


def test_adding_a_job_takes_its_lease_where_nobody_holds_one_alive(store):
    with store.write() as transaction:
        assert transaction.jobs.add(job(owner="one"), NOW)
        assert not transaction.jobs.add(job(owner="two"), NOW), "alive"
        assert transaction.jobs.get(JobKind.VALIDATE, "c").owner == "one"
        late = NOW + LEASE
        assert transaction.jobs.add(job(owner="two", due=late), late), "run out"
        assert transaction.jobs.get(JobKind.VALIDATE, "c").owner == "two"
        (claimed,) = [transaction.jobs.get(JobKind.VALIDATE, "c")]
        transaction.jobs.postpone(claimed, LATER, 2)
        assert transaction.jobs.add(job(owner="three", due=late), late), "free"
        assert transaction.jobs.get(JobKind.VALIDATE, "c").tries == 2


def test_jobs_of_different_kinds_with_one_reference_are_two(store):
    with store.write() as transaction:
        transaction.jobs.add(job(), NOW)
        transaction.jobs.add(replace(job(), kind=JobKind.ISSUE), NOW)
        assert len(claim(transaction, "one", NOW, NOW + LEASE, 10)) == 2


def test_the_leases_of_an_owner_that_is_gone_end_at_once(store):
    with store.write() as transaction:
        for ref in ("a", "b"):
            transaction.jobs.add(job(ref, owner="dead"), NOW)
        transaction.jobs.add(job("c", owner="alive"), NOW)
        assert sorted(transaction.jobs.owners()) == ["alive", "dead"]
        assert transaction.jobs.release("dead", NOW + SECOND) == 2
        assert transaction.jobs.owners() == ("alive",)
        assert len(claim(transaction, "two", NOW + SECOND, LATER, 10)) == 2


def test_a_hundred_jobs_are_claimed_once_each_by_racing_processes(open_store):
    stores = [open_store() for _ in range(4)]
    with stores[0].write() as transaction:
        for number in range(100):
            transaction.jobs.add(job(str(number)), NOW)
    start = Barrier(4)

    def race(number):
        claimed = []
        start.wait()
        while True:
            with stores[number].write() as transaction:
                jobs = claim(transaction, str(number), NOW, NOW + LEASE, 3)
            if not jobs:
                return claimed
            claimed += [found.ref for found in jobs]

    with ThreadPoolExecutor(4) as pool:
        refs = [ref for claimed in pool.map(race, range(4)) for ref in claimed]
    assert sorted(refs) == sorted(str(number) for number in range(100))


def test_whom_a_job_is_done_for_is_kept(store):
    with store.write() as transaction:
        transaction.jobs.add(job(account_id="a"), NOW)
        transaction.jobs.add(job("d"), NOW)
        assert transaction.jobs.get(JobKind.VALIDATE, "c").account_id == "a"
        assert transaction.jobs.get(JobKind.VALIDATE, "d").account_id is None
        claimed = claim(transaction, "one", NOW, NOW + LEASE, 9)
        assert [found.account_id for found in claimed] == ["a", None]


def test_of_what_waits_some_of_each_account_are_shown_the_oldest_first(store):
    with store.write() as transaction:
        for number in range(20):
            transaction.jobs.add(job(f"a{number:02}", due=NOW + number * SECOND, account_id="a"), NOW)
        transaction.jobs.add(job("b1", due=NOW + 9 * SECOND, account_id="b"), NOW)
        transaction.jobs.add(job("c1", due=LATER + SECOND, account_id="c"), NOW)
        transaction.jobs.add(replace(job("m"), kind=JobKind.MAIL), NOW)
        transaction.jobs.add(job("n"), NOW)
        waiting = transaction.jobs.waiting(JobKind.VALIDATE, LATER, 2)
        assert [found.ref for found in waiting] == ["a00", "n", "a01", "b1"]
        transaction.jobs.claim(waiting[:1], "one", LATER, LATER + LEASE)
        assert [found.ref for found in transaction.jobs.waiting(JobKind.VALIDATE, LATER, 1)] == ["n", "a01", "b1"]


def test_a_job_that_somebody_else_has_claimed_meanwhile_is_left_out(store):
    with store.write() as transaction:
        for ref in "cd":
            transaction.jobs.add(job(ref), NOW)
        seen = transaction.jobs.waiting(JobKind.VALIDATE, NOW, 9)
        assert len(transaction.jobs.claim(seen[:1], "one", NOW, NOW + LEASE)) == 1
        assert [found.ref for found in transaction.jobs.claim(seen, "two", NOW, NOW + LEASE)] == ["d"]


def test_one_challenge_of_an_authorization_is_leased_at_a_time(filled):
    """`c-z` and `d-z` are of one authorization."""
    with filled.write() as transaction:
        transaction.authorizations.add(authorization("y"))
        assert transaction.jobs.add(job("c-z", owner="one"), NOW)
        assert not transaction.jobs.add(job("d-z", owner="one"), NOW)
        assert transaction.jobs.get(JobKind.VALIDATE, "d-z") == job("d-z")
        assert transaction.jobs.add(job("c-y", owner="one"), NOW), "of another one"
        assert transaction.jobs.add(replace(job("d-z", owner="one"), kind=JobKind.MAIL), NOW), "no validation"
        assert not transaction.jobs.due(NOW)
        assert transaction.jobs.waiting(JobKind.VALIDATE, NOW, 9) == ()
        assert transaction.jobs.claim([job("d-z")], "two", NOW, NOW + LEASE) == ()
        assert not transaction.jobs.add(job("d-z", owner="two"), NOW), "asked for again"
        assert transaction.jobs.finish(job("c-z", owner="one"))
        assert transaction.jobs.due(NOW)
        assert transaction.jobs.add(job("d-z", owner="two"), NOW)
        late = NOW + LEASE
        transaction.jobs.add(job("c-z"), late)
        claimed = claim(transaction, "three", late, late + LEASE, 9)
        assert len(claimed) == 3, "c-y, the mail, one of the two: a lease that has run out holds up nobody"


def test_of_two_challenges_of_an_authorization_that_wait_one_is_claimed(filled):
    with filled.write() as transaction:
        for ref in ("c-z", "d-z"):
            transaction.jobs.add(job(ref), NOW)
        assert len(claim(transaction, "one", NOW, NOW + LEASE, 9)) == 1
        assert claim(transaction, "one", NOW, NOW + LEASE, 9) == ()
