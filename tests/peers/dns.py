"""A name server on loopback, UDP and TCP on one port, that answers from a table which may change while it runs.

It must never ask anybody else. What is not in the table does not exist (RFC 8020: a name above one that exists, exists).
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

__all__ = ["DnsServer", "Records", "answer"]

Records = Mapping[tuple[str, str], Sequence[str]]
"""(A-label name in lower case without the last dot, type) -> the data of each record, in zone file notation."""

TTL = 0


def _exists(name: str, records: Records) -> bool:
    return any(known == name or known.endswith("." + name) for known, _ in records)


def answer(wire: bytes, records: Records) -> bytes:
    """The answer to one query. Raises dns.exception.DNSException for octets that are none."""
    query = dns.message.from_wire(wire)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA | dns.flags.RA
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    kind = dns.rdatatype.to_text(question.rdtype)
    values = records.get((name, kind), ())
    if values:
        reply.answer.append(dns.rrset.from_text_list(question.name, TTL, dns.rdataclass.IN, kind, list(values)))
    elif not _exists(name, records):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply.to_wire()


class _Udp(socketserver.BaseRequestHandler):
    server: _UdpServer

    def handle(self) -> None:
        wire, socket = self.request
        try:
            socket.sendto(answer(wire, self.server.records), self.client_address)
        except dns.exception.DNSException:
            return  # a broken query gets no answer


class _Tcp(socketserver.StreamRequestHandler):
    server: _TcpServer
    timeout = 5

    def handle(self) -> None:
        while len(size := self.rfile.read(2)) == 2:
            try:
                reply = answer(self.rfile.read(int.from_bytes(size, "big")), self.server.records)
            except dns.exception.DNSException:
                return
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    records: Records


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    records: Records


class DnsServer:
    """The server; a context manager. `records` may be changed while it runs."""

    def __init__(self, records: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.records = records if records is not None else {}
        self._servers = _bound_pair()
        self.port = int(self._servers[0].server_address[1])
        for server in self._servers:
            server.records = self.records

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    def host(self, *names: str, address: str = "127.0.0.1") -> Self:
        """Give each of the names this one IPv4 address."""
        for name in names:
            self.records[name, "A"] = [address]
        return self

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _bound_pair(tries: int = 20) -> tuple[_TcpServer, _UdpServer]:
    """Both protocols on one port: TCP takes a free one, UDP may find it taken."""
    for attempt in range(tries):
        tcp = _TcpServer(("127.0.0.1", 0), _Tcp)
        try:
            return tcp, _UdpServer(("127.0.0.1", tcp.server_address[1]), _Udp)
        except OSError:
            tcp.server_close()
            if attempt == tries - 1:
                raise
    raise AssertionError("the last try returned or raised")
