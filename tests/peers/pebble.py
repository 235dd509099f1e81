"""Let's Encrypt's ACME test server, as Debian packages it, for scenarios that must hold with a server we did not write.

It validates for real, answers at once, and refuses no good nonce: what it does at random by default would make tests
random. It forgets everything when it ends.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers.https import fetch
from tests.peers.process import ServerProcess, free_port
from tests.peers.tls import TlsFiles, write_tls_files

__all__ = ["Pebble", "pebble"]

STEADY = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
"""No delay before a validation, no good nonce refused, no authorization reused."""


@dataclass(frozen=True, slots=True)
class Pebble:
    """A running one."""

    process: ServerProcess
    tls: TlsFiles
    directory: str
    """The directory's URL."""
    management: str
    """The management interface's URL, without a slash at its end."""

    def get(self, path: str) -> bytes:
        """The body of a page of the management interface."""
        return fetch(self.management + path, self.tls.root)

    def root(self) -> bytes:
        """The root its certificates end in: PEM, new at every start."""
        return self.get("/roots/0")


@contextlib.contextmanager
def pebble(program: Path, folder: Path, *, http_port: int, nameserver: str) -> Iterator[Pebble]:
    """Run one whose validation dials `http_port` and asks the name server at `nameserver` (address:port)."""
    tls = write_tls_files(folder, "localhost")
    port, management = free_port(), free_port()
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(tls.certificate),
        "privateKey": str(tls.key),
        "httpPort": http_port,
        "tlsPort": free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    path = folder / "pebble.json"
    path.write_text(json.dumps({"pebble": config}))
    argv: list[str | Path] = [program, "-config", path, "-dnsserver", nameserver]
    with ServerProcess(argv, log=folder / "pebble.log", environment=STEADY) as process:
        process.wait_for_port(port).wait_for_port(management)
        yield Pebble(process, tls, f"https://localhost:{port}/dir", f"https://localhost:{management}")
