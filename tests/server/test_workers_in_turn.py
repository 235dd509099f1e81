"""The workers' threads among accounts: nobody holds all of them, and nobody is overtaken."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from acme_server.model import Job, JobKind
from acme_server.validation.queue import Workers
from tests.acme_requests import Client
from tests.in_process import Clock, HoldingPool
from tests.open_challenge import OpenChallenge, opened

BOOT = bytes(32)
SECOND = timedelta(seconds=1)


class Handler:
    """Does what the test says, and notes what it was asked."""

    def __init__(self, store, action=lambda job: None):
        self.store, self.action, self.done = store, action, []

    def __call__(self, job):
        self.done.append(job)
        self.action(job)
        with self.store.write() as transaction:
            transaction.jobs.finish(job)

    def abandon(self, job):
        raise AssertionError(job)


@pytest.fixture
def clock():
    return Clock()


def add(ca, job, now):
    with ca.store.write() as transaction:
        return transaction.jobs.add(job, now)


def stored(ca, ref="x"):
    with ca.store.read() as transaction:
        return transaction.jobs.get(JobKind.VALIDATE, ref)


def test_silent_hosts_hold_no_more_threads_than_leave_one_for_issuing(ca, clock):
    heard, issued = threading.Event(), threading.Event()
    silent = Handler(ca.store, lambda _: heard.wait(20))
    issuing = Handler(ca.store, lambda _: issued.set())
    handlers = {JobKind.VALIDATE: silent, JobKind.ISSUE: issuing}
    workers = Workers(ca.store, clock, BOOT, 4, handlers, ThreadPoolExecutor(4))
    try:
        for number in range(10):
            add(ca, Job(JobKind.VALIDATE, f"silent-{number}", due=clock(), account_id=str(number)), clock())
        workers.claim()
        assert workers.lease(JobKind.VALIDATE, "one-more", "a").owner is None
        add(ca, Job(JobKind.ISSUE, "order", due=clock()), clock())
        workers.claim()
        assert issued.wait(10)
        assert len(silent.done) == 2
    finally:
        heard.set()
        workers.stop()


def test_issuing_may_take_every_thread_that_is_free(ca, clock):
    heard = threading.Event()
    issuing = Handler(ca.store, lambda _: heard.wait(20))
    workers = Workers(ca.store, clock, BOOT, 4, {JobKind.ISSUE: issuing}, ThreadPoolExecutor(4))
    try:
        for number in range(3):
            add(ca, Job(JobKind.ISSUE, f"order-{number}", due=clock()), clock())
        workers.claim()
        assert workers.lease(JobKind.ISSUE, "a-fourth", "a").owner is not None
    finally:
        heard.set()
        workers.stop()


def test_a_stranger_s_hanging_validations_stop_nobody_else(ca, clock):
    """With real threads, a thousand of one account that never end, and one of another."""
    heard, proved = threading.Event(), threading.Event()
    handler = Handler(ca.store, lambda job: proved.set() if job.account_id == "good" else heard.wait(20))
    workers = Workers(ca.store, clock, BOOT, 4, {JobKind.VALIDATE: handler}, ThreadPoolExecutor(4))
    with ca.store.write() as transaction:
        for number in range(1000):
            transaction.jobs.add(Job(JobKind.VALIDATE, f"bad-{number}", due=clock(), account_id="bad"), clock())
        transaction.jobs.add(Job(JobKind.VALIDATE, "good", due=clock() + SECOND, account_id="good"), clock())
    clock.now += SECOND
    workers.start()
    try:
        assert proved.wait(10)
        job = workers.lease(JobKind.VALIDATE, "bad-more", "bad")
        assert job.owner is None
        proved.clear()
        job = workers.lease(JobKind.VALIDATE, "good-more", "good")
        workers.run(job, held=add(ca, job, clock()))
        assert proved.wait(10)
    finally:
        heard.set()
        workers.stop()


def test_two_strangers_who_hold_all_threads_delay_others_by_one_job_each(ca, clock):
    """Once a thread is free, an account that has none gets it, and keeps it while the others have more."""
    pool = HoldingPool()
    handler = Handler(ca.store)
    workers = Workers(ca.store, clock, BOOT, 4, {JobKind.VALIDATE: handler}, pool)
    for number in range(100):
        for letter in "ab":
            add(ca, Job(JobKind.VALIDATE, f"{letter}-{number}", due=clock(), account_id=letter), clock())
    workers.claim()
    clock.now += SECOND
    good = workers.lease(JobKind.VALIDATE, "good", "c")
    assert good.owner is None
    workers.run(good, held=add(ca, good, clock()))
    pool.held.pop(0)()
    late = workers.lease(JobKind.VALIDATE, "a-late", "a")
    assert late.owner is None, "those who wait are not overtaken"
    workers.claim()
    pool.held.pop(1)()
    assert [job.ref for job in handler.done] == ["a-0", "good"]


def test_requests_at_the_same_time_get_no_more_threads_than_there_are(ca, clock):
    pool = HoldingPool()
    handler = Handler(ca.store)
    workers = Workers(ca.store, clock, BOOT, 8, {JobKind.VALIDATE: handler}, pool)
    jobs = [workers.lease(JobKind.VALIDATE, str(number), "a") for number in range(10)]
    held = [add(ca, job, clock()) for job in jobs]
    assert all(held), "no one has begun yet"
    for job in jobs:
        workers.run(job, held=True)
    assert len(pool.held) == 3
    workers._give_back()
    assert sum(stored(ca, str(number)).owner is None for number in range(10)) == 7
    pool.let_go()
    for _ in range(3):
        workers.claim()
        pool.let_go()
    assert sorted(int(job.ref) for job in handler.done) == list(range(10))


def test_a_job_that_goes_back_into_the_queue_keeps_its_tries(ca, clock):
    workers = Workers(ca.store, clock, BOOT, 4, {JobKind.VALIDATE: Handler(ca.store)}, HoldingPool())
    add(ca, Job(JobKind.VALIDATE, "x", due=clock(), tries=2), clock())
    job = workers.lease(JobKind.VALIDATE, "x", "a")
    assert add(ca, job, clock())
    workers._returned.append(job)
    workers._give_back()
    assert (stored(ca).tries, stored(ca).owner) == (2, None)


def test_of_the_challenges_of_an_authorization_one_is_validated_and_what_waits_ends_without_a_look(make_ca):
    pool = HoldingPool()
    both = [OpenChallenge("one-01"), OpenChallenge("two-01")]
    ca = make_ca(parts={"pool": lambda _: pool, "challenges": opened(*both)})
    client = Client(ca).register()
    (authorization,) = client.order("example.org").json["authorizations"]
    for challenge in client.post(authorization).json["challenges"]:
        assert client.post(challenge["url"], {}).json["status"] == "processing"
    ca.application.workers.claim()
    assert len(pool.held) == 1
    pool.let_go()
    assert client.post(authorization).json["status"] == "valid"
    ca.application.workers.claim()
    pool.let_go()
    assert sum(len(kind.tasks) for kind in both) == 1
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'validate'") == [(0,)]
