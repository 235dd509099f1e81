"""`python -m bench.issuance`: CPU time per issuance of `xmpp-ica serve` and of Debian's Pebble, and their ratio.

Both run on loopback with real http-01 validation and take turns, a round each, so that a busier minute meets both. The
ratio is the median of the rounds' own ratios; nothing here passes or fails by time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.bound import bound_ms
from bench.load import Plan, Result, run
from tests.peers import find
from tests.peers.pebble import pebble
from tests.peers.process import free_port
from tests.peers.xmpp_ica import xmpp_ica

LANES = 4
"""Pebble stops answering for good with 16 issuances at once, and was never seen to with 4."""


@contextlib.contextmanager
def _servers(folder: Path, template: Plan) -> Iterator[dict[str, Plan]]:
    """Both servers running: their names and what to ask of each."""
    program = find("pebble")
    if program is None:
        raise SystemExit("needs pebble: run tests/install-peers.sh as root on Debian")
    folders = {name: folder / name for name in ("xmpp-ica", "pebble")}
    for path in folders.values():
        path.mkdir()
    port, dns = template.http_port, f"127.0.0.1:{template.dns_port}"
    with (
        xmpp_ica(folders["xmpp-ica"], http_port=port, nameserver=dns) as ours,
        pebble(program, folders["pebble"], http_port=port, nameserver=dns) as theirs,
    ):
        yield {
            "xmpp-ica": replace(template, directory=ours.directory, trust=ours.trust, pid=ours.process.pid),
            "pebble": replace(template, directory=theirs.directory, trust=theirs.tls.root, pid=theirs.process.pid),
        }


def _line(name: str, result: Result) -> str:
    middle, high = (result.latencies[int(part * (len(result.latencies) - 1))] * 1000 for part in (0.5, 0.99))
    return (
        f"{name:<10}{result.cpu_ms:8.2f} CPU ms/issuance {result.issued / result.seconds:8.1f} issuances/s"
        f" {result.requests / result.issued:6.2f} requests/issuance   p50 {middle:6.1f}  p99 {high:6.1f} ms"
        f"   {result.server.written / 1024 / result.issued:6.1f} KiB written/issuance"
        f"   {result.server.memory / 2**20:6.1f} MiB"
    )


def _round(plans: dict[str, Plan]) -> dict[str, Result]:
    results = {}
    for name, plan in plans.items():
        result = asyncio.run(run(plan))
        if result.errors or not result.issued:
            raise SystemExit(f"{name}: {result.issued} issued, {result.errors}")
        print(_line(name, result), flush=True)
        results[name] = result
    return results


def _summary(rounds: list[dict[str, Result]], names: int) -> None:
    bound = bound_ms(names)
    print(f"\nmedians of {len(rounds)} rounds, {names} name(s) an order, {LANES} at once")
    for name in rounds[0]:
        cpu = statistics.median(results[name].cpu_ms for results in rounds)
        print(f"{name:<10}{cpu:8.2f} CPU ms/issuance = {cpu / bound:5.1f} x the cryptography alone ({bound:.2f} ms)")
    ratios = sorted(results["xmpp-ica"].cpu_ms / results["pebble"].cpu_ms for results in rounds)
    print(f"ratio xmpp-ica/pebble {statistics.median(ratios):.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=200, help="issuances of each server in a round")
    parser.add_argument("--names", type=int, default=1, help="names per order")
    options = parser.parse_args()
    template = Plan("", Path(), 0, free_port(), free_port(), options.orders, LANES, options.names)
    with tempfile.TemporaryDirectory() as folder, _servers(Path(folder), template) as plans:
        rounds = [_round(plans) for _ in range(options.rounds)]
    _summary(rounds, options.names)


if __name__ == "__main__":
    main()
