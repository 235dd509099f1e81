"""One program of a test: started, waited for until it is ready, and ended by its own pid, whatever the test did.

It must never leave a process behind and never end one it did not start. What the program says goes to a log file, whose
end is shown when the program does not become ready.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["ServerProcess", "free_port", "listening", "until"]

PAUSE = 0.02
"""Seconds between two looks."""
_ports: set[int] = set()
_ports_lock = threading.Lock()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago, for programs that cannot be given port 0.

    No two calls give the same, and what the kernel hands out by itself begins above, at 32768: so nothing of ours takes
    the port before the program does.
    """
    while True:
        port = random.randrange(10_240, 32_768)
        with _ports_lock, socket.socket() as probe, contextlib.suppress(OSError):
            if port not in _ports:
                probe.bind(("127.0.0.1", port))
                _ports.add(port)
                return port


def listening(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Return as soon as the condition holds. Raises TimeoutError, naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(PAUSE)


class ServerProcess:
    """A running program; a context manager, so that it ends with the block it serves."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start it, in a process group of its own; `environment` is added to ours."""
        self.argv = [str(word) for word in argv]
        self.log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 20) -> Self:
        """Wait for the condition. Raises RuntimeError with the end of the log when it ends before, or in time."""

        def ready_or_ended() -> bool:
            return not self.running or ready()

        try:
            until(ready_or_ended, what, seconds)
        except TimeoutError as error:
            self.stop()
            raise RuntimeError(f"{self.argv[0]}: {error}; its log ends:\n{self.said()[-3000:]}") from error
        if not self.running:
            raise RuntimeError(
                f"{self.argv[0]} ended with status {self.status} before {what}; its log ends:\n{self.said()[-3000:]}"
            )
        return self

    def wait_for_port(self, port: int, seconds: float = 20) -> Self:
        return self.wait_until(lambda: listening(port), f"port {port}", seconds)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would: at once, with everything it started."""
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def stop(self, seconds: float = 10) -> int:
        """Ask it to end, then make it; what it started ends with it. Returns the exit status."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self.kill()
        return self._process.returncode

    def _signal_group(self, number: signal.Signals) -> None:
        """To the group that this program leads: nothing else can be in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
