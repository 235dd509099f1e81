"""The applicant's side of http-01 on loopback: every name is 127.0.0.1, and every token known here is answered.

It answers from memory within the load's own process. It serves no zone: everything but A is an empty answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import cast

__all__ = ["Responder", "responder"]

A = 1
LOOPBACK = socket.inet_aton("127.0.0.1")
PREFIX = "/.well-known/acme-challenge/"
HEADER = struct.Struct("!HHHHHH")


def _question(query: bytes) -> tuple[bytes, int]:
    """The question section of a query with one question, and its type. Raises IndexError or struct.error."""
    end = HEADER.size
    while query[end]:
        end += 1 + query[end]
    return query[HEADER.size : end + 5], struct.unpack_from("!H", query, end + 1)[0]


def _dns_answer(query: bytes) -> bytes | None:
    """The answer to a DNS query (RFC 1035 §4.1); None for octets that are none."""
    try:
        question, kind = _question(query)
    except (IndexError, struct.error):
        return None
    recursion_desired = query[2] & 1
    records = [b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 1, len(LOOPBACK)) + LOOPBACK] if kind == A else []
    number = int.from_bytes(query[:2], "big")
    return HEADER.pack(number, 0x8480 | recursion_desired << 8, 1, len(records), 0, 0) + question + b"".join(records)


class _Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # which it only behaves like, before Python 3.12

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if answer := _dns_answer(data):
            self.transport.sendto(answer, addr)


async def _dns_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
        while answer := _dns_answer(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))):
            writer.write(len(answer).to_bytes(2, "big") + answer)


class Responder:
    """The http-01 answers that are up."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        """Token -> key authorization."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = request.split(" ", 2)[1]
            content = self.answers.get(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None
            status = "404 Not Found" if content is None else "200 OK"
            body = (content or "").encode("ascii")
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode("ascii") + body)


@contextlib.asynccontextmanager
async def responder(http_port: int, dns_port: int) -> AsyncIterator[Responder]:
    """Listen on these ports of 127.0.0.1: HTTP, and DNS over UDP and TCP."""
    mine = Responder()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Datagrams, local_addr=("127.0.0.1", dns_port))
    http = await asyncio.start_server(mine.serve, "127.0.0.1", http_port, backlog=256)
    dns = await asyncio.start_server(_dns_stream, "127.0.0.1", dns_port, backlog=256)
    try:
        yield mine
    finally:
        transport.close()
        http.close()
        dns.close()
