"""uacme, whose hook takes or declines each challenge: http-01 by files, dns-01 by nsupdate, tls-alpn-01 by its ualpn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.peers import find
from tests.peers.acme_client import Job, Lineage, nsupdate, run, split, write_script
from tests.peers.process import ServerProcess
from tests.peers.responders import web_server

__all__ = ["Uacme"]

HOOK = """\
# $1 begin, done or failed; $2 type; $3 name; $4 token; $5 what to answer
[ "$2" = {type} ] || exit 1
if [ "$1" = begin ]; then
  {begin}
else
  {end}
fi
"""
TRUSTING = """\
# $1 what to trust; the rest is the command
mount --bind "$1" /etc/ssl/certs/ca-certificates.crt
shift
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Uacme:
    """The command. Debian 12's cannot be told whom to trust, so it sees the system's roots in a form of our own."""

    challenges: ClassVar[tuple[str, ...]] = ("http-01", "dns-01", "tls-alpn-01")
    needs: ClassVar[tuple[str, ...]] = ("nsupdate", "ualpn", "unshare")
    program: Path
    job: Job

    @property
    def _web(self) -> Path:
        return self.job.folder / "web"

    @property
    def _socket(self) -> Path:
        return self.job.folder / "ualpn.sock"

    def _uacme(self, *words: str | Path) -> None:
        key = self.job.external_key
        bound = ["--eab", f"{key.kid}:{key.key}"] if key else []
        trusting = write_script(self.job.folder / "trusting.sh", TRUSTING)
        run(
            [
                *("unshare", "--map-root-user", "--mount", trusting, self.job.trust),
                *(self.program, "--yes", "--acme-url", self.job.directory, "--confdir", self.job.folder / "conf"),
                *bound,
                *words,
            ]
        )

    def _hook(self) -> Path:
        nameserver = self.job.nameserver
        file = f'"{self._web}/.well-known/acme-challenge/$4"'
        tell = f"ualpn --sock {self._socket} | grep -q ^OK"
        begin, end = {
            "http-01": (f"""printf %s "$5" > {file}""", f"rm {file}"),
            "dns-01": tuple(nsupdate(nameserver, verb, "$3", "$5") for verb in ("add", "delete")),
            "tls-alpn-01": (f'echo "auth $3 $5" | {tell}', f'echo "unauth $3" | {tell}'),
        }[self.job.challenge]
        return write_script(self.job.folder / "hook.sh", HOOK.format(type=self.job.challenge, begin=begin, end=end))

    @contextlib.contextmanager
    def _responding(self) -> Iterator[None]:
        """With what its hook talks to."""
        if self.job.challenge == "http-01":
            (self._web / ".well-known" / "acme-challenge").mkdir(parents=True, exist_ok=True)
            with web_server(self._web, self.job.http_port):
                yield
        elif self.job.challenge == "tls-alpn-01":
            with self._ualpn():
                yield
        else:
            yield

    @contextlib.contextmanager
    def _ualpn(self) -> Iterator[None]:
        program = find("ualpn")
        assert program is not None
        port = self.job.tls_alpn_port
        # Connections for others than the CA would be passed on to port 1, where nobody is.
        argv: list[str | Path] = [
            program,
            "--bind",
            f"127.0.0.1@{port}",
            "--connect",
            "127.0.0.1@1",
            "--sock",
            self._socket,
        ]
        pidfile: list[str | Path] = ["--pidfile", self.job.folder / "ualpn.pid"]
        with ServerProcess([*argv, *pidfile], log=self.job.folder / "ualpn.log") as process:
            process.wait_for_port(port).wait_until(self._socket.exists, "its socket")
            yield

    def _issue(self, names: Sequence[str]) -> Lineage:
        hook = self._hook()
        chain = ["--alternate", "1"] if self.job.chain else []  # it counts chains and does not know them by name
        with self._responding():
            self._uacme("--force", "--hook", hook, *chain, "issue", *names)
        conf = self.job.folder / "conf"
        certificate, chain_pem = split((conf / names[0] / "cert.pem").read_bytes())
        return Lineage(certificate, chain_pem, (conf / "private" / names[0] / "key.pem").read_bytes())

    def obtain(self, names: Sequence[str]) -> Lineage:
        self._uacme("new", "admin@example.org")
        return self._issue(names)

    def renew(self, names: Sequence[str]) -> Lineage:
        return self._issue(names)

    def revoke(self, names: Sequence[str]) -> None:
        self._uacme("--reason", "4", "revoke", self.job.folder / "conf" / names[0] / "cert.pem")

    def update_contact(self, address: str) -> None:
        self._uacme("update", address)

    def change_key(self) -> None:
        """Give the account another key (RFC 8555 §7.3.5)."""
        self._uacme("newkey")

    def deactivate(self) -> None:
        """End the account (RFC 8555 §7.3.6)."""
        self._uacme("deactivate")
