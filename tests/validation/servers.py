"""Hosts on loopback that answer as a test tells them, each connection in its own thread, ended with the test."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import dns.message

from challenges.base import Error, Fault, TxtAnswer


@dataclass
class Names:
    """A resolver with tables instead of DNS."""

    table: dict[str, list[str]]
    asked: list[str] = field(default_factory=list)
    records: dict[str, list[bytes]] = field(default_factory=dict)

    def addresses(self, name: str, deadline: float) -> list[str]:
        self.asked.append(name)
        if name not in self.table:
            raise Fault(Error("dns", f"{name} does not exist"), transient=False)
        return self.table[name]

    def texts(self, name: str, deadline: float) -> TxtAnswer:
        self.asked.append(name)
        return TxtAnswer(name, tuple(self.records.get(name, ())), name)


@dataclass
class Host:
    port: int
    requests: list[str] = field(default_factory=list)
    """The heads that came."""


Talk = Callable[[socket.socket, str], None]
"""What a host does with a connection after the head of a request (empty where none came)."""


@contextlib.contextmanager
def host(
    talk: Talk, *, address: str = "127.0.0.1", secure: Callable[[socket.socket], socket.socket] | None = None
) -> Iterator[Host]:
    """A TCP server; `secure` wraps each connection."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    served = Host(listener.getsockname()[1])
    open_connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            secured = secure(connection) if secure else connection
            with secured:
                head = _head(secured)
                served.requests.append(head)
                talk(secured, head)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield served
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        listener.close()
        threads[0].join()
        for connection in open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads[1:]:
            thread.join(10)


def _head(connection: socket.socket) -> str:
    octets = b""
    while b"\r\n\r\n" not in octets and (more := connection.recv(4096)):
        octets += more
    return octets.decode("latin-1")


def says(answer: bytes) -> Talk:
    """A host that says these octets and closes."""
    return lambda connection, _: connection.sendall(answer)


def answers(body: bytes, status: str = "200 OK", *headers: str) -> Talk:
    """A host that answers by HTTP."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return says("\r\n".join(lines).encode() + body)


def redirects(location: str, status: str = "302 Found") -> Talk:
    return answers(b"", status, f"Location: {location}")


Reply = Callable[[dns.message.Message, str], list[bytes]]
"""(query, "udp" or "tcp") -> the packets to send, none for silence."""


@contextlib.contextmanager
def nameserver(reply: Reply) -> Iterator[int]:
    """A name server on 127.0.0.1 that answers by a function, in one thread for each protocol; yields the port."""
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))

    threads = [threading.Thread(target=_by_udp, args=(udp, reply)), threading.Thread(target=_by_tcp, args=(tcp, reply))]
    for thread in threads:
        thread.start()
    try:
        yield port
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"end", ("127.0.0.1", port))
        tcp.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        tcp.close()
        udp.close()


def _by_udp(server: socket.socket, reply: Reply) -> None:
    while (received := server.recvfrom(4096))[0] != b"end":
        for packet in reply(dns.message.from_wire(received[0]), "udp"):
            server.sendto(packet, received[1])


def _by_tcp(server: socket.socket, reply: Reply) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
            wire = stream.read(int.from_bytes(stream.read(2), "big"))
            for packet in reply(dns.message.from_wire(wire), "tcp"):
                connection.sendall(len(packet).to_bytes(2, "big") + packet)
