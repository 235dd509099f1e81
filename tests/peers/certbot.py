"""Certbot: Debian's, and the newest from PyPI. http-01 by its standalone responder, dns-01 by hooks of `--manual`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.peers.acme_client import Job, Lineage, nsupdate, run, write_script

__all__ = ["Certbot"]


@dataclass(frozen=True, slots=True)
class Certbot:
    """The command."""

    challenges: ClassVar[tuple[str, ...]] = ("http-01", "dns-01")
    needs: ClassVar[tuple[str, ...]] = ("nsupdate",)
    program: Path
    job: Job

    def _certbot(self, *words: str | Path) -> str:
        folders = [word for name in ("config", "work", "logs") for word in (f"--{name}-dir", self.job.folder / name)]
        argv = [self.program, *words, *folders, "--server", self.job.directory, "--non-interactive"]
        return run(argv, REQUESTS_CA_BUNDLE=str(self.job.trust))

    def _answer(self) -> list[str | Path]:
        """How the challenge is to be answered."""
        if self.job.challenge == "http-01":
            return ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(self.job.http_port)]
        hooks: list[str | Path] = ["--manual", "--preferred-challenges", "dns"]
        for option, verb in (("--manual-auth-hook", "add"), ("--manual-cleanup-hook", "delete")):
            line = nsupdate(self.job.nameserver, verb, "$CERTBOT_DOMAIN", "$CERTBOT_VALIDATION")
            hooks += [option, write_script(self.job.folder / f"{verb}.sh", line)]
        return hooks

    def _account(self) -> list[str]:
        key, chain = self.job.external_key, self.job.chain
        bound = ["--eab-kid", key.kid, "--eab-hmac-key", key.key] if key else []
        return ["--agree-tos", "--email", "admin@example.org", *bound, *(["--preferred-chain", chain] if chain else [])]

    def _certonly(self, names: Sequence[str], *more: str) -> Lineage:
        wanted = [word for name in names for word in ("--domain", name)]
        self._certbot("certonly", *self._answer(), *self._account(), *wanted, *more)
        live = self.job.folder / "config" / "live" / names[0]
        return Lineage(*((live / f"{part}.pem").read_bytes() for part in ("cert", "chain", "privkey")))

    def obtain(self, names: Sequence[str]) -> Lineage:
        return self._certonly(names, "--no-eff-email")

    def renew(self, names: Sequence[str]) -> Lineage:
        return self._certonly(names, "--force-renewal")

    def revoke(self, names: Sequence[str]) -> None:
        certificate = self.job.folder / "config" / "live" / names[0] / "cert.pem"
        self._certbot("revoke", "--cert-path", certificate, "--reason", "superseded", "--no-delete-after-revoke")

    def revoke_by_key(self, certificate: Path, key: Path) -> None:
        """Revoke a certificate that need not be its own: the key of that certificate signs (RFC 8555 §7.6)."""
        self._certbot("revoke", "--cert-path", certificate, "--key-path", key, "--no-delete-after-revoke")

    def update_contact(self, address: str) -> None:
        self._certbot("update_account", "--email", address, "--no-eff-email")

    def deactivate(self) -> None:
        """End the account (RFC 8555 §7.3.6)."""
        self._certbot("unregister")
