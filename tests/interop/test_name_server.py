"""The name server of our labs takes DNS UPDATE (RFC 2136) as real programs send it, in its own zones and nowhere else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.dns import DnsServer


@pytest.fixture
def nsupdate(peer: Callable[[str], Path], nameserver: DnsServer) -> Callable[..., int]:
    """Sends the lines in one update; the exit status."""

    def send(*lines: str) -> int:
        text = "\n".join([f"server 127.0.0.1 {nameserver.port}", *lines, "send", ""])
        done = subprocess.run([peer("nsupdate")], input=text, text=True, capture_output=True, timeout=20, check=False)
        return done.returncode

    return send


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("update delete a.example.org. TXT one", {("a.example.org", "TXT"): ['"two"']}),
        ("update delete a.example.org. TXT", {}),
        ("update delete a.example.org.", {}),
        ("update add a.example.org. 0 TXT two", {("a.example.org", "TXT"): ['"one"', '"two"']}),
        ("update add A.Example.ORG. 0 TXT tre", {("a.example.org", "TXT"): ['"one"', '"two"', '"tre"']}),
    ],
)
def test_2136_2_5_records_come_and_go_one_by_one_or_all_together(
    nameserver: DnsServer, nsupdate: Callable[..., int], line: str, left: dict[tuple[str, str], list[str]]
) -> None:
    nameserver.zone("example.org")
    zone = dict(nameserver.records)
    assert nsupdate("update add a.example.org. 0 TXT one", "update add a.example.org. 0 TXT two") == 0

    assert nsupdate(line) == 0

    assert nameserver.records == zone | left


@pytest.mark.parametrize("zone", ["example.net", "sub.example.org"])
def test_2136_3_1_another_zone_and_a_name_outside_the_zone_are_refused(
    nameserver: DnsServer, nsupdate: Callable[..., int], zone: str
) -> None:
    nameserver.zone("example.org")
    before = dict(nameserver.records)

    assert nsupdate(f"zone {zone}.", f"update add a.{zone}. 0 TXT one") != 0
    assert nsupdate("zone example.org.", "update add a.example.net. 0 TXT one") != 0

    assert nameserver.records == before
