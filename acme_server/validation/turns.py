"""Whose job is next, and how many threads it may take: nobody waits for a stranger's thousand hanging validations.

Of the accounts that have something due, one with the fewest threads goes first, and of several the one that was served
longest ago; and one account alone never takes the last thread there is for a kind. So whoever comes waits for one job
of each other account at most. It never asks the store, and knows this process alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import count

from acme_server.model import Job, JobKind

__all__ = ["Turns", "pick"]

_REMEMBERED = 1024
"""Accounts whose last turn is known; those before them are as if they had never had one."""

Account = str | None


def pick(
    waiting: Sequence[Job], running: Mapping[Account, int], served: Mapping[Account, int], room: int, most: int
) -> list[Job]:
    """Which of the jobs that wait, the oldest first, are to begin now: up to `room`.

    `running`: threads of each account; no account gets more than `most`. `served`: the higher, the later was its turn.
    """
    queues: dict[Account, deque[Job]] = {}
    for job in waiting:
        queues.setdefault(job.account_id, deque()).append(job)
    threads, turns = Counter(running), dict(served)
    latest = count(max(turns.values(), default=0) + 1)
    picked: list[Job] = []
    while len(picked) < room:
        open_ = [account for account, queue in queues.items() if queue and threads[account] < most]
        if not open_:
            break
        # min() takes the first of equals: the account whose oldest job is the oldest.
        account = min(open_, key=lambda one: (threads[one], turns.get(one, 0)))
        picked.append(queues[account].popleft())
        threads[account] += 1
        turns[account] = next(latest)
    return picked


class Turns:
    """Who has which threads, and who had a turn when. Not safe for several threads: its user holds a lock."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        # What waits for hosts that are not ours (CAA, for an issuance) never holds all threads, nor one kind those of
        # the others.
        self._most = {
            JobKind.VALIDATE: max(1, threads // 2),
            JobKind.ISSUE: max(1, threads - 2),
            JobKind.MAIL: max(1, threads // 4),
        }
        self._busy = Counter[JobKind]()
        self._running = {kind: Counter[Account]() for kind in JobKind}
        self._served: dict[Account, int] = {}
        self._turn = count(1)
        self.waiting: dict[JobKind, bool] = {}
        """Whether jobs of a kind are due that lack nothing but a thread: nobody overtakes them."""

    def room(self, kind: JobKind) -> int:
        """Threads free for a job of that kind."""
        free = self._threads - self._busy.total()
        return min(free, self._most[kind] - self._busy[kind]) if kind in self._most else free

    def may_begin(self, kind: JobKind, account_id: Account) -> bool:
        """Whether a job may begin now without having waited."""
        return not self.waiting.get(kind, False) and self.is_free_for(kind, account_id)

    def ask(self, kind: JobKind, account_id: Account) -> bool:
        """The same of a job that is there now, and that nobody overtakes if it lacks nothing but a thread."""
        if self.room(kind) <= 0 and self._running[kind][account_id] < self._share(kind):
            self.waiting[kind] = True
        return self.may_begin(kind, account_id)

    def is_free_for(self, kind: JobKind, account_id: Account) -> bool:
        """Whether there is a thread for a job of that account."""
        return self.room(kind) > 0 and self._running[kind][account_id] < self._share(kind)

    def begin(self, job: Job) -> None:
        """A thread is taken."""
        self._busy[job.kind] += 1
        self._running[job.kind][job.account_id] += 1
        self._served.pop(job.account_id, None)
        self._served[job.account_id] = next(self._turn)
        if len(self._served) > _REMEMBERED:
            del self._served[next(iter(self._served))]

    def end(self, job: Job) -> None:
        """A thread is free again."""
        self._busy[job.kind] -= 1
        running = self._running[job.kind]
        running[job.account_id] -= 1
        if not running[job.account_id]:
            del running[job.account_id]

    def next(self, kind: JobKind, waiting: Sequence[Job]) -> list[Job]:
        """Those of the jobs that wait, the oldest first, which are to begin now."""
        picked = pick(waiting, self._running[kind], self._served, self.room(kind), self._share(kind))
        threads = self._running[kind] + Counter(job.account_id for job in picked)
        left = {job.account_id for job in waiting if job not in picked}
        self.waiting[kind] = any(threads[account] < self._share(kind) for account in left)
        return picked

    def _share(self, kind: JobKind) -> int:
        """Threads that one account may have."""
        return max(1, self._most[kind] - 1) if kind in self._most else self._threads
