"""What all tests share: the programs they talk to, free ports, and an end that names every test that did not run.

A missing peer skips the tests that need it, by name; with CI=true (or --all-peers) nothing may be skipped for any reason.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import peers
from tests.conformance import Enforcement
from tests.peers.dns import DnsServer
from tests.peers.process import ServerProcess, free_port


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-peers",
        action="store_true",
        default=os.environ.get("CI") == "true",
        help="a missing peer fails the test, and any skipped test fails the run (the default with CI=true)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Enforcement(), "conformance")


@pytest.fixture(scope="session")
def peer(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The program of a peer by its name in `tests.peers.COMMANDS`; without it the test is skipped, or fails."""

    def program(name: str) -> Path:
        path = peers.find(name)
        if path is None:
            say = pytest.fail if request.config.getoption("--all-peers") else pytest.skip
            say(f"needs {name}: run tests/install-peers.sh as root on Debian")
        assert path is not None
        return path

    return program


@pytest.fixture
def port() -> int:
    """A free TCP port of 127.0.0.1."""
    return free_port()


@pytest.fixture
def nameserver() -> Iterator[DnsServer]:
    """A running name server with an empty table."""
    with DnsServer() as server:
        yield server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start programs that end with the test: `start(argv, name="x")`, with the log in `tmp_path/x.log`."""
    with contextlib.ExitStack() as running:

        def begin(argv: list[str | Path], *, name: str = "program", **how: Any) -> ServerProcess:
            return running.enter_context(ServerProcess(argv, log=tmp_path / f"{name}.log", **how))

        yield begin


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """List each test that did not run, with the reason."""
    reports = _skipped(config)
    if not reports:
        return
    terminalreporter.section("tests that did not run")
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")
    if config.getoption("--all-peers"):
        terminalreporter.line("Here nothing may be skipped: the run has failed.", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if session.config.getoption("--all-peers") and _skipped(session.config) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
