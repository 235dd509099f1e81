"""The CA's one way out to hosts that strangers name: resolve, check each address, connect to that very address.

It never resolves twice for one connection, never goes to an address, port or scheme that was not checked, and never
takes longer than its deadline, however slowly the other side talks. RFC 8555 §8.3 and §10.4 (server-side request
forgery), RFC 9110, RFC 9112.
"""

from __future__ import annotations

import http.client
import io
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from acme_server.validation.addresses import IpAddress, IpNetwork, is_permitted, parse_address
from acme_server.validation.resolver import Resolver
from challenges.base import Error, Fault, HttpAnswer
from challenges.text import printable

__all__ = ["MAX_REDIRECTS", "GuardedNetwork", "dial"]

MAX_REDIRECTS: Final = 10
_MAX_ADDRESSES: Final = 4
"""Of one name that are tried: a name with a thousand addresses makes no scanner of the CA."""
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


def dial(address: IpAddress, port: int, timeout: float) -> socket.socket:
    """A TCP connection to the address; `timeout` in seconds. Raises OSError."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - the IP version
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect((str(address), port))
    except OSError:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class _Deadline:
    """A point in time for everything together."""

    at: float
    clock: Callable[[], float]

    def left(self) -> float:
        """Seconds, above 0. Raises TimeoutError."""
        seconds = self.at - self.clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Reader(io.RawIOBase):
    """Octets of a socket until the deadline, and no more of them than allowed."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self.allowance = _HEAD_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer of the reader above
        if self.allowance <= 0:
            raise _TooLargeError
        # The time left is set for each read: a per-read timeout alone lets a slow host hold the worker for ever.
        self._connection.settimeout(self._deadline.left())
        count = self._connection.recv_into(buffer, min(len(buffer), self.allowance))
        self.allowance -= count
        return count


class _TooLargeError(Exception):
    """The other side sends more than a validation needs."""


class _Buffered:
    """What http.client takes for a socket: it only ever asks for the file."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self._reader, 1024)


class GuardedNetwork:
    """`challenges.base.Network` for workers; holds no connection, so threads may share one."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        exempt: Collection[IpNetwork] = frozenset(),
        ports: Mapping[str, int] | None = None,
        deadline: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        connect: Callable[[IpAddress, int, float], socket.socket] = dial,
    ) -> None:
        """`deadline`: seconds for a whole `http_get`, look-ups and redirects included.

        `ports`: the number that stands for each scheme, http 80 and https 443 unless a lab has others. `exempt`:
        networks that may be connected to although they are not public.
        """
        self._resolver = resolver
        self._exempt = exempt
        self._ports = {"http": 80, "https": 443} if ports is None else dict(ports)
        self._seconds = deadline
        self._clock = clock
        self._connect = connect
        # No certificate is checked: the way here began over plain http, so a checked one would prove nothing more,
        # and the one in place may be the very one that is to be replaced.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def http_get(self, host: str, path: str, *, limit: int) -> HttpAnswer:
        """See `challenges.base.Network.http_get`."""
        deadline = _Deadline(self._clock() + self._seconds, self._clock)
        url = urlsplit(f"http://{host}{path}")
        for _ in range(MAX_REDIRECTS + 1):
            answer, location = self._hop(url, limit, deadline)
            if location is None:
                return answer
            url = self._redirected(url, location)
        raise _fault("incorrectResponse", f"{host} redirects more than {MAX_REDIRECTS} times")

    def _hop(self, url: SplitResult, limit: int, deadline: _Deadline) -> tuple[HttpAnswer, str | None]:
        """One request: its answer, and where it redirects to. Raises Fault."""
        where = printable(url.geturl(), 200)
        host = url.hostname or ""
        port = self._ports[url.scheme]
        address, connection = self._connected(host, port, deadline)
        try:
            with connection, self._secured(connection, url, deadline) as secured:
                return _exchange(secured, url, port, str(address), limit, deadline)
        except _TooLargeError as error:
            raise _fault(
                "incorrectResponse", f"{where} at {address} sends too large a head or too many chunks"
            ) from error
        except TimeoutError as error:
            raise self._late(f"{where} at {address} was connected to but did not answer") from error
        except ssl.SSLError as error:
            raise _fault("tls", f"{where} at {address}: TLS failed: {printable(error.reason or '', 60)}") from error
        except (http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
            raise _fault(
                "connection", f"{where} at {address} closed before its answer was whole", transient=True
            ) from error
        except http.client.HTTPException as error:
            raise _fault("incorrectResponse", f"{where} at {address} does not answer by HTTP") from error
        except OSError as error:
            raise _fault("connection", f"{where} at {address}: {_reason(error)}", transient=True) from error

    def _connected(self, host: str, port: int, deadline: _Deadline) -> tuple[IpAddress, socket.socket]:
        """A connection to the first address of the host that takes one. Raises Fault."""
        failures = []
        addresses = self._permitted(host, deadline)
        for position, address in enumerate(addresses):
            try:
                # Each gets its share, so that one that is silent does not take the time of the others.
                share = deadline.left() / (len(addresses) - position)
                return address, self._checked(self._connect(address, port, share), address)
            except TimeoutError:
                failures.append(f"{address}: timed out")
            except OSError as error:
                failures.append(f"{address}: {_reason(error)}")
        raise _fault("connection", f"No connection to {host} on port {port} ({'; '.join(failures)})", transient=True)

    def _permitted(self, host: str, deadline: _Deadline) -> list[IpAddress]:
        """The addresses to try: IPv6 and IPv4 in turn, IPv6 first, in DNS's order. Raises Fault."""
        found = [parse_address(text) for text in self._resolver.addresses(host, deadline.at)]
        permitted = [item for item in dict.fromkeys(found) if item is not None and is_permitted(item, self._exempt)]
        if not permitted:
            raise _fault("dns", f"{host} has only addresses that are not public; the CA does not connect to those")
        of_6 = [item for item in permitted if item.version == 6]  # noqa: PLR2004 - the IP version
        of_4 = [item for item in permitted if item.version == 4]  # noqa: PLR2004
        order = [item for pair in zip_longest(of_6, of_4) for item in pair if item is not None]
        return order[:_MAX_ADDRESSES]

    def _checked(self, connection: socket.socket, address: IpAddress) -> socket.socket:
        """The connection, if it has led where it should. Raises Fault."""
        try:
            peer = parse_address(connection.getpeername()[0])
        except OSError:
            connection.close()
            raise
        if peer != address:
            connection.close()
            raise _fault("connection", f"The connection to {address} led elsewhere")
        return connection

    def _secured(self, connection: socket.socket, url: SplitResult, deadline: _Deadline) -> socket.socket:
        if url.scheme != "https":
            return connection
        connection.settimeout(deadline.left())  # for the whole handshake
        return self._tls.wrap_socket(connection, server_hostname=url.hostname)

    def _redirected(self, base: SplitResult, location: str) -> SplitResult:
        """Where a Location header leads, checked as the first URL was. Raises Fault."""
        refused = f'{base.hostname} redirects to "{printable(location, 100)}": '
        if not _URL.fullmatch(location):
            raise _fault("incorrectResponse", refused + "not a URL of at most 2000 printable characters")
        try:
            url = urlsplit(urljoin(base.geturl(), location))
            port = url.port
        except ValueError as error:
            raise _fault("incorrectResponse", refused + "not a URL") from error
        if url.scheme not in self._ports:
            raise _fault("incorrectResponse", refused + "only http and https are followed")
        if "@" in url.netloc or not _NAME.fullmatch(url.hostname or ""):
            raise _fault("incorrectResponse", refused + "the host must be a name, without user or IP address")
        if port not in (None, self._ports[url.scheme]):
            raise _fault("incorrectResponse", refused + f"only port {self._ports[url.scheme]} is used for {url.scheme}")
        return url

    def _late(self, what: str) -> Fault:
        return _fault("connection", f"{what} within the {self._seconds:g} seconds there are", transient=True)


def _exchange(
    connection: socket.socket, url: SplitResult, port: int, address: str, limit: int, deadline: _Deadline
) -> tuple[HttpAnswer, str | None]:
    """Ask and read. Raises OSError, http.client.HTTPException, _TooLargeError."""
    connection.settimeout(deadline.left())
    connection.sendall(_request(url, port))
    reader = _Reader(connection, deadline)
    # The class only parses here: its connections would resolve, and time each read alone.
    response = http.client.HTTPResponse(_Buffered(reader), method="GET")  # type: ignore[arg-type]  # see _Buffered
    try:
        response.begin()
        location = response.getheader("Location") if response.status in _REDIRECTS else None
        reader.allowance = limit + _FRAMING_LIMIT
        body = b"" if location is not None else _body(response, limit)
    finally:
        response.close()
    return HttpAnswer(response.status, body, printable(url.geturl(), 2000), address), location


def _body(response: http.client.HTTPResponse, limit: int) -> bytes:
    try:
        return response.read(limit)[:limit]
    except ValueError as error:  # http.client takes a chunk of a negative size for one
        raise http.client.HTTPException("no chunk size") from error


def _request(url: SplitResult, port: int) -> bytes:
    """The request; no compression, so that the limit on what is read is one on what comes out."""
    default = {"http": 80, "https": 443}[url.scheme]
    host = url.hostname if port == default else f"{url.hostname}:{port}"
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


def _reason(error: OSError) -> str:
    """The system's words for it, nothing from the other side."""
    return os.strerror(error.errno).lower() if error.errno else "the connection failed"


def _fault(kind: str, detail: str, *, transient: bool = False) -> Fault:
    return Fault(Error(kind, detail), transient=transient)
