"""Giving a certificate to an XMPP server: the contract of the adapters, and the steps that use it.

A server must never be left with a certificate that it does not serve: what was installed is taken back then.
Our own policy: clients of a server may not trust the certificate, so it is for server-to-server streams where those
can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from xmpp_client.clock import SYSTEM, Clock
from xmpp_client.errors import InstallError
from xmpp_client.lineage import Lineage, Version
from xmpp_client.names import to_u_label
from xmpp_client.progress import SILENT, Progress

__all__ = ["Release", "Server", "deploy"]

PATIENCE = 15.0
"""Seconds a server gets to serve the new certificate after its reload."""
PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Release:
    """What is installed: one version of a lineage."""

    lineage: Lineage
    version: Version
    leaf: bytes
    """DER of the certificate, to be found in the server's handshakes."""

    @property
    def names(self) -> tuple[str, ...]:
        """A-labels."""
        return self.version.meta.names


class Server(Protocol):
    """An XMPP server, or what stands for one."""

    def advice(self, release: Release) -> str:
        """What to do when the server does not serve what was installed."""

    def install(self, release: Release) -> Callable[[], None]:
        """Put the files in place; what it returns puts back what was there. Raises InstallError, changing nothing."""

    def reload(self) -> None:
        """Make the server read them. Raises InstallError."""

    def served(self, names: tuple[str, ...]) -> Mapping[str, bytes] | None:
        """A-label -> DER of the leaf served for it; None where there is no way to look. Raises InstallError."""


def deploy(server: Server, release: Release, clock: Clock = SYSTEM, progress: Progress = SILENT) -> None:
    """Install, reload and look; or put the old files back, reload again and raise InstallError."""
    undo = server.install(release)
    try:
        server.reload()
        seen = _await_served(server, release, clock, progress)
    except InstallError as error:
        _back(server, undo, error)
        raise
    except BaseException:  # Ctrl-C between the two: the old files must be back before it goes on its way
        undo()
        raise
    shown = f"; served for {', '.join(map(to_u_label, release.names))}" if seen else ""
    progress.step(f"installed version {release.version.number}{shown}")


def _back(server: Server, undo: Callable[[], None], cause: InstallError) -> None:
    """To the old files, and the server told of it. Raises InstallError where that fails too."""
    try:
        undo()
    except InstallError as error:
        raise InstallError(f"{cause}; and {error}", hint="Look at the server's certificate by hand now.") from error
    try:
        server.reload()
    except InstallError as error:
        raise InstallError(f"{cause}; the old files are back, but: {error}", hint=cause.hint) from error


def _await_served(server: Server, release: Release, clock: Clock, progress: Progress) -> bool:
    """Whether the server was seen to serve the new leaf for every name; False: it cannot be seen."""
    end = clock.monotonic() + PATIENCE
    progress.waiting("looking at the certificate that is served")
    while True:
        trouble = "it still serves another certificate for {}"
        try:
            served = server.served(release.names)
            if served is None:
                return False
            wrong = [name for name in release.names if served.get(name) != release.leaf]
            if not wrong:
                return True
            trouble = trouble.format(", ".join(wrong))
        except InstallError as error:
            trouble = str(error)
        if clock.monotonic() >= end:
            raise InstallError(
                f"the server does not serve the new certificate: {trouble}",
                hint=server.advice(release),
            )
        clock.sleep(PAUSE)
