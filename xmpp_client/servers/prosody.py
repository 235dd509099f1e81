"""Prosody: a folder with fullchain.pem and privkey.pem for its `s2s_ssl`, SIGHUP, and a look at what it serves.

The folder is never one of Prosody's `certificates`: client streams keep the certificate that clients trust.
Prosody 0.12 and later re-read `s2s_ssl` files at SIGHUP without closing a stream.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from xmpp_client import durable
from xmpp_client.config import ProsodyServer
from xmpp_client.errors import InstallError, legible
from xmpp_client.names import to_u_label
from xmpp_client.servers import Release
from xmpp_client.servers.files import address_of, id_of, run
from xmpp_client.servers.starttls import served_leaf

__all__ = ["Prosody"]


class Prosody:
    """An adapter by its settings."""

    def __init__(self, settings: ProsodyServer) -> None:
        self._settings = settings

    def advice(self, release: Release) -> str:
        """The lines that make Prosody serve it; components of the host inherit them."""
        place = self._settings.folder / release.lineage.name
        return (
            "Each name must be a host or component of this Prosody. If it is: "
            f'put s2s_ssl = {{ certificate = "{place}/fullchain.pem", key = "{place}/privkey.pem" }} under '
            f'VirtualHost "{to_u_label(release.names[0])}", then run `xmpp-cert install {release.lineage.name}`; '
            "Prosody's log says more."
        )

    def install(self, release: Release) -> Callable[[], None]:
        """FOLDER/NAME is a symlink to a complete folder, so key and certificate change in one step."""
        folder = self._settings.folder
        link = folder / release.lineage.name
        new = f".{release.lineage.name}.{release.version.number}"
        try:
            before = link.readlink().name if link.is_symlink() else None
            if before == new:  # installing the same version again: never change the folder in use
                new += ".again"
            self._fill(folder / new, release)
            durable.switch(link, new)
        except OSError as error:
            raise InstallError(f"{link} cannot be written: {error.strerror}", hint="Mend `prosody.folder`.") from error
        _remove_others(folder, release.lineage.name, keep={new, before})

        return lambda: _point_back(link, before)

    def reload(self) -> None:
        """SIGHUP, or the configured command. Raises InstallError."""
        if self._settings.reload:
            run(self._settings.reload, {})
            return
        try:
            os.kill(_pid(self._settings.pidfile.read_text("ascii")), signal.SIGHUP)
        except (OSError, ValueError) as error:
            raise InstallError(
                f"Prosody cannot be told by {self._settings.pidfile}: {legible(error, 200)}",
                hint="Is Prosody running? Set `prosody.pidfile` or `prosody.reload`.",
            ) from error

    def served(self, names: tuple[str, ...]) -> Mapping[str, bytes]:
        """By a handshake for each name."""
        host, port = address_of(self._settings.address)
        return {name: served_leaf(host, port, name) for name in names}

    def _fill(self, path: Path, release: Release) -> None:
        group = id_of("group", self._settings.group)
        mode = int(self._settings.mode, 8)
        durable.make_directory(path.parent, 0o750, gid=group)
        durable.remove_tree(path)
        path.mkdir(mode=0o700)
        for file in ("fullchain.pem", "privkey.pem"):
            durable.write_new(path / file, release.version.pem(file), mode, gid=group)
        os.chown(path, -1, group)
        # The folder is as open as the files: whoever may read them must reach them.
        path.chmod(mode | (mode & 0o444) >> 2)
        durable.sync_directory(path)


def _pid(text: str) -> int:
    pid = int(text)
    if pid <= 1:  # kill(2) takes 0 and below for groups, and 1 is init
        raise ValueError(f"{pid} is no process of Prosody")
    return pid


def _point_back(link: Path, before: str | None) -> None:
    """To the certificate before; the first one stays, for Prosody can only be told to serve files that are there."""
    try:
        if before is not None:
            durable.switch(link, before)
    except OSError as error:
        raise InstallError(f"{link} cannot be put back: {error.strerror}") from error


def _remove_others(folder: Path, name: str, keep: set[str | None]) -> None:
    """Take away folders of versions before the last: no key lies about for longer than it can be put back."""
    for path in folder.glob(f".{name}.*"):
        number = path.name.removeprefix(f".{name}.").removesuffix(".again")
        if path.name not in keep and number.isdigit():
            with suppress(OSError):  # it is only tidying up
                durable.remove_tree(path)
