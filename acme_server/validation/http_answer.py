"""One HTTP/1 answer out of a stream: its status, the three headers that a validation needs, and its body.

Whatever octets come, it ends in an answer, in NoHttpError or in EOFError: every other header is passed over unread,
because a library that reads them all raises whatever a stranger wants. RFC 9110 §8.6 and §10.2.2, RFC 9112.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO, Final

__all__ = ["Head", "NoHttpError", "read_body", "read_head"]

_MAX_HEADERS: Final = 100
_STATUS: Final = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?\r?\n")
_LINE_ENDS: Final = (b"\r\n", b"\n")
_WITHOUT_BODY: Final = frozenset({204, 304})


class NoHttpError(Exception):
    """What came is not HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of an answer says."""

    status: int
    location: str | None
    """As it came, several joined by a comma."""
    length: int | None
    """Octets of the body, None where nothing is said."""
    chunked: bool


def read_head(stream: BinaryIO) -> Head:
    """The first head that is no interim one (RFC 9110 §15.2). Raises NoHttpError, EOFError, what the stream does."""
    status = 0
    while status < 200:  # noqa: PLR2004 - before the first and after interim ones
        status, fields = _status(stream), _fields(stream)
    locations = fields[b"location"]
    return Head(
        status=status,
        location=b", ".join(locations).decode("latin-1") if locations else None,
        length=_length(fields[b"content-length"]),
        chunked=_is_chunked(fields[b"transfer-encoding"]),
    )


def read_body(stream: BinaryIO, head: Head, limit: int) -> bytes:
    """At most `limit` octets of the body that follows the head. Raises as `read_head` does."""
    if head.status in _WITHOUT_BODY:
        return b""
    if head.chunked:  # RFC 9112 §6.3: whatever the length says
        return _chunks(stream, limit)
    return stream.read(limit if head.length is None else min(limit, head.length))


def _status(stream: BinaryIO) -> int:
    line = stream.readline()
    if not line.endswith(b"\n") and b"HTTP/1.".startswith(line[:7]):
        raise EOFError
    found = _STATUS.fullmatch(line)
    if found is None:
        raise NoHttpError
    return int(found[1])


def _fields(stream: BinaryIO) -> dict[bytes, list[bytes]]:
    """Every value of the headers that count, by their names in lower case."""
    lines: list[bytes] = []
    while (line := _line(stream)) not in _LINE_ENDS:
        lines.append(line)
        if len(lines) > _MAX_HEADERS:
            raise NoHttpError
    found: dict[bytes, list[bytes]] = {b"location": [], b"content-length": [], b"transfer-encoding": []}
    # RFC 9112 §5.2: a line that begins with a blank goes on with the one before.
    for line in _FOLD.sub(b" ", b"".join(lines)).split(b"\n")[:-1]:
        name, colon, value = line.removesuffix(b"\r").partition(b":")
        if not colon or b"\r" in value or not _TOKEN.fullmatch(name):
            raise NoHttpError
        if name.lower() in found:
            found[name.lower()].append(value.strip(b" \t"))
    return found


def _length(values: list[bytes]) -> int | None:
    """RFC 9112 §6.3: one number, or the answer is none."""
    if not values:
        return None
    if len(set(values)) != 1 or not _LENGTH.fullmatch(values[0]):
        raise NoHttpError
    return int(values[0])


def _is_chunked(codings: list[bytes]) -> bool:
    """RFC 9112 §7.4: no other coding was asked for."""
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        raise NoHttpError
    return bool(codings)


def _chunks(stream: BinaryIO, limit: int) -> bytes:
    """RFC 9112 §7.1; trailers stay unread."""
    body = b""
    while len(body) < limit:
        found = _CHUNK.fullmatch(_line(stream))
        if found is None:
            raise NoHttpError
        size = int(found[1], 16)
        if size == 0:
            break
        wanted = min(size, limit - len(body))
        part = stream.read(wanted)
        if len(part) < wanted:
            raise EOFError
        body += part
        if len(body) < limit and _line(stream) not in _LINE_ENDS:
            raise NoHttpError
    return body


def _line(stream: BinaryIO) -> bytes:
    """A line with its end."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line
