"""A real Prosody in a private folder, federating on loopback by free ports: virtual hosts, components, s2s.

It asks no DNS server but the one it is given, and keeps no account. Its certificates are whatever the test puts into its
folder, which is where `prosodyctl cert import` and our own installer look too.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.peers.process import ServerProcess, free_port, until

__all__ = ["Prosody", "prosody"]

SETTINGS = """\
run_as_root = true -- in a container there may be nobody else
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}/certs"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{folder}/prosody.log" }} }}
interfaces = {{ "127.0.0.1" }}
use_ipv6 = false
network_backend = "epoll"
s2s_ports = {{ {port} }}
c2s_ports = {{}}
c2s_direct_tls_ports = {{}}
s2s_direct_tls_ports = {{}}
component_ports = {{}}
http_ports = {{}}
https_ports = {{}}
modules_enabled = {{ "tls", "saslauth", "dialback", "disco" }}
s2s_require_encryption = true
unbound = {{ resolvconf = false, hoststxt = false, forward = {{ "{nameserver}" }},
  options = {{ ["do-not-query-localhost:"] = "no", ["module-config:"] = "iterator" }} }}
"""


@dataclass(frozen=True, slots=True)
class Prosody:
    """A running one."""

    process: ServerProcess
    folder: Path
    port: int
    """Where it takes s2s streams."""

    @property
    def config(self) -> Path:
        return self.folder / "prosody.cfg.lua"

    @property
    def certificates(self) -> Path:
        """Where it looks for certificates and keys: `HOST.crt` and `HOST.key`, or `HOST/fullchain.pem` and …"""
        return self.folder / "certs"

    def log(self) -> str:
        """What it has logged so far."""
        return (self.folder / "prosody.log").read_text(encoding="utf-8", errors="replace")

    def reload(self) -> None:
        """Have it read configuration and certificates anew (SIGHUP), and wait until it does.

        It does all of it before it takes another connection.
        """
        before = self._reloads()
        self.process.send(signal.SIGHUP)
        until(lambda: self._reloads() > before, "Prosody to reload")

    def _reloads(self) -> int:
        return self.log().count("Certificates reloaded")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
        try:
            probe.sendall(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>")
            return probe.recv(1) != b""
        except OSError:
            return False


def _hosts(hosts: Sequence[str], components: Mapping[str, str]) -> str:
    virtual = [f'VirtualHost "{host}"' for host in hosts]
    return "\n".join(virtual + [f'Component "{name}" "{module}"' for name, module in components.items()])


@contextlib.contextmanager
def prosody(
    program: Path,
    folder: Path,
    hosts: Sequence[str],
    *,
    components: Mapping[str, str] | None = None,
    settings: str = "",
    nameserver: str = "127.0.0.1:9",
) -> Iterator[Prosody]:
    """Run one with these hosts (U-labels) and components (name -> module).

    `settings` is Lua for the global section; `nameserver` is address:port, by default one that does not answer.
    """
    port = free_port()
    for name in ("data", "certs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = SETTINGS.format(folder=folder, port=port, nameserver=nameserver.replace(":", "@"))
    config = folder / "prosody.cfg.lua"
    config.write_text(f"{text}{settings}\n{_hosts(hosts, components or {})}\n", encoding="utf-8")
    argv: list[str | Path] = [program, "--config", config, "-F"]
    with ServerProcess(argv, log=folder / "output.log", environment={"PROSODY_CONFIG": str(config)}) as process:
        # It listens before it handles signals, and does both once it answers.
        process.wait_until(lambda: _answers(port), f"an answer on port {port}")
        yield Prosody(process, folder, port)
