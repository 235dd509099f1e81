"""ACME clients nobody here wrote, run as an administrator would run them, each with its files in a folder of its own.

Each answers http-01 itself, on a port of 127.0.0.1 that the server under test dials. They share one shape, so that one
scenario serves them all.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["CLIENTS", "Certbot", "Client", "Lego", "Lineage"]

TIMEOUT = 90.0
"""Seconds a client may take: far more than any needs."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a client has written: PEM."""

    certificate: bytes
    """The leaf."""
    chain: bytes
    """The certificates after it, without the root."""
    key: bytes


class Client(Protocol):
    """One client with its account, for one server."""

    def obtain(self, names: Sequence[str]) -> Lineage:
        """Register, prove the names by http-01, and fetch a certificate."""

    def renew(self, names: Sequence[str]) -> Lineage:
        """Fetch a new certificate for the same names, though the old one is still good."""

    def revoke(self, names: Sequence[str]) -> None:
        """Revoke the certificate fetched last."""


def _run(argv: Sequence[str | Path], **environment: str) -> None:
    """Run a client to its end. Raises AssertionError with what it said when it does not end well."""
    done = subprocess.run(
        [str(word) for word in argv],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stdout}"


def _split(bundle: bytes) -> tuple[bytes, bytes]:
    """A PEM bundle as its first certificate and the rest."""
    end = b"-----END CERTIFICATE-----\n"
    first, _, rest = bundle.partition(end)
    return first + end, rest.lstrip()


@dataclass(frozen=True, slots=True)
class Certbot:
    """Certbot with its standalone responder."""

    program: Path
    folder: Path
    directory: str
    trust: Path
    """The PEM file that the server's own TLS certificate chains to."""
    http_port: int

    def _certbot(self, *words: str | Path) -> None:
        folders = [word for name in ("config", "work", "logs") for word in (f"--{name}-dir", self.folder / name)]
        argv = [self.program, *words, *folders, "--server", self.directory, "--non-interactive"]
        _run(argv, REQUESTS_CA_BUNDLE=str(self.trust))

    def _certonly(self, names: Sequence[str], *more: str) -> Lineage:
        wanted = [word for name in names for word in ("--domain", name)]
        responder = ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(self.http_port)]
        self._certbot("certonly", *responder, "--agree-tos", "--email", "admin@example.org", *wanted, *more)
        live = self.folder / "config" / "live" / names[0]
        return Lineage(*((live / f"{part}.pem").read_bytes() for part in ("cert", "chain", "privkey")))

    def obtain(self, names: Sequence[str]) -> Lineage:
        return self._certonly(names, "--no-eff-email")

    def renew(self, names: Sequence[str]) -> Lineage:
        return self._certonly(names, "--force-renewal")

    def revoke(self, names: Sequence[str]) -> None:
        certificate = self.folder / "config" / "live" / names[0] / "cert.pem"
        self._certbot("revoke", "--cert-path", certificate, "--reason", "superseded", "--no-delete-after-revoke")


@dataclass(frozen=True, slots=True)
class Lego:
    """Lego 4 with its own responder."""

    program: Path
    folder: Path
    directory: str
    trust: Path
    """The PEM file that the server's own TLS certificate chains to."""
    http_port: int

    def _lego(self, names: Sequence[str], *words: str) -> Lineage:
        wanted = [word for name in names for word in ("--domains", name)]
        responder = ["--http", "--http.port", f"127.0.0.1:{self.http_port}"]
        account: list[str | Path] = ["--accept-tos", "--email", "admin@example.org", "--path", self.folder]
        _run(
            [self.program, "--server", self.directory, *account, *responder, *wanted, *words],
            LEGO_CA_CERTIFICATES=str(self.trust),
        )
        stem = self.folder / "certificates" / names[0]
        certificate, chain = _split(Path(f"{stem}.crt").read_bytes())
        return Lineage(certificate, chain, Path(f"{stem}.key").read_bytes())

    def obtain(self, names: Sequence[str]) -> Lineage:
        return self._lego(names, "run")

    def renew(self, names: Sequence[str]) -> Lineage:
        return self._lego(names, "renew", "--days", "10000", "--no-random-sleep")

    def revoke(self, names: Sequence[str]) -> None:
        self._lego(names, "revoke", "--keep")


CLIENTS: dict[str, type[Certbot | Lego]] = {"certbot": Certbot, "certbot-pypi": Certbot, "lego": Lego}
"""The peer's name -> how it is run."""
