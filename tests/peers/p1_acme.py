"""p1_acme, the ACME client inside ejabberd: http-01 alone, every object and header read strictly, no second nonce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.peers import ROOT
from tests.peers.acme_client import Job, Lineage, run, split
from tests.peers.responders import web_server

__all__ = ["P1Acme"]

SCRIPT = ROOT / "tests" / "peers" / "p1_acme.escript"


@dataclass(frozen=True, slots=True)
class P1Acme:
    """The library, under Erlang's `escript`. It does not look at the server's own certificate."""

    challenges: ClassVar[tuple[str, ...]] = ("http-01",)
    needs: ClassVar[tuple[str, ...]] = ()
    program: Path
    job: Job

    def obtain(self, names: Sequence[str]) -> Lineage:
        folder = self.job.folder
        (folder / "web" / ".well-known" / "acme-challenge").mkdir(parents=True, exist_ok=True)
        with web_server(folder / "web", self.job.http_port):
            run([self.program, SCRIPT, "issue", self.job.directory, folder, *names])
        return Lineage(*split((folder / "chain.pem").read_bytes()), (folder / "key.pem").read_bytes())

    def renew(self, names: Sequence[str]) -> Lineage:
        return self.obtain(names)

    def revoke(self, names: Sequence[str]) -> None:
        run([self.program, SCRIPT, "revoke", self.job.directory, self.job.folder])
