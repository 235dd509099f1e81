"""One GET of a validation, with its redirects: each hop parsed once, checked and read in small pieces.

It never goes to a port or scheme that was not checked, follows no redirect to an IP address, and never takes longer
than its deadline, however slowly the other side talks. RFC 8555 §8.3, RFC 8738 §4, RFC 9110, RFC 9112.
"""

from __future__ import annotations

import io
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from acme_server.validation.connections import Channel, Connector, Deadline, TooLargeError, make_fault, reason_of
from acme_server.validation.http_answer import NoHttpError, read_body, read_head
from acme_server.validation.tls_channel import TlsChannel
from challenges.base import HttpAnswer
from challenges.text import printable

__all__ = ["MAX_REDIRECTS", "HttpFetch"]

MAX_REDIRECTS: Final = 10
_HEAD_LIMIT: Final = 16 * 1024
"""Octets of status line and headers, interim responses included."""
_FRAMING_LIMIT: Final = 16 * 1024
"""Octets that may surround the body's own: sizes of chunks, trailers."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_USER_AGENT: Final = "xmpp-ica/0.1 (ACME validation; RFC 8555)"
_URL: Final = re.compile(r"[!-\[\]-~]{1,2000}")
"""Printable ASCII without blank and backslash: nothing that two parsers read in two ways."""
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""A host name whose last label cannot be taken for a part of an IPv4 address."""


class _Reader(io.RawIOBase):
    """Octets of a channel, and no more of them than allowed."""

    def __init__(self, channel: Channel | TlsChannel) -> None:
        super().__init__()
        self._channel = channel
        self.allowance = _HEAD_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer of the reader above
        if self.allowance <= 0:
            raise TooLargeError
        count = self._channel.recv_into(buffer[: self.allowance])
        self.allowance -= count
        return count


@dataclass(frozen=True, slots=True)
class HttpFetch:
    """Fetches for `http_get`."""

    connector: Connector
    ports: Mapping[str, int]
    """The number that stands for each scheme."""
    seconds: float
    """What the deadline was made of, for people to read."""
    tls: ssl.SSLContext

    def fetch(self, host: str, path: str, limit: int, deadline: Deadline) -> HttpAnswer:
        """See `challenges.base.Network.http_get`."""
        # RFC 8738 §4: in a URL and in Host an IPv6 address stands in brackets.
        url = urlsplit(f"http://{f'[{host}]' if ':' in host else host}{path}")
        for _ in range(MAX_REDIRECTS + 1):
            answer, location = self._hop(url, limit, deadline)
            if location is None:
                return answer
            url = self._redirected(url, location)
        raise make_fault("incorrectResponse", f"{host} redirects more than {MAX_REDIRECTS} times")

    def _hop(self, url: SplitResult, limit: int, deadline: Deadline) -> tuple[HttpAnswer, str | None]:
        """One request: its answer, and where it redirects to. Raises Fault."""
        where = printable(url.geturl(), 200)
        host = url.hostname or ""
        port = self.ports[url.scheme]
        address, connection = self.connector.connected(host, port, deadline)
        try:
            with connection:
                return _exchange(self._secured(Channel(connection, deadline), url), url, port, str(address), limit)
        except TooLargeError as error:
            raise make_fault(
                "incorrectResponse", f"{where} at {address} sends too large a head or too much around its answer"
            ) from error
        except TimeoutError as error:
            problem = f"{where} at {address} was connected to but did not answer within the {self.seconds:g} seconds"
            raise make_fault("connection", f"{problem} there are", transient=True) from error
        except ssl.SSLError as error:
            raise make_fault("tls", f"{where} at {address}: TLS failed: {printable(error.reason or '', 60)}") from error
        except EOFError as error:
            raise make_fault(
                "connection", f"{where} at {address} closed before its answer was whole", transient=True
            ) from error
        except NoHttpError as error:
            raise make_fault("incorrectResponse", f"{where} at {address} does not answer by HTTP") from error
        except OSError as error:
            raise make_fault("connection", f"{where} at {address}: {reason_of(error)}", transient=True) from error

    def _secured(self, channel: Channel, url: SplitResult) -> Channel | TlsChannel:
        return TlsChannel(channel, self.tls, url.hostname or "") if url.scheme == "https" else channel

    def _redirected(self, base: SplitResult, location: str) -> SplitResult:
        """Where a Location header leads, checked as the first URL was. Raises Fault."""
        refused = f'{base.hostname} redirects to "{printable(location, 100)}": '
        if not _URL.fullmatch(location):
            raise make_fault("incorrectResponse", refused + "not a URL of at most 2000 printable characters")
        try:
            url = urlsplit(urljoin(base.geturl(), location))
            port = url.port
        except ValueError as error:
            raise make_fault("incorrectResponse", refused + "not a URL") from error
        if url.scheme not in self.ports:
            raise make_fault("incorrectResponse", refused + "only http and https are followed")
        if "@" in url.netloc or not _NAME.fullmatch(url.hostname or ""):
            raise make_fault("incorrectResponse", refused + "the host must be a name, without user or IP address")
        if port not in (None, self.ports[url.scheme]):
            raise make_fault(
                "incorrectResponse", refused + f"only port {self.ports[url.scheme]} is used for {url.scheme}"
            )
        return url


def _exchange(
    channel: Channel | TlsChannel, url: SplitResult, port: int, address: str, limit: int
) -> tuple[HttpAnswer, str | None]:
    """Ask and read. Raises OSError, EOFError, NoHttpError, TooLargeError."""
    channel.sendall(_request(url, port))
    reader = _Reader(channel)
    with io.BufferedReader(reader, 1024) as stream:
        head = read_head(stream)
        location = head.location if head.status in _REDIRECTS else None
        reader.allowance = limit + _FRAMING_LIMIT
        body = b"" if location is not None else read_body(stream, head, limit)
    return HttpAnswer(head.status, body, printable(url.geturl(), 2000), address), location


def _request(url: SplitResult, port: int) -> bytes:
    """The request; no compression, so that the limit on what is read is one on what comes out."""
    default = {"http": 80, "https": 443}[url.scheme]
    name = url.hostname or ""
    name = f"[{name}]" if ":" in name else name
    host = name if port == default else f"{name}:{port}"
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: {_USER_AGENT}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
