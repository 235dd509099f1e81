"""The harness itself: what it starts ends, what is missing is named, and its name server answers from its table."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.peers import ROOT
from tests.peers.dns import DnsServer
from tests.peers.process import ServerProcess, listening, until

PARENT_AND_CHILD = """
import socket, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
server.accept()
"""

NEEDS_A_PEER = """
from tests import peers
peers.COMMANDS["nowhere"] = "no-such-program-anywhere"
def test_that_needs_it(peer):
    peer("nowhere")
def test_that_does_not():
    pass
"""


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_program_ends_with_its_test_and_so_does_what_it_started(
    start: Callable[..., ServerProcess], port: int
) -> None:
    with start([sys.executable, "-c", PARENT_AND_CHILD, str(port)]) as process:
        process.wait_for_port(port)
        child = int(process.said())
        assert alive(child)

    assert not process.running
    assert not listening(port)
    until(lambda: not alive(child), "the child to end")


def test_a_program_that_ends_too_early_is_reported_with_what_it_said(start: Callable[..., ServerProcess]) -> None:
    process = start([sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"])

    with pytest.raises(RuntimeError, match=r"(?s)status 3 before port 1;.*no such thing"):
        process.wait_for_port(1)


def run(folder: Path, text: str, *, ci: str) -> subprocess.CompletedProcess[str]:
    """A run of a test file of its own under our conftest."""
    (folder / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "test_it.py"],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("ci", "status"), [("false", 0), ("true", 1)])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NEEDS_A_PEER, "test_it.py::test_that_needs_it"),
        ("import pytest\ndef test_a():\n    pytest.skip('not today')\n", "test_it.py::test_a: not today"),
    ],
)
def test_what_did_not_run_is_named_and_fails_the_run_where_nothing_may_be_skipped(
    tmp_path: Path, text: str, said: str, ci: str, status: int
) -> None:
    done = run(tmp_path, text, ci=ci)

    assert done.returncode == status, done.stdout
    assert said in done.stdout


@pytest.mark.parametrize("ask", [dns.query.udp, dns.query.tcp])
def test_rfc_8020_a_name_above_one_that_exists_is_empty_and_any_other_does_not_exist(
    nameserver: DnsServer, ask: Callable[..., dns.message.Message]
) -> None:
    nameserver.host("chat.example.org")
    nameserver.records["example.org", "MX"] = ["10 mail.example.org."]

    def reply(name: str, kind: str) -> dns.message.Message:
        return ask(dns.message.make_query(name, kind), "127.0.0.1", port=nameserver.port, timeout=5)

    assert [str(item) for answer in reply("Chat.example.org", "A").answer for item in answer] == ["127.0.0.1"]
    assert [str(item) for answer in reply("example.org", "MX").answer for item in answer] == ["10 mail.example.org."]
    assert reply("example.org", "CAA").rcode() == dns.rcode.NOERROR
    assert reply("example.net", "A").rcode() == dns.rcode.NXDOMAIN
