"""The queue's leases and the threads that work it off: one in each server process.

A job is in the database before anybody works on it, and whoever works holds a lease; a result counts only while the
lease is held. A process that dies loses its leases at once on its own host, and by time elsewhere.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import structlog

from acme_server.model import Clock, Job, JobKind
from acme_server.store import Store, StoreUnavailable

__all__ = ["Handler", "Workers", "is_gone", "process_name"]

LEASE = timedelta(seconds=60)
"""Longer than any job takes; every job has deadlines of its own."""
POLL = 1.0
"""Seconds between looks for jobs that others have left, or that have become due."""
HOUSEKEEPING = 30.0
"""Seconds between looks for leases of the dead."""
SHORT_WAIT = 0.1
"""Seconds a request waits for its own job (design §4)."""
BACKOFF = timedelta(seconds=10)
"""How long a job rests that has raised an exception."""

ATTEMPTS = 5
"""How often a job may raise an exception."""


class Handler(Protocol):
    """Does the jobs of one kind."""

    def __call__(self, job: Job) -> None:
        """Do it, and end or postpone it in the store."""

    def abandon(self, job: Job) -> None:
        """It has raised exceptions too often: end what waits for it."""


_log = structlog.get_logger()


def process_name(boot: bytes, pid: int | None = None) -> str:
    """The name of this process and no other, of any host: boot, process id, start time."""
    pid = os.getpid() if pid is None else pid
    return f"{boot[:8].hex()}-{pid}-{_started(pid)}"


def is_gone(owner: str, boot: bytes) -> bool:
    """Whether that is a process of this boot that has ended. Of other hosts (and boots) nothing is known: False."""
    own_boot, pid, started = owner.split("-")
    return own_boot == boot[:8].hex() and str(_started(int(pid))) != started


def _started(pid: int) -> int:
    """When a process was started, in ticks since boot; 0 where there is none, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


class Workers:
    """A pool of threads on the store's jobs. Implements `protocol.services.Work`."""

    def __init__(
        self, store: Store, clock: Clock, boot: bytes, threads: int, handlers: Mapping[JobKind, Handler]
    ) -> None:
        self._store = store
        self._clock = clock
        self._boot = boot
        self._owner = process_name(boot)
        self._handlers = handlers
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._busy = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        # A waiting request holds one of the edge's threads: half of the workers' number may.
        self._waiting = threading.BoundedSemaphore(max(1, threads // 2))
        self._poller = threading.Thread(target=self._poll, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to look for jobs."""
        self._poller.start()

    def stop(self) -> None:
        """Finish what is under way, and give back the leases."""
        self._stopping.set()
        self._wake.set()
        self._poller.join()
        self._pool.shutdown(wait=True)
        with self._store.write() as transaction:
            transaction.jobs.release(self._owner, self._clock())

    def lease(self, kind: JobKind, ref: str) -> Job:
        """See the contract."""
        now = self._clock()
        if self._busy >= self._threads or self._stopping.is_set():
            return Job(kind, ref, due=now)
        return Job(kind, ref, due=now, owner=self._owner, lease_until=now + LEASE)

    def run(self, job: Job, *, held: bool) -> None:
        """See the contract."""
        if not held:
            self._wake.set()
            return
        done = self._submit(job)
        if self._waiting.acquire(blocking=False):
            try:
                done.wait(SHORT_WAIT)
            finally:
                self._waiting.release()

    def _submit(self, job: Job) -> threading.Event:
        done = threading.Event()
        with self._lock:
            self._busy += 1
        self._pool.submit(self._work, job, done)
        return done

    def _work(self, job: Job, done: threading.Event) -> None:
        try:
            self._handlers[job.kind](job)
        except StoreUnavailable as error:
            # The lease runs out, and the job is done then.
            _log.error("store_unavailable", job=job.kind, ref=job.ref, error=str(error))
        except Exception:  # noqa: BLE001 - the worker loop: one job's fault ends no other's
            _log.exception("job_failed", job=job.kind, ref=job.ref, tries=job.tries)
            self._put_off(job)
        finally:
            with self._lock:
                self._busy -= 1
            done.set()
            self._wake.set()

    def _put_off(self, job: Job) -> None:
        try:
            if job.tries + 1 >= ATTEMPTS:
                self._handlers[job.kind].abandon(job)
                return
            with self._store.write() as transaction:
                transaction.jobs.postpone(job, self._clock() + BACKOFF * 2**job.tries, job.tries + 1)
        except StoreUnavailable as error:
            _log.error("store_unavailable", job=job.kind, ref=job.ref, error=str(error))

    def _poll(self) -> None:
        housekeeping = 0.0
        while not self._stopping.is_set():
            try:
                if time.monotonic() >= housekeeping:
                    housekeeping = time.monotonic() + HOUSEKEEPING
                    self._free_the_leases_of_the_dead()
                self._claim()
            except StoreUnavailable as error:
                _log.error("store_unavailable", job="poll", error=str(error))
            self._wake.wait(POLL)
            self._wake.clear()

    def _claim(self) -> None:
        free = self._threads - self._busy
        if free <= 0:
            return
        now = self._clock()
        with self._store.read() as transaction:
            if not transaction.jobs.due(now):
                return
        with self._store.write() as transaction:
            jobs = transaction.jobs.claim(self._owner, now, now + LEASE, free)
        for job in jobs:
            self._submit(job)

    def _free_the_leases_of_the_dead(self) -> None:
        with self._store.read() as transaction:
            gone = [owner for owner in transaction.jobs.owners() if is_gone(owner, self._boot)]
        for owner in gone:
            with self._store.write() as transaction:
                count = transaction.jobs.release(owner, self._clock())
            _log.warning("leases_freed", owner=owner, jobs=count)
