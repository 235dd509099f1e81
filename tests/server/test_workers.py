"""The workers: leases, faults of jobs, the poller, and processes that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from acme_server.model import Job, JobKind
from acme_server.store import StoreUnavailable
from acme_server.validation import queue
from acme_server.validation.queue import Workers, is_gone, process_name
from tests.acme_requests import Client
from tests.in_process import Clock, HoldingPool, InlinePool

BOOT, OTHER_BOOT = bytes(32), b"\1" * 32


class Handler:
    """Does what the test says, and notes what it was asked."""

    def __init__(self, store, action=lambda job: None):
        self.store, self.action = store, action
        self.done, self.abandoned = [], []

    def __call__(self, job):
        self.done.append(job)
        self.action(job)
        with self.store.write() as transaction:
            transaction.jobs.finish(job)

    def abandon(self, job):
        self.abandoned.append(job)
        with self.store.write() as transaction:
            transaction.jobs.finish(job)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def handler(ca):
    return Handler(ca.store)


@pytest.fixture
def workers(ca, clock, handler):
    made = Workers(ca.store, clock, BOOT, 4, {JobKind.VALIDATE: handler}, InlinePool())
    yield made
    made.stop()


def add(ca, job, now):
    with ca.store.write() as transaction:
        return transaction.jobs.add(job, now)


def stored(ca, ref="x"):
    with ca.store.read() as transaction:
        return transaction.jobs.get(JobKind.VALIDATE, ref)


def test_a_leased_job_is_done_before_run_returns(ca, workers, handler, clock):
    job = workers.lease(JobKind.VALIDATE, "x", "a")
    assert job.owner == process_name(BOOT)
    assert job.lease_until == clock() + queue.LEASE
    workers.run(job, held=add(ca, job, clock()))
    assert [done.ref for done in handler.done] == ["x"]
    assert stored(ca) is None


def test_a_job_that_is_somebody_elses_is_left_alone(ca, workers, handler, clock):
    theirs = Job(JobKind.VALIDATE, "x", due=clock(), owner="0-1-2", lease_until=clock() + queue.LEASE)
    add(ca, theirs, clock())
    job = workers.lease(JobKind.VALIDATE, "x", "a")
    workers.run(job, held=add(ca, job, clock()))
    workers.claim()
    assert handler.done == []
    clock.now += queue.LEASE
    workers.claim()
    assert len(handler.done) == 1


def test_a_job_that_raises_rests_twice_as_long_each_time_and_is_abandoned_at_the_fifth(ca, workers, handler, clock):
    def fail(_):
        raise RuntimeError("defect")

    handler.action = fail
    add(ca, Job(JobKind.VALIDATE, "x", due=clock()), clock())
    rests = []
    for _ in range(5):
        workers.claim()
        if stored(ca) is not None:
            rests.append((stored(ca).due - clock()).total_seconds())
            clock.now = stored(ca).due
    assert rests == [10, 20, 40, 80]
    assert [job.tries for job in handler.abandoned] == [4]
    assert stored(ca) is None


def test_a_job_that_found_the_store_unavailable_is_done_when_its_lease_has_run_out(ca, workers, handler, clock):
    def fail(_):
        raise StoreUnavailable("locked")

    handler.action = fail
    add(ca, Job(JobKind.VALIDATE, "x", due=clock()), clock())
    workers.claim()
    assert stored(ca).tries == 0
    handler.action = lambda _: None
    workers.claim()
    assert len(handler.done) == 1
    clock.now += queue.LEASE
    workers.claim()
    assert stored(ca) is None


def test_a_job_whose_failure_cannot_be_written_waits_for_its_lease(ca, workers, handler, clock):
    class Full:
        def write(self):
            raise StoreUnavailable("full")

    def fail(_):
        workers._store = Full()
        raise RuntimeError("defect")

    handler.action = fail
    add(ca, Job(JobKind.VALIDATE, "x", due=clock()), clock())
    workers.claim()
    workers._store = ca.store
    assert (stored(ca).owner, stored(ca).tries) == (process_name(BOOT), 0)


def test_while_all_threads_are_busy_a_job_is_left_to_whoever_is_free(ca, clock):
    go_on = threading.Event()
    handler = Handler(ca.store, lambda _: go_on.wait(5))
    workers = Workers(ca.store, clock, BOOT, 1, {JobKind.VALIDATE: handler}, ThreadPoolExecutor(1))
    first = workers.lease(JobKind.VALIDATE, "first", "a")
    workers.run(first, held=add(ca, first, clock()))
    second = workers.lease(JobKind.VALIDATE, "x", "a")
    assert second.owner is None
    workers.run(second, held=add(ca, second, clock()))
    workers.claim()
    assert stored(ca).owner is None
    go_on.set()
    workers.stop()
    assert [job.ref for job in handler.done] == ["first"]


def test_the_poller_does_what_is_due_and_stop_gives_the_leases_back(ca, clock):
    done = threading.Event()
    handler = Handler(ca.store, lambda _: done.set())
    workers = Workers(ca.store, clock, BOOT, 2, {JobKind.VALIDATE: handler}, ThreadPoolExecutor(2))
    add(ca, Job(JobKind.VALIDATE, "x", due=clock()), clock())
    held = workers.lease(JobKind.VALIDATE, "left", "a")
    add(ca, held, clock())
    workers.start()
    assert done.wait(5)
    workers.stop()
    assert stored(ca, "left").owner is None
    assert workers.lease(JobKind.VALIDATE, "late", "a").owner is None


def test_the_poller_outlives_a_store_that_is_unavailable_for_a_while(ca, clock):
    done = threading.Event()
    handler = Handler(ca.store, lambda _: done.set())
    calls = []

    class Flaky:
        def read(self):
            calls.append(1)
            if len(calls) < 3:
                workers._wake.set()
                raise StoreUnavailable("locked")
            return ca.store.read()

        def write(self):
            return ca.store.write()

    add(ca, Job(JobKind.VALIDATE, "x", due=clock()), clock())
    workers = Workers(Flaky(), clock, BOOT, 2, {JobKind.VALIDATE: handler}, ThreadPoolExecutor(2))
    workers.start()
    assert done.wait(5)
    workers.stop()


def test_the_leases_of_a_process_that_has_ended_are_free_at_once(ca, workers, handler, clock):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    dead = process_name(BOOT, child.pid)
    assert not is_gone(dead, BOOT)
    add(ca, Job(JobKind.VALIDATE, "x", due=clock(), owner=dead, lease_until=clock() + queue.LEASE), clock())
    workers._free_the_leases_of_the_dead()
    assert stored(ca).owner == dead
    child.communicate(b"\n")
    assert is_gone(dead, BOOT)
    workers._free_the_leases_of_the_dead()
    workers.claim()
    assert len(handler.done) == 1


def test_of_processes_of_another_boot_or_host_nothing_is_known(ca, workers, clock):
    foreign = process_name(OTHER_BOOT, 2**22 + 1)
    assert not is_gone(foreign, BOOT)
    assert is_gone(process_name(BOOT, 2**22 + 1).replace("-0", "-7"), BOOT)
    add(ca, Job(JobKind.VALIDATE, "x", due=clock(), owner=foreign, lease_until=clock() + queue.LEASE), clock())
    workers._free_the_leases_of_the_dead()
    assert stored(ca).owner == foreign


def test_a_process_is_named_by_boot_pid_and_start_so_that_a_pid_used_again_is_another():
    name = process_name(BOOT)
    assert name == process_name(BOOT, os.getpid())
    boot, pid, started = name.split("-")
    assert (boot, int(pid)) == ("00" * 8, os.getpid())
    assert int(started) > 0
    assert is_gone(f"{boot}-{pid}-{int(started) - 1}", BOOT)


def test_a_validation_that_raises_ends_in_an_invalid_authorization_and_not_in_silence(make_ca):
    class Broken:
        type, subdomains, wildcards, has_token = "http-01", False, False, True

        def offer(self, identifier, ca, account_url):
            return {}

        def begin(self, task, payload, outbox, ca):
            from challenges.base import Begun

            return Begun({}, due=True)

        def validate(self, task, network):
            raise RuntimeError("a plugin's defect")

    ca = make_ca(parts={"challenges": {"http-01": Broken()}})
    client = Client(ca).register()
    order = client.order("example.org")
    challenge = client.challenge(order.json["authorizations"][0], "http-01")["url"]
    assert client.post(challenge, {}).json["status"] == "processing"
    for _ in range(6):
        ca.clock.advance(minutes=5)
        ca.work_off()
    shown = client.post(challenge).json
    assert (shown["status"], shown["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:serverInternal")
    assert "plugin" not in shown["error"]["detail"]
    assert client.post(order.location).json["status"] == "invalid"
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'validate'") == [(0,)]


def test_a_server_that_was_stopped_takes_up_its_work_when_it_starts_again(make_ca):
    from pathlib import Path

    ca = make_ca(parts={"pool": lambda _: HoldingPool()})
    client = Client(ca).register()
    order = client.order("example.org")
    client.post(client.publish(order.json["authorizations"][0])["url"], {})
    ca.application.workers.stop()
    again = make_ca(Path(ca.config.directory))
    again.network.pages = ca.network.pages
    again.work_off()
    owner = Client(again, client.key)
    owner.account = client.account
    assert owner.post(order.location).json["status"] == "ready"


def test_times_of_jobs_are_aware_and_keep_their_fractions(ca):
    now = datetime(2026, 6, 1, 12, 0, 0, 123456, UTC)
    add(ca, Job(JobKind.VALIDATE, "x", due=now, owner="o", lease_until=now + timedelta(microseconds=1)), now)
    assert (stored(ca).due, stored(ca).lease_until) == (now, now + timedelta(microseconds=1))
