"""Our own server, started as an administrator starts it: `xmpp-ica init`, an edited file, `xmpp-ica serve`.

It is here beside the others so that every scenario can run against all of them. It imports nothing of the server.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.process import ServerProcess, free_port

__all__ = ["XmppIca", "command", "edit", "initialise", "serve", "xmpp_ica"]

GENEROUS = dict.fromkeys(
    (
        "new_accounts_per_address",
        "new_orders_per_account",
        "failed_validations_per_name",
        "certificates_per_domain",
        "certificates_per_names",
        "changes_per_account",
        "refusals_per_address",
    ),
    "1000000/1h",
)
"""`[limits]` that nobody reaches: whoever tries a server does in a minute, from one address, what others do in years."""


@dataclass(frozen=True, slots=True)
class XmppIca:
    """A running one."""

    process: ServerProcess
    folder: Path
    url: str
    """Its external URL."""

    @property
    def directory(self) -> str:
        return self.url + "/directory"

    @property
    def trust(self) -> Path:
        """What its own TLS certificate chains to, and the certificates it issues: its root, PEM."""
        return self.folder / "ca" / "root.pem"

    @property
    def database(self) -> Path:
        return self.folder / "xmpp-ica.db"


def command(name: str = "xmpp-ica") -> Path:
    """One of our commands, as installed beside the Python that runs this."""
    return Path(sys.executable).parent / name


def _toml(value: object) -> str:
    """A value in TOML; Python's own notation is TOML's for what a configuration holds, but for the words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Sequence):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)


def _dump(table: Mapping[str, Any], path: str = "") -> str:
    """A table with its sections, plain values first."""
    plain = [f"{key} = {_toml(value)}\n" for key, value in table.items() if not isinstance(value, Mapping)]
    inner = [(f"{path}{key}", value) for key, value in table.items() if isinstance(value, Mapping)]
    return "".join(plain) + "".join(f"\n[{name}]\n{_dump(value, name + '.')}" for name, value in inner)


def edit(path: Path, changes: Mapping[str, Any]) -> None:
    """Set keys of a configuration file; a section that is given replaces the one there was."""
    text = _dump(tomllib.loads(path.read_text(encoding="utf-8")) | dict(changes))
    path.write_text(text, encoding="utf-8")


def initialise(
    folder: Path,
    *,
    http_port: int = 80,
    tls_alpn_port: int | None = None,
    nameserver: str | None = None,
    **changes: Any,
) -> str:
    """`xmpp-ica init`, then settings for a lab on loopback; `changes` are further keys of the file. Returns the URL."""
    port = free_port()
    url = f"https://localhost:{port}"
    done = subprocess.run(
        [command(), "init", folder, "--name", "Test CA", "--external-url", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    validation = {"http_port": http_port, "exempt": ["127.0.0.0/8"]}
    validation |= {"nameservers": [nameserver]} if nameserver else {}
    validation |= {"tls_alpn_port": tls_alpn_port} if tls_alpn_port else {}
    lab = {"listen": f"127.0.0.1:{port}", "validation": validation, "limits": GENEROUS}
    edit(folder / "xmpp-ica.toml", lab | changes)
    return url


@contextlib.contextmanager
def serve(folder: Path, url: str) -> Iterator[XmppIca]:
    """`xmpp-ica serve` in a folder that has been initialised."""
    argv: list[str | Path] = [command(), "serve", "--config", folder / "xmpp-ica.toml"]
    with ServerProcess(argv, log=folder / "serve.log") as process:
        process.wait_for_port(int(url.rpartition(":")[2]))
        yield XmppIca(process, folder, url)


@contextlib.contextmanager
def xmpp_ica(folder: Path, **settings: Any) -> Iterator[XmppIca]:
    """Both of the above."""
    with serve(folder, initialise(folder, **settings)) as server:
        yield server
