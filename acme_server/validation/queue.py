"""The queue's leases and the threads that work it off: one in each server process.

A job is in the database before anybody works on it, and whoever works holds a lease; a result counts only while the
lease is held. A process that dies loses its leases at once on its own host, and by time elsewhere.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from acme_server.model import Clock, Job, JobKind
from acme_server.store import Store, StoreUnavailable, Transaction
from acme_server.validation.turns import Turns

__all__ = ["Handler", "Workers", "is_gone", "process_name"]

LEASE = timedelta(seconds=120)
"""Longer than any job takes; every job has deadlines of its own."""
POLL = 1.0
"""Seconds between looks for jobs that others have left, or that have become due."""
HOUSEKEEPING = 30.0
"""Seconds between looks for leases of the dead."""
SHORT_WAIT = 0.1
"""Seconds a request waits for its own job."""
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
    """When a process was started, in ticks since boot; 0 where there is none that runs, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    state, *rest = stat[stat.rindex(b")") + 2 :].split()
    # Z: dead, and nobody has collected it yet; in a container without an init, nobody ever does.
    return 0 if state in (b"Z", b"X") else int(rest[18])


class Workers:
    """A pool of threads on the store's jobs. Implements `protocol.services.Work`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        boot: bytes,
        threads: int,
        handlers: Mapping[JobKind, Handler],
        pool: Executor,
    ) -> None:
        """`pool` runs up to `threads` jobs at a time; `stop` shuts it down."""
        self._store = store
        self._clock = clock
        self._boot = boot
        self._owner = process_name(boot)
        self._handlers = handlers
        self._pool = pool
        self._turns = Turns(threads)
        self._lock = threading.Lock()  # of the turns
        self._returned: deque[Job] = deque()
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
        if self._poller.ident is not None:  # never started: nothing to wait for
            self._poller.join()
        self._pool.shutdown(wait=True)
        try:
            with self._store.write() as transaction:
                transaction.jobs.release(self._owner, self._clock())
        except StoreUnavailable as error:  # the next process here frees them
            _log.error("store_unavailable", job="stop", error=str(error))

    def lease(self, kind: JobKind, ref: str, account_id: str) -> Job:
        """See the contract."""
        now = self._clock()
        with self._lock:
            may_begin = self._turns.ask(kind, account_id)
        if not may_begin or self._stopping.is_set():
            return Job(kind, ref, due=now, account_id=account_id)
        return Job(kind, ref, due=now, owner=self._owner, lease_until=now + LEASE, account_id=account_id)

    def run(self, job: Job, *, held: bool) -> None:
        """See the contract."""
        done = self._begin(job) if held else None
        if done is None:
            self._wake.set()
        elif self._waiting.acquire(blocking=False):
            try:
                done.wait(SHORT_WAIT)
            finally:
                self._waiting.release()

    def _begin(self, job: Job) -> threading.Event | None:
        """What is set when the job, whose lease is ours, has been done; None: it goes back into the queue.

        Between lease and COMMIT others may have begun, as many as there are requests under way.
        """
        with self._lock:
            begins = self._turns.is_free_for(job.kind, job.account_id)
            if begins:
                self._turns.begin(job)
        if not begins:
            self._returned.append(job)
            return None
        done = threading.Event()
        self._pool.submit(self._work, job, done)
        return done

    def _work(self, job: Job, done: threading.Event) -> None:
        try:
            self._handlers[job.kind](job)
        except StoreUnavailable as error:
            _log.error("store_unavailable", job=job.kind, ref=job.ref, error=str(error))
            self._returned.append(job)
        except Exception:  # noqa: BLE001 - the worker loop: one job's fault ends no other's
            _log.exception("job_failed", job=job.kind, ref=job.ref, tries=job.tries)
            self._put_off(job)
        finally:
            with self._lock:
                saturated = not self._turns.may_begin(job.kind, job.account_id)
                self._turns.end(job)
            done.set()
            if saturated:  # there may be jobs that found no thread
                self._wake.set()

    def _put_off(self, job: Job) -> None:
        try:
            with self._store.read() as transaction:
                tries = _tries(transaction, job)
            if tries + 1 >= ATTEMPTS:
                self._handlers[job.kind].abandon(job)
                return
            with self._store.write() as transaction:
                transaction.jobs.postpone(job, self._clock() + BACKOFF * 2**tries, tries + 1)
        except StoreUnavailable as error:
            _log.error("store_unavailable", job=job.kind, ref=job.ref, error=str(error))
            self._returned.append(job)
        except Exception:  # noqa: BLE001 - as above; the lease runs out, and the job is tried again
            _log.exception("job_not_put_off", job=job.kind, ref=job.ref)

    def _poll(self) -> None:
        housekeeping = 0.0
        while not self._stopping.is_set():
            try:
                if time.monotonic() >= housekeeping:
                    housekeeping = time.monotonic() + HOUSEKEEPING
                    self._free_the_leases_of_the_dead()
                self._give_back()
                self.claim()
            except StoreUnavailable as error:
                _log.error("store_unavailable", job="poll", error=str(error))
            except Exception:  # noqa: BLE001 - the worker loop: without it nothing would be done any more
                _log.exception("poll_failed")
            self._wake.wait(POLL)
            self._wake.clear()

    def claim(self) -> None:
        """Begin the jobs that are due and that nobody holds, as many as there are threads free."""
        now = self._clock()
        with self._store.read() as transaction:
            due = transaction.jobs.due(now)
        if not due:
            with self._lock:
                self._turns.waiting.clear()
            return
        for kind in self._handlers:
            self._claim(kind, now)

    def _claim(self, kind: JobKind, now: datetime) -> None:
        with self._lock:
            room = self._turns.room(kind)
        if room <= 0:
            return
        with self._store.read() as transaction:
            waiting = transaction.jobs.waiting(kind, now, room + 1)
        with self._lock:
            picked = self._turns.next(kind, waiting)
        if not picked:
            return
        with self._store.write() as transaction:
            jobs = transaction.jobs.claim(picked, self._owner, now, now + LEASE)
        if len(jobs) < len(picked):  # another process was faster: look again
            self._wake.set()
        for job in jobs:
            self._begin(job)

    def _give_back(self) -> None:
        """Jobs that found no thread, or whose end could not be written, wait in the queue, not for their leases."""
        while self._returned:
            job = self._returned[0]
            with self._store.write() as transaction:
                transaction.jobs.postpone(job, self._clock(), _tries(transaction, job))
            self._returned.popleft()

    def _free_the_leases_of_the_dead(self) -> None:
        with self._store.read() as transaction:
            gone = [owner for owner in transaction.jobs.owners() if is_gone(owner, self._boot)]
        for owner in gone:
            with self._store.write() as transaction:
                count = transaction.jobs.release(owner, self._clock())
            _log.warning("leases_freed", owner=owner, jobs=count)


def _tries(transaction: Transaction, job: Job) -> int:
    """Those in the queue count: a client that makes the job due again begins no new count."""
    queued = transaction.jobs.get(job.kind, job.ref)
    return job.tries if queued is None else queued.tries
