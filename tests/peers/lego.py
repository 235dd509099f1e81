"""Lego 4: http-01 and tls-alpn-01 by its own responders, dns-01 by DNS UPDATE (its provider `rfc2136`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.peers.acme_client import Job, Lineage, run, split

__all__ = ["Lego"]

IMPATIENT = {"RFC2136_POLLING_INTERVAL": "0", "RFC2136_SEQUENCE_INTERVAL": "0"}
"""No wait for other name servers, for there is one, nor between two names."""


@dataclass(frozen=True, slots=True)
class Lego:
    """The command."""

    challenges: ClassVar[tuple[str, ...]] = ("http-01", "dns-01", "tls-alpn-01")
    needs: ClassVar[tuple[str, ...]] = ()
    program: Path
    job: Job

    def _answer(self) -> list[str]:
        """How the challenge is to be answered."""
        return {
            "http-01": ["--http", "--http.port", f"127.0.0.1:{self.job.http_port}"],
            "dns-01": ["--dns", "rfc2136", "--dns.resolvers", self.job.nameserver, "--dns.disable-cp"],
            "tls-alpn-01": ["--tls", "--tls.port", f"127.0.0.1:{self.job.tls_alpn_port}"],
        }[self.job.challenge]

    def _lego(self, names: Sequence[str], *words: str) -> Lineage:
        wanted = [word for name in names for word in ("--domains", name)]
        key = self.job.external_key
        account = ["--accept-tos", "--email", "admin@example.org", "--path", str(self.job.folder)]
        account += ["--eab", "--kid", key.kid, "--hmac", key.key] if key else []
        run(
            [self.program, "--server", self.job.directory, *account, *self._answer(), *wanted, *words],
            LEGO_CA_CERTIFICATES=str(self.job.trust),
            RFC2136_NAMESERVER=self.job.nameserver,
            **IMPATIENT,
        )
        stem = self.job.folder / "certificates" / names[0]
        certificate, chain = split(Path(f"{stem}.crt").read_bytes())
        return Lineage(certificate, chain, Path(f"{stem}.key").read_bytes())

    def _chain(self) -> list[str]:
        return ["--preferred-chain", self.job.chain] if self.job.chain else []

    def obtain(self, names: Sequence[str]) -> Lineage:
        return self._lego(names, "run", *self._chain())

    def renew(self, names: Sequence[str]) -> Lineage:
        return self._lego(names, "renew", "--days", "10000", "--no-random-sleep", *self._chain())

    def revoke(self, names: Sequence[str]) -> None:
        self._lego(names, "revoke", "--keep")
