"""HTTP/1.1 for the load: kept connections to loopback, one request at a time on each, and nothing it does not need.

It shares the machine with the server it measures, so it is small on purpose. It connects to 127.0.0.1 whatever host a
URL names.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

__all__ = ["HttpClient", "Reply"]

HEAD_LIMIT = 65536
TIMEOUT = 30.0
"""Seconds for one request."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of several of one name the first."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def exchange(self, head: str, body: bytes) -> Reply:
        self.writer.write(head.encode("ascii") + body)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), value.strip())
        status = int(lines[0].split(" ")[1])
        empty = head.startswith("HEAD ") or status in (204, 304)
        return Reply(status, headers, b"" if empty else await self._body(headers))

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self.reader.readexactly(int(headers["content-length"]))
        parts = []
        while size := int((await self.reader.readline()).split(b";")[0], 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return b"".join(parts)


class HttpClient:
    """A pool of connections to one server."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._idle: list[_Connection] = []

    async def _connect(self, host: str, port: int) -> _Connection:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=self._context, server_hostname=host, limit=HEAD_LIMIT
        )
        return _Connection(reader, writer)

    async def request(self, method: str, url: str, body: bytes = b"") -> Reply:
        """One request over https. Raises OSError, asyncio.IncompleteReadError or TimeoutError."""
        parts = urlsplit(url)
        content = f"Content-Type: application/jose+json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: bench\r\n{content}\r\n"
        async with asyncio.timeout(TIMEOUT):
            connection = (
                self._idle.pop() if self._idle else await self._connect(parts.hostname or "", parts.port or 443)
            )
            try:
                reply = await connection.exchange(head, body)
            except BaseException:  # whatever it was, the rest of an answer may still come on this connection
                connection.writer.close()
                raise
        if reply.headers.get("connection", "").lower() == "close":
            connection.writer.close()
        else:
            self._idle.append(connection)
        return reply

    def close(self) -> None:
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()
