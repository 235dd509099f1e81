"""A meter on the way in: each time an answer's octets are read, the deadline and their number are looked at.

No part of an answer may get past it: not its head, nor interim answers, chunk sizes or trailers, which the libraries
read in loops of their own that have no end. RFC 9112 §4 to §7 for these parts.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from xmpp_client.errors import ProtocolError

__all__ = ["pools"]


class _Meter(io.RawIOBase):
    """One answer's octets, in the clear."""

    def __init__(
        self,
        stream: io.RawIOBase,
        connection: socket.socket,
        remaining: Callable[[], float],
        patience: float,
        limit: int,
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._remaining = remaining
        self._patience = patience
        self._limit = limit
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Raises OSError, ProtocolError for too many octets, and what `remaining` raises."""
        self._connection.settimeout(min(self._patience, self._remaining()))
        count: int | None = self._stream.readinto(buffer)
        self._count += count or 0
        if self._count > self._limit:
            raise ProtocolError(f"the CA's answer, with its head and framing, is longer than {self._limit} octets")
        return count

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            super().close()


def pools(remaining: Callable[[], float], patience: float, limit: int) -> type[HTTPSConnectionPool]:
    """A class of urllib3's connection pools whose answers come through a meter.

    `remaining` gives the seconds left, or raises; `patience` is in seconds without an octet; `limit` is in octets.
    """

    class Response(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_Meter(self.fp.detach(), sock, remaining, patience, limit))

    class Connection(HTTPSConnection):
        response_class = Response

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool
