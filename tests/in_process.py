"""A whole CA inside the test's own process, with a clock, a network and a mailbox that the test holds in its hands.

Jobs run in the thread that makes them due: what a request has started is done when its reply is there; what is due later
runs by `Ca.work_off`. The ACME client is in `tests/acme_requests.py`.
"""

from __future__ import annotations

import contextlib
import email
import secrets
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller

from acme_server.app import Application, Parts, create_app
from acme_server.config import Config
from acme_server.identifiers import PublicSuffixes
from acme_server.issuance import authority
from acme_server.limits import Limit
from acme_server.model import AuditRecord, Job, JobKind
from acme_server.store.migrate import upgrade
from challenges.base import Error, Fault, HttpAnswer
from challenges.email_01 import Email01
from challenges.http_01 import HTTP_01
from tests.caa_table import CaaTable

__all__ = [
    "NOW",
    "Ca",
    "Clock",
    "HoldingPool",
    "InlinePool",
    "MailSink",
    "Network",
    "_copies",
    "build",
    "ca",
    "ca_folder",
    "mail_sink",
    "make_ca",
    "shared_ca",
]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXTERNAL_URL = "https://ca.example"
MAIL_FROM = "acme@ca.example"


@dataclass
class Clock:
    """Stands still until it is told to go on."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how_much: float) -> None:
        self.now += timedelta(**how_much)


@dataclass
class Network:
    """Implements `challenges.base.Network`: what hosts serve on port 80, and what they were asked."""

    pages: dict[tuple[str, str], bytes | Exception] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    down: Fault | None = None
    before: Callable[[], object] = lambda: None
    """Called in the middle of each look-up."""

    def http_get(self, host: str, path: str, *, limit: int) -> HttpAnswer:
        self.asked.append((host, path))
        self.before()
        if self.down is not None:
            raise self.down
        page = self.pages.get((host, path), Fault(Error("dns", f"{host} does not exist"), transient=False))
        if isinstance(page, Exception):
            raise page
        return HttpAnswer(200, page[:limit], f"http://{host}{path}", "192.0.2.1")


class InlinePool(Executor):
    """Runs a job at once, in the thread that hands it in."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **named))
        return future


class HoldingPool(Executor):
    """Runs nothing before it is told to."""

    def __init__(self) -> None:
        self.held: list[Callable[[], object]] = []

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        self.held.append(lambda: function(*arguments, **named))
        return Future()

    def let_go(self) -> None:
        while self.held:
            self.held.pop(0)()


class MailSink:
    """A smarthost on a port of its own that refuses connections until `start`, and says what it is told to."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.replies: list[str] = []
        """To RCPT, one each; 250 when there is none."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._controller: Controller | None = None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.rcpt_tos.append(address)
        return self.replies.pop(0) if self.replies else "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.original_content))
        return "250 OK"

    def start(self) -> None:
        sink = self

        class Server(Controller):
            def _create_server(self) -> Any:
                return self.loop.create_server(self._factory_invoker, sock=sink._socket)

        self._controller = Server(self, hostname="127.0.0.1", port=self._socket.getsockname()[1])
        self._controller.start()

    def stop(self) -> None:
        if self._controller is None:
            self._socket.close()
        else:
            self._controller.stop()

    def code(self, number: int = -1) -> str:
        """The code in a mail, as its reader copies it."""
        text = self.mails[number].get_payload(decode=True).decode()
        return text.partition("ACME code:")[2].split()[0]


class Ca:
    """A server that was put together and not started."""

    def __init__(self, config: Config, clock: Clock, network: Network, parts: dict[str, Any]) -> None:
        self.clock, self.network = clock, network
        self.caa = parts.get("caa", CaaTable())
        challenges = {"http-01": HTTP_01, "email-01": Email01(now=clock)}
        self.parts = Parts(
            **{
                "clock": clock,
                "network": network,
                "caa": self.caa,
                "pool": lambda _: InlinePool(),
                "challenges": challenges,
                "suffixes": suffixes(),
                **parts,
            }
        )
        self.config = config
        self.application: Application = create_app(config, self.parts)
        self.database = config.path(config.database)
        self.url = config.external_url

    @property
    def services(self) -> Any:
        return self.application.services

    @property
    def store(self) -> Any:
        return self.application.services.store

    def work_off(self) -> None:
        """Do everything that is due now."""
        self.application.publisher.ensure()
        while True:
            with self.store.read() as transaction:
                if not transaction.jobs.due(self.clock()):
                    return
            self.application.workers.claim()

    def run_job(self, kind: JobKind, ref: str) -> None:
        """Do one job by hand, whatever it raises: with nobody to catch it, as in a process that dies."""
        now = self.clock()
        with self.store.write() as transaction:
            job = Job(kind, ref, due=now, owner="0-0-0", lease_until=now + timedelta(minutes=1))
            assert transaction.jobs.add(job, now)
        self.application.workers._handlers[kind](job)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What is in the database, read past the server."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query, parameters).fetchall()

    def change(self, statement: str, *parameters: Any) -> None:
        """Somebody else writes into the database."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, parameters)

    def audit(self) -> tuple[AuditRecord, ...]:
        with self.store.read() as transaction:
            return transaction.audit.records(0, 100_000)

    def events(self) -> list[str]:
        return [record.event for record in self.audit()]

    def close(self) -> None:
        self.application.close()


@cache
def suffixes() -> PublicSuffixes:
    return PublicSuffixes()


@pytest.fixture(scope="session")
def ca_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `xmpp-ica init` leaves, without its web certificate: copy it."""
    folder = tmp_path_factory.mktemp("ca")
    authority.create(folder / "ca", "Test CA", NOW - timedelta(days=30), secrets.token_bytes)
    upgrade(folder / "xmpp-ica.db")
    return folder


@pytest.fixture(scope="session")
def _copies(ca_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    def copy() -> Path:
        target = tmp_path_factory.mktemp("server") / "state"
        shutil.copytree(ca_folder, target)
        return target

    return copy


def build(folder: Path, parts: dict[str, Any] | None = None, **settings: Any) -> Ca:
    """A CA on what is in the folder; `settings` are sections and keys of the configuration."""
    raw = {
        "name": "Test CA",
        "external_url": EXTERNAL_URL,
        "listen": "127.0.0.1:443",
        "directory": str(folder),
        "mail": {"from": MAIL_FROM, "smarthost": "127.0.0.1:9"},
        "limits": {limit.value: "1000000/1h" for limit in Limit},
    }
    return Ca(msgspec.convert(raw | settings, Config), Clock(), Network(), parts or {})


@contextlib.contextmanager
def opened(copies: Callable[[], Path]) -> Iterator[Callable[..., Ca]]:
    with contextlib.ExitStack() as cleanup:

        def make(folder: Path | None = None, **what: Any) -> Ca:
            made = build(folder or copies(), **what)
            cleanup.callback(made.close)
            return made

        yield make


@pytest.fixture
def make_ca(_copies: Callable[[], Path]) -> Iterator[Callable[..., Ca]]:
    """Makes CAs: `make_ca(folder, parts={…}, acme={…})`."""
    with opened(_copies) as make:
        yield make


@pytest.fixture
def ca(make_ca: Callable[..., Ca]) -> Ca:
    return make_ca()


@pytest.fixture(scope="module")
def shared_ca(_copies: Callable[[], Path]) -> Iterator[Ca]:
    """One for all tests of a module: for those that are refused, or that bring an account of their own."""
    with opened(_copies) as make:
        yield make()


@pytest.fixture
def mail_sink() -> Iterator[MailSink]:
    sink = MailSink()
    try:
        yield sink
    finally:
        sink.stop()
