"""CPU time, memory and bytes written of a server with everything it started, read from /proc (Linux only).

CPU time counts what ended children have left to their parents, so a worker that is gone is counted once. It never looks
at a process outside the tree.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Usage", "usage"]

TICK = os.sysconf("SC_CLK_TCK")
PPID, UTIME, CSTIME = 1, 11, 14
"""Places in /proc/PID/stat after the name in brackets (proc(5): fields 4, 14 and 17)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tree has used so far; `after - before` is what a measurement used."""

    cpu: float
    """Seconds, user and system."""
    written: int
    """Octets handed to the disks."""
    memory: int
    """Octets, each shared page divided among those who share it (PSS)."""

    def __sub__(self, before: Usage) -> Usage:
        return Usage(self.cpu - before.cpu, self.written - before.written, self.memory)


def _read(pid: int, name: str) -> str:
    """A file of /proc/PID; empty when the process has ended or is not ours to look at."""
    try:
        return Path("/proc", str(pid), name).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    return _read(pid, "stat").rpartition(")")[2].split()


def _tree(root: int) -> list[int]:
    """The pids at and below the root."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[PPID]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        found.append(pid := todo.pop())
        todo.extend(children.get(pid, ()))
    return found


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return sum(int(ticks) for ticks in fields[UTIME : CSTIME + 1]) / TICK


def _number(text: str, key: str) -> int:
    """The number after `key:` in a file of such lines, 0 without it."""
    for line in text.splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def usage(root: int) -> Usage:
    """What the tree at this pid has used."""
    pids = _tree(root)
    return Usage(
        cpu=sum(_cpu(pid) for pid in pids),
        written=sum(_number(_read(pid, "io"), "write_bytes") for pid in pids),
        memory=sum(_number(_read(pid, "smaps_rollup"), "Pss") for pid in pids) * 1024,
    )
