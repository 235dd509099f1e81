"""A name server on loopback, UDP and TCP on one port, that answers from a table which may change while it runs.

It must never ask anybody else. What is not in the table does not exist (RFC 8020: a name above one that exists, exists).
Whoever reaches it may change, by DNS UPDATE (RFC 2136), the zones that have an SOA record.
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
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.update

__all__ = ["DnsServer", "Records", "Table", "answer", "update"]

Records = Mapping[tuple[str, str], Sequence[str]]
"""(A-label name in lower case without the last dot, type) -> the data of each record, in zone file notation."""

Table = dict[tuple[str, str], list[str]]
"""The same, to be changed."""

SOA = "ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 0"
TTL = 0


def _exists(name: str, records: Records) -> bool:
    return any(known == name or known.endswith("." + name) for known, _ in records)


def answer(wire: bytes, records: Records) -> bytes:
    """The answer to one query. Raises dns.exception.DNSException for octets that are none."""
    query = dns.message.from_wire(wire)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA | dns.flags.RA
    question = query.question[0]
    name = _text(question.name)
    kind = dns.rdatatype.to_text(question.rdtype)
    values = records.get((name, kind), ())
    if values:
        reply.answer.append(dns.rrset.from_text_list(question.name, TTL, dns.rdataclass.IN, kind, list(values)))
    else:
        reply.set_rcode(dns.rcode.NOERROR if _exists(name, records) else dns.rcode.NXDOMAIN)
        reply.authority += _zone(question.name, records)
    return reply.to_wire()


def _zone(name: dns.name.Name, records: Records) -> list[dns.rrset.RRset]:
    """The SOA record of the zone a name is in, for an answer that says no (RFC 2308 §3); nothing where there is none."""
    while name != dns.name.root:
        if soa := records.get((_text(name), "SOA")):
            return [dns.rrset.from_text_list(name, TTL, dns.rdataclass.IN, "SOA", list(soa))]
        name = name.parent()
    return []


def update(message: dns.update.UpdateMessage, records: Table) -> bytes:
    """Change the table as the message says, and the answer to it; prerequisites (RFC 2136 §2.4) are not looked at."""
    zone = message.zone[0].name
    reply = dns.message.make_response(message)
    if (_text(zone), "SOA") not in records:
        reply.set_rcode(dns.rcode.NOTAUTH)
    elif not all(item.name.is_subdomain(zone) for item in message.update):
        reply.set_rcode(dns.rcode.NOTZONE)
    else:
        for item in message.update:
            _change(item, records)
    return reply.to_wire()


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _change(item: dns.rrset.RRset, records: Table) -> None:
    """One line of an update section (RFC 2136 §2.5): a record more or less, a set less, or all sets of a name."""
    name, kind = _text(item.name), dns.rdatatype.to_text(item.rdtype)
    values = [rdata.to_text() for rdata in item]
    before = records.get((name, kind), [])
    if item.deleting is None:
        records[name, kind] = [*before, *(value for value in values if value not in before)]
    elif item.deleting == dns.rdataclass.NONE:
        records[name, kind] = [value for value in before if value not in values]
    for known in [key for key in records if key[0] == name]:
        if not records[known] or (item.deleting == dns.rdataclass.ANY and kind in {known[1], "ANY"}):
            del records[known]


def _reply(wire: bytes, records: Table, lock: threading.Lock) -> bytes:
    """The answer to any message. Raises dns.exception.DNSException for octets that are none."""
    with lock:
        message = dns.message.from_wire(wire)
        return update(message, records) if isinstance(message, dns.update.UpdateMessage) else answer(wire, records)


class _Udp(socketserver.BaseRequestHandler):
    server: _UdpServer

    def handle(self) -> None:
        wire, socket = self.request
        try:
            socket.sendto(_reply(wire, self.server.records, self.server.lock), self.client_address)
        except dns.exception.DNSException:
            return  # a broken query gets no answer


class _Tcp(socketserver.StreamRequestHandler):
    server: _TcpServer
    timeout = 5

    def handle(self) -> None:
        while len(size := self.rfile.read(2)) == 2:
            try:
                wire = self.rfile.read(int.from_bytes(size, "big"))
                reply = _reply(wire, self.server.records, self.server.lock)
            except dns.exception.DNSException:
                return
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    records: Table
    lock: threading.Lock


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    records: Table
    lock: threading.Lock


class DnsServer:
    """The server; a context manager. `records` may be changed while it runs."""

    def __init__(self, records: Table | None = None) -> None:
        self.records = records if records is not None else {}
        self._servers = _bound_pair()
        self.port = int(self._servers[0].server_address[1])
        lock = threading.Lock()
        for server in self._servers:
            server.records, server.lock = self.records, lock

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    def host(self, *names: str, address: str = "127.0.0.1") -> Self:
        """Give each of the names this one IPv4 address."""
        for name in names:
            self.records[name, "A"] = [address]
        return self

    def zone(self, *names: str) -> Self:
        """Hold each of the names as a zone that takes updates."""
        for name in names:
            self.records[name, "SOA"] = [SOA.format(zone=name)]
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
