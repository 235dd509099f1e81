"""What our scenarios ask of an ACME client that nobody here wrote, and what each such client is told.

Each runs as an administrator would run it, with its files in a folder of its own, and talks to loopback alone. The
clients are in files of their own; `tests.peers.clients` lists them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

__all__ = ["Client", "ExternalKey", "Job", "Lineage", "nsupdate", "run", "split", "write_script"]

TIMEOUT = 90.0
"""Seconds a client may take: far more than any needs."""


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """What an account is bound to (RFC 8555 §7.3.4)."""

    kid: str
    key: str
    """The MAC key, base64url without padding."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a client is told: its server, where the server looks for answers, and which kind it is to give."""

    folder: Path
    """The client's own."""
    directory: str
    """The URL of the server's directory."""
    trust: Path
    """The PEM file that the server's own TLS certificate chains to."""
    challenge: str
    """The challenge type to answer."""
    http_port: int
    """The port of 127.0.0.1 that http-01 is fetched from."""
    tls_alpn_port: int
    """The same for tls-alpn-01."""
    nameserver: str
    """`127.0.0.1:port` of the name server that is asked for dns-01; it takes DNS UPDATE without a signature."""
    external_key: ExternalKey | None = None
    chain: str | None = None
    """The common name of the root that the chain is to end in; the server's first choice by default."""


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

    challenges: ClassVar[tuple[str, ...]]
    """The challenge types it knows."""
    needs: ClassVar[tuple[str, ...]]
    """The peers (`tests.peers.COMMANDS`) that it does not work without, beside itself."""

    def __init__(self, program: Path, job: Job) -> None:
        """Nothing runs yet."""

    def obtain(self, names: Sequence[str]) -> Lineage:
        """Register, prove the names, and fetch a certificate."""

    def renew(self, names: Sequence[str]) -> Lineage:
        """Fetch a new certificate for the same names, though the old one is still good."""

    def revoke(self, names: Sequence[str]) -> None:
        """Revoke the certificate fetched last."""


def run(argv: Sequence[str | Path], **environment: str) -> str:
    """Run a client to its end and return what it said. Raises AssertionError when it does not end well."""
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
    return done.stdout


def split(bundle: bytes) -> tuple[bytes, bytes]:
    """A PEM bundle as its first certificate and the rest."""
    end = b"-----END CERTIFICATE-----\n"
    first, _, rest = bundle.partition(end)
    return first + end, rest.lstrip()


def write_script(path: Path, text: str) -> Path:
    """A shell script that may be run, for a client's hooks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process writes it: while one of ours has it open, a program that another thread starts at that moment
    # holds it open too, and nobody can run a file that is open for writing.
    subprocess.run(
        ["install", "-m", "755", "/dev/stdin", path],
        input=f"#!/bin/sh\nset -eu\n{text}".encode(),
        check=True,
        timeout=30,
    )
    return path


def nsupdate(nameserver: str, verb: str, name: str, value: str) -> str:
    """A line of shell that adds or deletes (`verb`) the TXT record of dns-01; name and value are words of shell."""
    host, _, port = nameserver.partition(":")
    change = f'"update {verb} _acme-challenge.{name}. 0 IN TXT {value}"'
    return f"printf '%s\\n' 'server {host} {port}' {change} send | nsupdate\n"
