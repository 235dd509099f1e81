"""A lab on loopback for one scene: a name server, ports, an ACME server (ours or Pebble) and clients for it.

Labs share nothing, so that scenes may run side by side: most of their time clients sleep between two looks.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.peers.acme_client import Client, ExternalKey, Job
from tests.peers.clients import CLIENTS
from tests.peers.dns import DnsServer
from tests.peers.https import fetch
from tests.peers.openssl import OpenSsl
from tests.peers.pebble import pebble
from tests.peers.process import free_port
from tests.peers.tls import cross_sign, make_root
from tests.peers.xmpp_ica import command, initialise, serve

__all__ = ["NAMES", "WILDCARD_NAMES", "Lab", "Server", "lab"]

NAMES = ("chat.example.org", "rooms.chat.example.org")
WILDCARD_NAMES = ("example.org", "*.example.org")
"""Two names whose proofs by dns-01 lie beside each other, at one name."""


@dataclass(frozen=True, slots=True)
class Server:
    """An ACME server under test."""

    directory: str
    trust: Path
    """What its own TLS certificate chains to."""
    root: bytes
    """What the certificates it issues chain to."""
    is_revoked: Callable[[bytes], bool]
    """Whether it says so of this certificate (PEM)."""
    other_root: bytes
    """What its alternate chains end in; empty where it has none."""
    external_key: ExternalKey | None
    """A new one, where every account needs one."""


@dataclass(frozen=True, slots=True)
class Lab:
    """Where one scene happens."""

    folder: Path
    peer: Callable[[str], Path]
    """The program of a peer by its name; without it the test is skipped, or fails."""
    names: DnsServer
    """The name server: it knows NAMES, and takes updates of example.org."""
    http_port: int
    tls_alpn_port: int

    @property
    def openssl(self) -> OpenSsl:
        return OpenSsl(self.peer("openssl"))

    def server(
        self, kind: str, *, alternate: bool = False, bound: bool = False, **settings: Any
    ) -> AbstractContextManager[Server]:
        """Run one: `xmpp-ica` or `pebble`.

        `alternate`: with a second chain to another root. `bound`: accounts need an external key. `settings` are further
        keys of our server's configuration, and none of the other's.
        """
        return {"xmpp-ica": self._xmpp_ica, "pebble": self._pebble}[kind](alternate, bound, **settings)

    @property
    def _where(self) -> dict[str, Any]:
        return {"http_port": self.http_port, "tls_alpn_port": self.tls_alpn_port, "nameserver": self.names.address}

    @contextmanager
    def _pebble(self, alternate: bool, bound: bool) -> Iterator[Server]:
        folder = self.folder / "pebble"
        folder.mkdir()
        key = ExternalKey("a-friend", "1QgnIAAl-NoZNMqPxI3m3m8TtVYjb8o7WmT0dEjPzBQ") if bound else None
        keys = {key.kid: key.key} if key else None
        with pebble(
            self.peer("pebble"), folder, **self._where, alternates=int(alternate), external_keys=keys
        ) as server:

            def is_revoked(certificate: bytes) -> bool:
                serial = self.openssl.serial(certificate).lower().lstrip("0")
                return b'"Status":"Revoked"' in server.get(f"/cert-status-by-serial/{serial}").replace(b" ", b"")

            other = server.root(1) if alternate else b""
            yield Server(server.directory, server.tls.root, server.root(), is_revoked, other, key)

    @contextmanager
    def _xmpp_ica(self, alternate: bool, bound: bool, **settings: Any) -> Iterator[Server]:
        folder = self.folder / "xmpp-ica"
        settings["acme"] = settings.get("acme", {}) | {"external_account_required": bound}
        url = initialise(folder, **self._where, **settings)
        other = _alternate(folder / "ca") if alternate else b""
        with serve(folder, url) as server:

            def is_revoked(certificate: bytes) -> bool:
                crl = fetch(self.openssl.crl_url(certificate), server.trust)
                return self.openssl.serial(certificate) in self.openssl.revoked_serials(crl)

            key = _external_key(folder) if bound else None
            yield Server(server.directory, server.trust, server.trust.read_bytes(), is_revoked, other, key)

    def client(self, name: str, server: Server, challenge: str = "http-01", **more: Any) -> Any:
        """A client for the server; `more` are further fields of Job. It has what `Client` says, and maybe more."""
        kind: type[Client] = CLIENTS[name]
        for needed in kind.needs:
            self.peer(needed)
        where = (self.http_port, self.tls_alpn_port, self.names.address)
        job = Job(self.folder / name, server.directory, server.trust, challenge, *where, **more)
        return kind(self.peer(name), job)


def _alternate(ca: Path) -> bytes:
    """Give our CA a second chain; the root of it."""
    root, key = make_root("Another Root")
    cross = cross_sign(x509.load_pem_x509_certificate((ca / "issuer.pem").read_bytes()), root, key)
    (ca / "alternates").mkdir()
    (ca / "alternates" / "another.pem").write_bytes(cross.public_bytes(Encoding.PEM))
    return root.public_bytes(Encoding.PEM)


def _external_key(folder: Path) -> ExternalKey:
    """A key that our CA's administrator has made for somebody."""
    words = [command(), "eab", "create", "--config", folder / "xmpp-ica.toml", "--label", "a friend", "--json"]
    made = json.loads(subprocess.run(words, stdout=subprocess.PIPE, timeout=30, check=True).stdout)
    return ExternalKey(made["kid"], made["key"])


@contextmanager
def lab(folder: Path, peer: Callable[[str], Path]) -> Iterator[Lab]:
    """A new one, with nothing running but its name server."""
    with DnsServer() as names:
        names.zone("example.org").host(*NAMES)
        yield Lab(folder, peer, names, free_port(), free_port())
