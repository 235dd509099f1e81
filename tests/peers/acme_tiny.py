"""acme-tiny: a CSR in, a chain out, http-01 alone.

It cannot revoke: Certbot does that for it, with the key of the certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.peers import find
from tests.peers.acme_client import Job, Lineage, run, split
from tests.peers.certbot import Certbot
from tests.peers.responders import web_server

__all__ = ["AcmeTiny"]


@dataclass(frozen=True, slots=True)
class AcmeTiny:
    """The command."""

    challenges: ClassVar[tuple[str, ...]] = ("http-01",)
    needs: ClassVar[tuple[str, ...]] = ("certbot", "openssl")
    program: Path
    job: Job

    def _request(self, names: Sequence[str]) -> Path:
        """A CSR as its documentation has it made: a single name is a common name and nothing else."""
        path, key = (self.job.folder / f"domain.{kind}" for kind in ("csr", "key"))
        if not key.exists():
            run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key])
        several = ["-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)]
        subject = ["-subj", "/", *several] if len(names) > 1 else ["-subj", f"/CN={names[0]}"]
        run(["openssl", "req", "-new", "-sha256", "-key", key, *subject, "-out", path])
        return path

    def renew(self, names: Sequence[str]) -> Lineage:
        job = self.job
        answers = job.folder / "web" / ".well-known" / "acme-challenge"
        request = self._request(names)
        with web_server(job.folder / "web", job.http_port):
            # It would fetch its own answer first, by the names of a resolver it cannot be given.
            files: list[str | Path] = [
                "--account-key",
                job.folder / "account.key",
                "--csr",
                request,
                "--acme-dir",
                answers,
            ]
            options = ["--directory-url", job.directory, "--disable-check", "--quiet"]
            said = run([self.program, *files, *options], SSL_CERT_FILE=str(job.trust))
        (job.folder / "signed.pem").write_text(said)
        return Lineage(*split(said.encode()), (job.folder / "domain.key").read_bytes())

    def obtain(self, names: Sequence[str]) -> Lineage:
        (self.job.folder / "web" / ".well-known" / "acme-challenge").mkdir(parents=True)
        run(["openssl", "genrsa", "-out", self.job.folder / "account.key", "2048"])
        return self.renew(names)

    def revoke(self, names: Sequence[str]) -> None:
        certbot = find("certbot")
        assert certbot is not None
        Certbot(certbot, self.job).revoke_by_key(self.job.folder / "signed.pem", self.job.folder / "domain.key")
