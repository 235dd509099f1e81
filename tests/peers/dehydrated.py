"""dehydrated, a shell script: it leaves files for a web server or a TLS server, and dns-01 to a hook."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.peers.acme_client import Job, Lineage, nsupdate, run, write_script
from tests.peers.responders import tls_alpn_server, web_server

__all__ = ["Dehydrated"]

CONFIG = """\
CA="{directory}"
CURL_OPTS="--cacert {trust} --noproxy localhost"
CHALLENGETYPE="{challenge}"
CONTACT_EMAIL="{contact}"
WELLKNOWN="{folder}/web/.well-known/acme-challenge"
KEYSIZE=2048
"""
HOOK = """\
# $1 what has happened; then, of a challenge: $2 name, $3 token, $4 what to answer
case "$1" in
deploy_challenge) {add} ;;
clean_challenge) {delete} ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Dehydrated:
    """The command."""

    challenges: ClassVar[tuple[str, ...]] = ("http-01", "dns-01", "tls-alpn-01")
    needs: ClassVar[tuple[str, ...]] = ("curl", "hexdump", "nsupdate", "openssl")
    program: Path
    job: Job

    def _configure(self, contact: str = "admin@example.org") -> Path:
        job = self.job
        (job.folder / "web" / ".well-known" / "acme-challenge").mkdir(parents=True, exist_ok=True)
        text = CONFIG.format(
            directory=job.directory, trust=job.trust, challenge=job.challenge, folder=job.folder, contact=contact
        )
        if job.challenge == "dns-01":
            add, delete = (nsupdate(job.nameserver, verb, "$2", "$4").strip() for verb in ("add", "delete"))
            text += f'HOOK="{write_script(job.folder / "hook.sh", HOOK.format(add=add, delete=delete))}"\n'
        if job.external_key:
            text += f'EAB_KID="{job.external_key.kid}"\nEAB_HMAC_KEY="{job.external_key.key}"\n'
        if job.chain:
            # With OpenSSL 3 it takes the whole line for the name when there is nothing but a common name.
            text += f'PREFERRED_CHAIN="issuer=CN = {job.chain}"\n'
        path = job.folder / "config"
        path.write_text(text)
        return path

    def _dehydrated(self, *words: str | Path, contact: str = "admin@example.org") -> None:
        run([self.program, "--config", self._configure(contact), *words])

    @contextlib.contextmanager
    def _responding(self) -> Iterator[None]:
        """With the server that its files are for."""
        if self.job.challenge == "http-01":
            with web_server(self.job.folder / "web", self.job.http_port):
                yield
        elif self.job.challenge == "tls-alpn-01":
            with tls_alpn_server(self.job.folder / "alpn-certs", self.job.tls_alpn_port):
                yield
        else:
            yield

    def _sign(self, names: Sequence[str], *more: str) -> Lineage:
        self.job.folder.mkdir(parents=True, exist_ok=True)
        (self.job.folder / "domains.txt").write_text(" ".join(names) + "\n")
        with self._responding():
            self._dehydrated("--cron", *more)
        certificates = self.job.folder / "certs" / names[0]
        return Lineage(*((certificates / f"{part}.pem").read_bytes() for part in ("cert", "chain", "privkey")))

    def obtain(self, names: Sequence[str]) -> Lineage:
        self._dehydrated("--register", "--accept-terms")
        return self._sign(names)

    def renew(self, names: Sequence[str]) -> Lineage:
        return self._sign(names, "--force")

    def revoke(self, names: Sequence[str]) -> None:
        self._dehydrated("--revoke", self.job.folder / "certs" / names[0] / "cert.pem")

    def update_contact(self, address: str) -> None:
        self._dehydrated("--account", contact=address)

    def deactivate(self) -> None:
        """End the account (RFC 8555 §7.3.6)."""
        self._dehydrated("--deactivate")
