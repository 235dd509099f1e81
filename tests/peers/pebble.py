"""Let's Encrypt's ACME test server, as Debian packages it, for scenarios that must hold with a server we did not write.

It validates for real, answers at once, and refuses no good nonce: what it does at random by default would make tests
random. It forgets everything when it ends.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
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

    def root(self, number: int = 0) -> bytes:
        """The root its certificates end in: PEM, new at every start. From 1 on: those of the alternate chains."""
        return self.get(f"/roots/{number}")


@contextlib.contextmanager
def pebble(
    program: Path,
    folder: Path,
    *,
    http_port: int,
    nameserver: str,
    tls_alpn_port: int | None = None,
    alternates: int = 0,
    external_keys: Mapping[str, str] | None = None,
) -> Iterator[Pebble]:
    """Run one whose validation dials the two ports and asks the name server at `nameserver` (address:port).

    It has as many more chains as `alternates` says. With external keys (key identifier -> base64url without padding),
    every account needs one.
    """
    tls = write_tls_files(folder, "localhost")
    port, management = free_port(), free_port()
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(tls.certificate),
        "privateKey": str(tls.key),
        "httpPort": http_port,
        "tlsPort": tls_alpn_port or free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": external_keys is not None,
        "externalAccountMACKeys": dict(external_keys or {}),
    }
    path = folder / "pebble.json"
    path.write_text(json.dumps({"pebble": config}))
    environment = STEADY | {"PEBBLE_ALTERNATE_ROOTS": str(alternates)}
    argv: list[str | Path] = [program, "-config", path, "-dnsserver", nameserver]
    with ServerProcess(argv, log=folder / "pebble.log", environment=environment) as process:
        process.wait_for_port(port).wait_for_port(management)
        yield Pebble(process, tls, f"https://localhost:{port}/dir", f"https://localhost:{management}")
