"""The queue's contract, for every store: one holder at a time, and results only under a lease that is still held."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

from acme_server.model import Job, JobKind
from tests.store_values import LATER, NOW, SECOND

LEASE = timedelta(seconds=60)


def job(ref="c", owner=None, due=NOW, **changes):
    return Job(JobKind.VALIDATE, ref, due=due, owner=owner, lease_until=owner and due + LEASE, **changes)


def test_a_job_is_claimed_by_one_when_it_is_due(store):
    with store.write() as transaction:
        assert not transaction.jobs.add(job(due=NOW + SECOND), NOW)
        assert not transaction.jobs.due(NOW)
        assert transaction.jobs.claim("one", NOW, NOW + LEASE, 10) == ()
        now = NOW + SECOND
        assert transaction.jobs.due(now)
        (claimed,) = transaction.jobs.claim("one", now, now + LEASE, 10)
        assert (claimed.ref, claimed.owner, claimed.lease_until) == ("c", "one", now + LEASE)
        assert transaction.jobs.held(claimed)
        assert not transaction.jobs.due(now)
        assert transaction.jobs.claim("two", now, now + LEASE, 10) == ()
        assert transaction.jobs.owners() == ("one",)


def test_no_more_jobs_are_claimed_than_asked_for_and_the_oldest_first(store):
    with store.write() as transaction:
        for number in (3, 1, 2):
            transaction.jobs.add(job(str(number), due=NOW + number * SECOND), NOW)
        claimed = transaction.jobs.claim("one", LATER, LATER + LEASE, 2)
        assert sorted(found.ref for found in claimed) == ["1", "2"]


def test_a_lease_that_has_run_out_is_taken_over_and_its_former_holder_changes_nothing(store):
    with store.write() as transaction:
        transaction.jobs.add(job(), NOW)
        (first,) = transaction.jobs.claim("one", NOW, NOW + LEASE, 1)
        (second,) = transaction.jobs.claim("two", NOW + LEASE, NOW + 2 * LEASE, 1)
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
        (claimed,) = transaction.jobs.claim("one", NOW, NOW + LEASE, 1)
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
        assert len(transaction.jobs.claim("one", NOW, NOW + LEASE, 10)) == 2


def test_the_leases_of_an_owner_that_is_gone_end_at_once(store):
    with store.write() as transaction:
        for ref in ("a", "b"):
            transaction.jobs.add(job(ref, owner="dead"), NOW)
        transaction.jobs.add(job("c", owner="alive"), NOW)
        assert sorted(transaction.jobs.owners()) == ["alive", "dead"]
        assert transaction.jobs.release("dead", NOW + SECOND) == 2
        assert transaction.jobs.owners() == ("alive",)
        assert len(transaction.jobs.claim("two", NOW + SECOND, LATER, 10)) == 2


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
                jobs = transaction.jobs.claim(str(number), NOW, NOW + LEASE, 3)
            if not jobs:
                return claimed
            claimed += [found.ref for found in jobs]

    with ThreadPoolExecutor(4) as pool:
        refs = [ref for claimed in pool.map(race, range(4)) for ref in claimed]
    assert sorted(refs) == sorted(str(number) for number in range(100))
