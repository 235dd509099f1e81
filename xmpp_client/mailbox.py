"""The code of email-01 out of a Maildir, a spool that a mail alias feeds, or a person's typing.

A mail is believed only when its `ACME-Challenge` is our challenge's URL and its From the challenge's `from`; no mail is
ever moved, marked or deleted. docs/reference/email-01.md; maildir(5).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from challenges.mail_code import parse_code
from challenges.transports import mail as transport
from xmpp_client import durable
from xmpp_client.clock import SYSTEM, Clock
from xmpp_client.errors import StateError, legible
from xmpp_client.progress import SILENT, Progress

__all__ = ["MaildirReader", "SpoolReader", "TypedReader", "challenge_mail", "drop"]

POLL = 1.0
"""Seconds between two looks."""
OLDEST = 25 * 3600.0
"""Seconds: a code lives a day at most, so older mail is not opened."""


@dataclass(slots=True)
class _Look:
    """What a search has doubted, for the message when it ends without a code."""

    doubts: str = ""


class MaildirReader:
    """Watches `new/` and `cur/` of a Maildir."""

    def __init__(self, path: Path, clock: Clock = SYSTEM) -> None:
        self._path = path
        self._clock = clock
        self._known: dict[str, transport.ReceivedMail | None] = {}
        """Name without flags -> the challenge mail, or None for another mail."""

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:
        """As `challenges.base.MailReader`; TimeoutError too where there is no Maildir yet."""
        look = _Look()
        end = self._clock.monotonic() + timeout
        while True:
            for name, path in self._recent():
                if name not in self._known:
                    with suppress(OSError):  # another program moves it just now: the next look finds it again
                        self._known[name] = _challenge_mail(path)
            codes = self._codes(challenge_url, sender, mailbox, look)
            if codes:
                return codes[0]
            if self._clock.monotonic() >= end:
                raise TimeoutError(
                    f"no mail with the code in {self._path} (looked at {len(self._known)} recent mails){look.doubts}"
                )
            self._clock.sleep(POLL)

    def _recent(self) -> Iterator[tuple[str, Path]]:
        """Name without flags -> path of each mail that may hold a living code, newest first."""
        oldest = self._clock.now().timestamp() - OLDEST
        entries = [entry for folder in ("new", "cur") for entry in _entries(self._path / folder)]
        for changed, path in sorted(map(_age, entries), reverse=True):
            if changed >= oldest:
                yield path.name.partition(":")[0], path

    def _codes(self, url: str, sender: str, mailbox: str, look: _Look) -> list[str]:
        """The codes of believable mails, those addressed to our mailbox first."""
        mails = [mail for mail in self._known.values() if mail is not None]
        mails.sort(key=lambda mail: mailbox not in mail.recipients)
        return [code for mail in mails if (code := _believed(mail, url, sender, look)) is not None]


class SpoolReader:
    """Watches the spool that `drop` fills."""

    def __init__(self, path: Path, clock: Clock = SYSTEM) -> None:
        self._path = path
        self._clock = clock

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:  # noqa: ARG002 - as dropped
        """As `challenges.base.MailReader`."""
        look = _Look()
        end = self._clock.monotonic() + timeout
        while True:
            mail = _spooled(self._path / _spool_name(challenge_url))
            if mail is not None and (code := _believed(mail, challenge_url, sender, look)) is not None:
                return code
            if self._clock.monotonic() >= end:
                raise TimeoutError(f"no code in {self._path}; does the mail alias run `xmpp-cert mail`?{look.doubts}")
            self._clock.sleep(POLL)


class TypedReader:
    """Asks a person. A typing error is found by the check characters and costs no try."""

    def __init__(self, ask: Callable[[str, float], str], progress: Progress = SILENT) -> None:
        self._ask = ask
        self._progress = progress

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:  # noqa: ARG002
        """As `challenges.base.MailReader`."""
        question = f"Code from the mail of {sender} to {mailbox}"
        while True:
            try:
                return parse_code(self._ask(question, timeout))
            except ValueError as error:
                self._progress.trouble(str(error))


def challenge_mail(raw: bytes) -> transport.ReceivedMail:
    """The message as a challenge mail with a whole code. Raises ValueError where it is none."""
    mail = transport.parse(raw)
    parse_code(mail.code)  # a damaged code is of no use to anyone
    return mail


def drop(spool: Path, mail: transport.ReceivedMail, clock: Clock = SYSTEM) -> None:
    """Keep the code of a challenge mail in the spool. Raises StateError where that cannot be written."""
    content = {"challenge": mail.challenge_url, "from": mail.sender, "code": mail.code}
    try:
        durable.make_directory(spool)
        _remove_old(spool, clock)
        durable.replace(spool / _spool_name(mail.challenge_url), json.dumps(content).encode(), 0o640)
    except OSError as error:
        raise StateError(
            f"the code cannot be kept in {spool}: {error.strerror}",
            hint="Let the user that mail programs run as write there; see `spool`.",
        ) from error


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The files of a folder, none where there is no such folder yet."""
    try:
        return [e for e in os.scandir(folder) if e.is_file(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:
        return []


def _age(entry: os.DirEntry[str]) -> tuple[float, Path]:
    with suppress(OSError):  # another program moves it just now: the next look finds it again
        return entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)
    return 0.0, Path(entry.path)


def _believed(mail: transport.ReceivedMail, url: str, sender: str, look: _Look) -> str | None:
    """The code, if this mail is for our challenge and from its sender."""
    if mail.challenge_url != url:
        return None
    if mail.sender != _lower_domain(sender):
        look.doubts = f"; one was from {legible(mail.sender, 100)} instead of {legible(sender, 100)}"
        return None
    try:
        return parse_code(mail.code)
    except ValueError:
        look.doubts = "; one had a damaged code"
        return None


def _challenge_mail(path: Path) -> transport.ReceivedMail | None:
    """The challenge mail in a file, None where it is another mail. Raises OSError."""
    try:
        return transport.parse(_read(path))
    except ValueError:
        return None


def _read(path: Path) -> bytes:
    """A regular file, never through a symlink, up to just over the parser's limit. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("not a regular file")
        return file.read(transport.SIZE_LIMIT + 1)


def _spooled(path: Path) -> transport.ReceivedMail | None:
    """What `drop` left, or None; other users may write to the spool, so nothing is believed of its form."""
    try:
        content = json.loads(_read(path))
        challenge, sender, code = (content[key] for key in ("challenge", "from", "code"))
        return transport.ReceivedMail(str(challenge), str(sender), (), str(code))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _spool_name(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32] + ".json"


def _remove_old(spool: Path, clock: Clock) -> None:
    oldest = clock.now().timestamp() - OLDEST
    for entry in os.scandir(spool):
        if entry.name.endswith(".json") and entry.stat(follow_symlinks=False).st_mtime < oldest:
            Path(entry.path).unlink(missing_ok=True)


def _lower_domain(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"
