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

    def publish(self, token: str, content: str) -> None:
        """Raises ValueError for an unsafe token, StateError where the folder cannot be written."""
        path = self._path(token)
        try:
            durable.make_directory(path.parent, 0o755)
            durable.replace(path, content.encode("ascii"), 0o644)
        except OSError as error:
            raise StateError(f"{path} cannot be written: {error.strerror}", hint="Mend `webroot`.") from error

    def withdraw(self, token: str) -> None:
        """Take the file away, and the folders if nothing else is in them."""
        path = self._path(token)
        with suppress(OSError):  # not there, or not empty: both are as they should be
            path.unlink(missing_ok=True)
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def _path(self, token: str) -> Path:
        if not TOKEN.fullmatch(token):
            raise ValueError("the CA's token is no file name")
        return self._folder / token
