"""`python -m bench.start`: seconds from the start of `xmpp-ica serve` to its first answer, and what it imports for it.

The time runs from the start of the process to a directory fetched over a new TLS connection. The imports are those of
the same command under `python -X importtime`, which makes them look dearer than they are.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
import urllib.error
from collections import Counter
from pathlib import Path

from bench.process_tree import usage
from tests.peers.https import fetch
from tests.peers.process import ServerProcess, until
from tests.peers.xmpp_ica import command, initialise

STARTS = 9
SHOWN = 14
"""Packages listed."""
IMPORT = re.compile(r"^import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)", re.MULTILINE)


def _answers(url: str, trust: Path) -> bool:
    try:
        return fetch(url + "/directory", trust) != b""
    except urllib.error.URLError:
        return False


def _start(folder: Path, url: str, log: str, *options: str) -> tuple[float, float, str]:
    """Seconds until the first answer, CPU seconds until then, and what the server has written."""
    argv: list[str | Path] = [sys.executable, *options, command(), "serve", "--config", folder / "xmpp-ica.toml"]
    begun = time.perf_counter()
    with ServerProcess(argv, log=folder / log) as process:
        until(lambda: _answers(url, folder / "ca" / "root.pem") or not process.running, "an answer")
        seconds = time.perf_counter() - begun
        if not process.running:
            raise SystemExit(process.said())
        return seconds, usage(process.pid).cpu, process.said()


def _imports(said: str) -> Counter[str]:
    """Microseconds by package, in all processes of the server."""
    spent: Counter[str] = Counter()
    for microseconds, module in IMPORT.findall(said):
        spent[module.partition(".")[0]] += int(microseconds)
    return spent


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = initialise(folder)
        starts = [_start(folder, url, "serve.log") for _ in range(STARTS)]
        seconds, cpu = sorted(start[0] for start in starts), statistics.median(start[1] for start in starts)
        print(
            f"first answer after {statistics.median(seconds):.2f} s ({STARTS}: {seconds[0]:.2f} to {seconds[-1]:.2f})"
        )
        print(f"CPU until then {cpu:.2f} s")
        spent = _imports(_start(folder, url, "imports.log", "-X", "importtime")[2])
    print(f"imports {spent.total() / 1000:.0f} ms in all processes, under -X importtime; the dearest packages:")
    for package, microseconds in spent.most_common(SHOWN):
        print(f"  {package:<20}{microseconds / 1000:7.1f} ms")


if __name__ == "__main__":
    main()
