"""http-01's files under a folder that a web server shows as `/` of the names.

A token becomes a file name, so it must be checked before it gets here and is checked again; other files are left alone.
RFC 8555 §8.3.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from challenges.base import TOKEN
from xmpp_client import durable
from xmpp_client.errors import StateError

__all__ = ["Webroot"]


class Webroot:
    """`challenges.base.HttpPublisher` for a folder."""

    def __init__(self, root: Path) -> None:
        self._folder = root / ".well-known" / "acme-challenge"
        self._published: set[str] = set()

    def publish(self, token: str, content: str) -> None:
        """Raises ValueError for an unsafe token, StateError where the file cannot be written or is another's."""
        path, octets = self._path(token), content.encode("ascii")
        try:
            durable.make_directory(path.parent, 0o755)
            if _is_of_another(path, octets):
                raise StateError(
                    f"{path} is there already, with other content: nothing was overwritten",
                    hint="Another client is at work in this folder, or the CA names its files: try again, then ask.",
                )
            durable.replace(path, octets, 0o644)
            self._published.add(token)
        except OSError as error:
            raise StateError(f"{path} cannot be written: {error.strerror}", hint="Mend `webroot`.") from error

    def withdraw(self, token: str) -> None:
        """Take the file away if it was published here, and the folders if nothing else is in them."""
        path = self._path(token)
        if token not in self._published:
            return
        self._published.discard(token)
        with suppress(OSError):  # not there, or not empty: both are as they should be
            path.unlink(missing_ok=True)
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def _path(self, token: str) -> Path:
        if not TOKEN.fullmatch(token):
            raise ValueError("the CA's token is no file name")
        return self._folder / token


def _is_of_another(path: Path, octets: bytes) -> bool:
    """Whether something is there that we would not have written: a token is the CA's to choose. Raises OSError."""
    try:
        with path.open("rb") as file:
            return file.read(len(octets) + 1) != octets
    except FileNotFoundError:
        return False
