"""Any server that reads files: copies with an owner and a mode, then a hook.

A hook is a list of words and never a shell's line; what it gets from us is names that were checked and paths of ours.
The environment is the one that hooks for other ACME clients know (`RENEWED_LINEAGE`, `RENEWED_DOMAINS`).
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from xmpp_client import durable
from xmpp_client.clock import to_text
from xmpp_client.config import FilesServer
from xmpp_client.errors import InstallError, legible
from xmpp_client.servers import Release
from xmpp_client.servers.starttls import served_leaf

__all__ = ["Files", "address_of", "id_of", "run"]

HOOK_TIMEOUT = 120.0
"""Seconds a hook may take."""
_LARGEST = 1024 * 1024
"""Octets of an old copy, which is kept in memory to be put back."""
PATHS = "Mend the paths in `files`: each names a regular file or nothing yet, and never a symlink."


class Files:
    """An adapter by its settings."""

    def __init__(self, settings: FilesServer) -> None:
        self._settings = settings
        self._release: Release | None = None

    def advice(self, release: Release) -> str:  # noqa: ARG002 - the same for all
        """Where to look."""
        return "The old copies were put back. See the server's log, and whether `files` names what it reads."

    def install(self, release: Release) -> Callable[[], None]:
        """Replace each copy by a rename: there are two of them, so a server must be told only afterwards."""
        self._release = release
        wanted = {self._settings.fullchain: "fullchain.pem", self._settings.privkey: "privkey.pem"}
        copies = {path: release.version.pem(file) for path, file in wanted.items() if path is not None}
        before: dict[Path, bytes | None] = {}
        try:
            for path, content in copies.items():
                before[path] = old_copy(path)
                self._write(path, content)
        except OSError as error:
            self._restore(before)
            raise InstallError(f"the copies cannot be written: {error}", hint=PATHS) from error
        return lambda: self._restore(before)

    def reload(self) -> None:
        """Run the hook, if there is one. Raises InstallError."""
        if self._settings.hook and self._release is not None:
            run(self._settings.hook, hook_environment(self._release))

    def served(self, names: tuple[str, ...]) -> Mapping[str, bytes] | None:
        """By a handshake for each name, where an `address` is set."""
        if not self._settings.address:
            return None
        host, port = address_of(self._settings.address)
        return {name: served_leaf(host, port, name) for name in names}

    def _write(self, path: Path, content: bytes) -> None:
        owner, group = id_of("owner", self._settings.owner), id_of("group", self._settings.group)
        durable.replace(path, content, int(self._settings.mode, 8), uid=owner, gid=group)

    def _restore(self, before: Mapping[Path, bytes | None]) -> None:
        try:
            for path, content in before.items():
                if content is None:
                    path.unlink(missing_ok=True)
                else:
                    self._write(path, content)
        except OSError as error:
            raise InstallError(f"the old copies cannot be put back: {error}") from error


def old_copy(path: Path) -> bytes | None:
    """What stands there now; None where nothing does. Raises OSError.

    The folder may be the service's own, and what is read here is written back with the service as its owner: a link
    would give it any file of root's, and a FIFO would hold root up for ever.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is not a regular file")
        with open(handle, "rb", closefd=False) as file:
            content = file.read(_LARGEST + 1)
    finally:
        os.close(handle)
    if len(content) > _LARGEST:
        raise OSError(f"{path} is longer than {_LARGEST} octets")
    return content


def hook_environment(release: Release) -> dict[str, str]:
    """What a hook is told; also as JSON in a file, which has no limit of length."""
    live = release.lineage.live
    meta = release.version.meta
    told = {
        "lineage": str(live),
        "domains": meta.names,
        "version": release.version.number,
        "not_after": to_text(meta.not_after),
        "serial": meta.serial,
    }
    path = release.version.path / "hook.json"
    try:
        durable.replace(path, json.dumps(told, indent=1).encode() + b"\n", 0o644)
    except OSError as error:
        raise InstallError(f"{path} cannot be written: {error.strerror}") from error
    return {"RENEWED_LINEAGE": str(live), "RENEWED_DOMAINS": " ".join(meta.names), "RENEWED_JSON": str(path)}


def run(command: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Run a command of the configuration, without a shell. Raises InstallError."""
    # A file and no pipe: a daemon that the command starts keeps the pipe open, and its end would never come.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(  # noqa: S603 - words of the configuration, which is the administrator's
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=HOOK_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InstallError(f"{command[0]} could not be run: {legible(error, 200)}") from error
        output.seek(max(output.seek(0, os.SEEK_END) - 1200, 0))
        end = output.read(1200)
    if done.returncode:
        said = legible(end.decode("utf-8", "replace").strip()[-300:])
        raise InstallError(f"{command[0]} ended with status {done.returncode}: {said or 'it said nothing'}")


def address_of(text: str) -> tuple[str, int]:
    """HOST:PORT, checked by the configuration; an IPv6 host may stand in brackets."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def id_of(kind: str, name: str) -> int:
    """The number of an `owner` or a `group`; -1, which leaves it, for no name. Raises InstallError."""
    if not name:
        return -1
    try:
        return pwd.getpwnam(name).pw_uid if kind == "owner" else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise InstallError(
            f"there is no {kind} {name!r} on this machine", hint=f'Mend `{kind}`; "" leaves it.'
        ) from error
