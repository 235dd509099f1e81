"""The certificates of one name on disk: `live/NAME -> ../archive/NAME/N/`, switched as one symlink.

A reader must never see a key beside another key's certificate, and no older version is ever changed or removed.
The layout is the one that XMPP servers and their tools know (`privkey.pem cert.pem chain.pem fullchain.pem`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from xmpp_client import durable
from xmpp_client.clock import from_text, to_text
from xmpp_client.errors import StateError

__all__ = ["PEM_FILES", "Lineage", "Meta", "Version"]

PEM_FILES = ("privkey.pem", "cert.pem", "chain.pem", "fullchain.pem")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_META_VERSION = 1


@dataclass(frozen=True, slots=True)
class Meta:
    """What a renewal must know of a certificate without parsing it: `meta.json`."""

    names: tuple[str, ...]
    """A-labels, as ordered."""
    not_before: datetime
    not_after: datetime
    renew_at: datetime
    serial: str
    """Lower-case hexadecimal."""
    directory: str
    """URL of the CA's directory."""
    profile: str
    """As ordered; may be empty."""

    def to_bytes(self) -> bytes:
        """JSON with times as RFC 3339 texts."""
        plain = {key: to_text(value) if isinstance(value, datetime) else value for key, value in asdict(self).items()}
        return json.dumps({"version": _META_VERSION, **plain}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> Meta:
        """The reverse. Raises ValueError, KeyError or TypeError."""
        plain = json.loads(content)
        if plain.pop("version") != _META_VERSION:
            raise ValueError("written by another version of xmpp-cert")
        times = {key: from_text(plain[key]) for key in ("not_before", "not_after", "renew_at")}
        return cls(**{**plain, **times, "names": tuple(plain["names"])})


@dataclass(frozen=True, slots=True)
class Version:
    """One certificate of a lineage: `archive/NAME/N`."""

    path: Path
    number: int
    meta: Meta

    def pem(self, file: str) -> bytes:
        """Content of one of PEM_FILES. Raises StateError."""
        try:
            return (self.path / file).read_bytes()
        except OSError as error:
            raise StateError(f"{self.path / file} cannot be read: {error.strerror}") from error

    def marked(self, mark: str) -> bool:
        """Whether `mark` (`installed`, `revoked`) was set."""
        return (self.path / mark).exists()

    def mark(self, mark: str, now: datetime) -> None:
        """Set a mark, durably. Raises StateError."""
        try:
            durable.replace(self.path / mark, to_text(now).encode() + b"\n", 0o600)
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from error


class Lineage:
    """The versions of one configured certificate; holds no state but its place."""

    def __init__(self, state: Path, name: str) -> None:
        self.name = name
        """From the configuration, checked there; never from the CA."""
        self.live = state / "live" / name
        """The symlink for people and servers."""
        self.archive = state / "archive" / name

    def current(self) -> Version | None:
        """What `live/NAME` points at, or None. Raises StateError when that is broken."""
        try:
            target = self.live.readlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(
                f"{self.live} is not our symlink: {error.strerror}",
                hint="Move it away; `xmpp-cert install --to N` makes it anew.",
            ) from error
        return self.version(target.name)

    def versions(self) -> tuple[Version, ...]:
        """All versions that can be read, oldest first: a damaged one is in nobody's way."""
        found = []
        for number in self.numbers():
            with suppress(StateError):
                found.append(self.version(str(number)))
        return tuple(found)

    def numbers(self) -> list[int]:
        """The numbers of all versions, oldest first."""
        try:
            entries = [entry.name for entry in self.archive.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(entry) for entry in entries if _NUMBER.fullmatch(entry))

    def version(self, number: str) -> Version:
        """One version. Raises StateError."""
        path = self.archive / number
        if not _NUMBER.fullmatch(number):
            raise StateError(f"{self.name} has no version {number!r}")
        try:
            meta = Meta.from_bytes((path / "meta.json").read_bytes())
        except FileNotFoundError as error:
            raise StateError(f"{self.name} has no version {number}", hint="`xmpp-cert status` lists them.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(f"{path / 'meta.json'} cannot be used: {error}") from error
        return Version(path, int(number), meta)

    def add(self, files: Mapping[str, bytes], meta: Meta) -> Version:
        """Write a new version into the archive, durably; `live` stays. Raises StateError, and then leaves nothing.

        `files` holds every one of PEM_FILES. The caller holds the state directory's lock.
        """
        number = max(self.numbers(), default=0) + 1
        temporary = self.archive / ".new"
        path = self.archive / str(number)
        try:
            durable.make_directory(self.archive)
            durable.remove_tree(temporary)
            temporary.mkdir(mode=0o700)
            for file in PEM_FILES:
                durable.write_new(temporary / file, files[file], 0o600 if file == "privkey.pem" else 0o644)
            durable.write_new(temporary / "meta.json", meta.to_bytes(), 0o644)
            durable.sync_directory(temporary)
            temporary.rename(path)
            durable.sync_directory(self.archive)
        except OSError as error:
            durable.remove_tree(temporary)
            raise StateError(
                f"the new certificate cannot be kept in {self.archive}: {error.strerror}",
                hint="The one in use is untouched. Make room or mend the permissions, then run this again.",
            ) from error
        return Version(path, number, meta)

    def switch(self, version: Version) -> None:
        """Make this the live version, in one step; also the way back to an older one. Raises StateError."""
        try:
            durable.make_directory(self.live.parent)
            durable.switch(self.live, f"../archive/{self.name}/{version.number}")
        except OSError as error:
            raise StateError(f"{self.live} cannot be switched: {error.strerror}") from error
