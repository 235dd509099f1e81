"""`xmpp-cert` as a process: what it imports, how it ends, what it leaves."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.fake_ca import reply
from tests.peers.process import until
from xmpp_client.lineage import Lineage

ROOT = Path(__file__).parents[2]
HEAVY = ("acme", "josepy", "cryptography", "requests", "dns", "rich", "urllib3", "OpenSSL")


def start(*args: str, **more) -> subprocess.Popen:
    code = "from xmpp_client.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,
    )  # fmt: skip


def test_renew_with_nothing_due_imports_nothing_heavy(ca, site) -> None:
    own = site()
    assert own.run("issue").exit_code == 0
    code = (
        "import sys\nfrom xmpp_client.cli import cli\n"
        "try:\n cli(['--config', sys.argv[1], 'renew'])\nexcept SystemExit as end:\n assert end.code == 0, end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(own.path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    told, heavy = done.stdout.splitlines()
    assert told.startswith("nothing is due: example.org is valid until")
    assert heavy == "[]"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_issue_leaves_nothing_half_done(ca, site, number, status) -> None:
    own = site('[certificate.mail]\nreader = "typed"')
    process = start("--config", str(own.path), "issue")
    try:
        until(lambda: bool(ca.mails), "the code to be mailed")
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    assert Lineage(own.state, "example.org").versions() == ()
    assert not own.live.exists()
    assert own.run("status").exit_code == 0


def test_an_interrupted_http_01_takes_its_file_away(ca, site, tmp_path) -> None:
    own = site(f'webroot = "{tmp_path / "www"}"', domains=("example.org",))

    def hang(request):
        shown = ca.authorizations["1"]["challenges"]["http-01"]
        return reply(shown | {"status": "processing"})

    ca.rules["challenge"] = hang
    process = start("--config", str(own.path), "issue")
    try:
        until(lambda: any("challenge" in request for request in list(ca.requests)), "the challenge")
        assert list((tmp_path / "www").rglob("acme-challenge/*"))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 143
    assert not list((tmp_path / "www").rglob("acme-challenge/*"))


def test_two_at_once_do_not_meet(ca, site) -> None:
    own = site('[certificate.mail]\nreader = "typed"')
    first = start("--config", str(own.path), "issue")
    try:
        until(lambda: bool(ca.mails), "the code to be mailed")
        second = own.run("issue")
        assert second.exit_code == 1
        assert "another xmpp-cert is at work" in second.output
        assert own.run("renew", "--quiet").exit_code == 1  # never issued; but it needs no lock to say so
    finally:
        first.kill()
        first.communicate(timeout=20)


def test_the_end_of_the_input_is_an_error_that_says_what_to_do(ca, site) -> None:
    own = site('[certificate.mail]\nreader = "typed"')
    process = start("--config", str(own.path), "issue")
    try:
        _, errors = process.communicate(input="", timeout=30)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "the input ended before a code was typed" in errors
    assert "next:" in errors


@pytest.mark.parametrize(
    ("args", "status"), [((), 2), (("nonsense",), 2), (("--help",), 0), (("renew", "--colour"), 2)]
)
def test_usage_has_its_own_status(args, status) -> None:
    process = start(*args)
    process.communicate(timeout=30)
    assert process.returncode == status


def test_a_state_directory_that_is_none_is_said_in_a_sentence(site) -> None:
    own = site()
    own.state.touch()
    for command in ("renew", "issue", "status"):
        done = own.run(command)
        assert done.exit_code == 1
        assert done.output.startswith("error:"), done.output


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_on_a_terminal_the_cursor_is_there_again_afterwards(ca, site, outcome) -> None:
    own = site()
    if outcome == "failed":
        ca.meta["profiles"] = {}
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from xmpp_client.cli import main; main()", "--config", str(own.path), "issue"],
        cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    shown = b""
    try:
        with contextlib.suppress(OSError):  # EIO: the other end has gone
            while part := os.read(master, 4096):
                shown += part
        status = process.wait(30)
    finally:
        process.kill()
        os.close(master)
    assert (status == 0) == (outcome == "done")
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") > 0
