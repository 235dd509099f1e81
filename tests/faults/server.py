"""A CA whose server is a process that may end at any moment, and is started again on what is left."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults import ledger
from tests.faults.client import AcmeClient, Server, wait
from tests.faults.enrolment import Enrolment, HttpProof, MailProof
from tests.faults.hosts import Hosts, MailServer
from tests.peers import ROOT
from tests.peers.dns import DnsServer
from tests.peers.process import ServerProcess, free_port, listening, until
from tests.peers.xmpp_ica import command, edit, initialise

SENDER = "acme@ca.example"


class Ca:
    """The server, as a process that may end at any time."""

    def __init__(self, folder: Path, hosts: Hosts, mail: MailServer, names: DnsServer, **changes: Any) -> None:
        self.folder = folder
        self.hosts = hosts
        self.mail = mail
        self.names = names
        smarthost = f"127.0.0.1:{mail.port}"
        self.url = initialise(
            folder,
            http_port=hosts.port,
            nameserver=names.address,
            mail={"from": SENDER, "smarthost": smarthost},
            **changes,
        )
        self.process: ServerProcess | None = None
        self._more: list[ServerProcess] = []
        self._connections: list[Server] = []

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def database(self) -> Path:
        return self.folder / "xmpp-ica.db"

    @property
    def trust(self) -> Path:
        return self.folder / "ca" / "root.pem"

    def configure(self, **changes: Any) -> None:
        """Set keys of the configuration, for the next start."""
        edit(self.folder / "xmpp-ica.toml", changes)

    def start(self, point: str | None = None, *, log: Path | None = None) -> ServerProcess:
        """Start it; with a `point` it ends itself there (see `dying_server`), perhaps before it listens."""
        # The children of one that was killed may take a moment longer to be gone than itself.
        until(lambda: not listening(self.port), "the port to be free")
        serve: list[str | Path] = ["serve", "--config", self.folder / "xmpp-ica.toml"]
        argv: list[str | Path] = (
            [sys.executable, "-m", "tests.faults.dying_server", point, *serve] if point else [command(), *serve]
        )
        self.process = ServerProcess(argv, log=log or self.folder / "serve.log", cwd=ROOT)
        until(lambda: listening(self.port) or not self.running, "the server's port")
        assert point or self.running, self.process.said()[-3000:]
        return self.process

    def start_another(self) -> int:
        """A second server on the same database; its port."""
        port = free_port()
        config = self.folder / f"xmpp-ica-{port}.toml"
        config.write_bytes((self.folder / "xmpp-ica.toml").read_bytes())
        edit(config, {"listen": f"127.0.0.1:{port}"})
        argv: list[str | Path] = [command(), "serve", "--config", config]
        self._more.append(ServerProcess(argv, log=self.folder / f"serve-{port}.log").wait_for_port(port))
        return port

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def restart(self) -> None:
        """Whatever it does, it is gone at once, and another one starts."""
        self.kill()
        self.start()

    def end(self) -> None:
        for process in [self.process, *self._more]:
            if process is not None:
                process.kill()
        self._more.clear()
        while self._connections:
            self._connections.pop().close()

    def client(self, port: int | None = None) -> AcmeClient:
        self._connections.append(Server(self.url, self.trust, port))
        return AcmeClient(self._connections[-1])

    _numbers = itertools.count(1)

    def http_enrolment(self, client: AcmeClient | None = None, names: int = 1) -> Enrolment:
        """For names that nobody else has."""
        chosen = [f"n{next(self._numbers)}.example.org" for _ in range(names)]
        self.names.host(*chosen)
        return Enrolment(client or self.client(), chosen, HttpProof(self.hosts.answers))

    def mail_enrolment(self, client: AcmeClient | None = None) -> Enrolment:
        name = f"d{next(self._numbers)}.org"
        chosen = [name, f"conference.{name}"]
        return Enrolment(
            client or self.client(), chosen, MailProof(self.mail.mails, lambda: self.running), ancestor=name
        )

    def faults(self, seconds: float = 15) -> list[str]:
        """What the database says that it must not, once everything has come to rest."""
        deadline = time.monotonic() + seconds
        while (wrong := ledger.faults(self.database)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return wrong

    def worker(self) -> int:
        """The process id of the one child that answers requests."""
        assert self.process is not None
        pid = self.process.pid
        found: list[int] = []

        def one() -> bool:
            found[:] = [
                int(child)
                for path in Path(f"/proc/{pid}/task").glob("*/children")
                for child in path.read_text().split()
            ]
            return len(found) == 1

        wait(one, "the worker process", 10)
        return found[0]
