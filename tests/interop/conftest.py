"""The servers and the clients of the scenarios, every one with every other: ours beside one we did not write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.clients import CLIENTS, Client
from tests.peers.dns import DnsServer
from tests.peers.https import fetch
from tests.peers.openssl import OpenSsl
from tests.peers.pebble import pebble
from tests.peers.xmpp_ica import xmpp_ica

NAMES = ("chat.example.org", "rooms.chat.example.org")


@dataclass(frozen=True, slots=True)
class Server:
    """An ACME server under test."""

    directory: str
    trust: Path
    """What its own TLS certificate chains to."""
    root: bytes
    """What the certificates it issues chain to."""
    http_port: int
    """Where it fetches http-01 answers."""
    is_revoked: Callable[[bytes], bool]
    """Whether it says so of this certificate (PEM)."""


@pytest.fixture
def openssl(peer: Callable[[str], Path]) -> OpenSsl:
    return OpenSsl(peer("openssl"))


def _pebble(peer: Callable[[str], Path], folder: Path, dns: DnsServer, port: int, openssl: OpenSsl) -> Iterator[Server]:
    with pebble(peer("pebble"), folder, http_port=port, nameserver=dns.address) as server:

        def is_revoked(certificate: bytes) -> bool:
            serial = openssl.serial(certificate).lower().lstrip("0")
            return b'"Status":"Revoked"' in server.get(f"/cert-status-by-serial/{serial}").replace(b" ", b"")

        yield Server(server.directory, server.tls.root, server.root(), port, is_revoked)


def _xmpp_ica(
    peer: Callable[[str], Path], folder: Path, dns: DnsServer, port: int, openssl: OpenSsl
) -> Iterator[Server]:
    with xmpp_ica(folder, http_port=port, nameserver=dns.address) as server:

        def is_revoked(certificate: bytes) -> bool:
            crl = fetch(openssl.crl_url(certificate), server.trust)
            return openssl.serial(certificate) in openssl.revoked_serials(crl)

        yield Server(server.directory, server.trust, server.trust.read_bytes(), port, is_revoked)


SERVERS = {"xmpp-ica": _xmpp_ica, "pebble": _pebble}


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest,
    peer: Callable[[str], Path],
    tmp_path: Path,
    nameserver: DnsServer,
    port: int,
    openssl: OpenSsl,
) -> Iterator[Server]:
    nameserver.host(*NAMES)
    folder = tmp_path / "server"
    folder.mkdir()
    yield from SERVERS[request.param](peer, folder, nameserver, port, openssl)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, peer: Callable[[str], Path], tmp_path: Path, server: Server) -> Client:
    return CLIENTS[request.param](
        peer(request.param), tmp_path / "client", server.directory, server.trust, server.http_port
    )


@pytest.fixture
def names() -> Sequence[str]:
    return NAMES
