"""Connections to hosts that strangers name: resolve, check each address, connect to that very address, in one deadline.

It never resolves twice for one connection and never goes to an address that was not checked; the socket's peer is
checked once more. RFC 8555 §8.3 and §10.4 (server-side request forgery).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from acme_server.validation.addresses import IpAddress, IpNetwork, is_permitted, parse_address
from acme_server.validation.resolver import Resolver
from challenges.base import Error, Fault

__all__ = ["Channel", "Connector", "Deadline", "TooLargeError", "dial", "make_fault", "reason_of"]

_MAX_ADDRESSES: Final = 4
"""Of one name that are tried: a name with a thousand addresses makes no scanner of the CA."""


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
class Deadline:
    """A point in time for everything together."""

    at: float
    clock: Callable[[], float]

    def left(self) -> float:
        """Seconds, above 0. Raises TimeoutError."""
        seconds = self.at - self.clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class TooLargeError(Exception):
    """The other side sends more than a validation needs."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A connection on which everything together ends with the deadline; somebody else closes it."""

    connection: socket.socket
    deadline: Deadline

    def sendall(self, octets: bytes) -> None:
        """Raises OSError."""
        self.connection.settimeout(self.deadline.left())
        self.connection.sendall(octets)

    def recv_into(self, buffer: memoryview) -> int:
        """How many octets came, 0 at the end. Raises OSError."""
        # The time left is set for each read: a per-read timeout alone lets a slow host hold the worker for ever.
        self.connection.settimeout(self.deadline.left())
        return self.connection.recv_into(buffer)


@dataclass(frozen=True, slots=True)
class Connector:
    """The way to a host, for every protocol; holds no connection."""

    resolver: Resolver
    exempt: Collection[IpNetwork]
    """Networks that may be connected to although they are not public."""
    connect: Callable[[IpAddress, int, float], socket.socket] = dial

    def connected(self, host: str, port: int, deadline: Deadline) -> tuple[IpAddress, socket.socket]:
        """A connection to the first address of the host that takes one; to the host itself where it is one.

        Whoever calls decides whether an address may stand for a host. Raises Fault.
        """
        failures = []
        addresses = self._permitted(host, deadline)
        for position, address in enumerate(addresses):
            try:
                # Each gets its share, so that one that is silent does not take the time of the others.
                share = deadline.left() / (len(addresses) - position)
                return address, _checked(self.connect(address, port, share), address)
            except TimeoutError:
                failures.append(f"{address}: timed out")
            except OSError as error:
                failures.append(f"{address}: {reason_of(error)}")
        problem = f"No connection to {host} on port {port} ({'; '.join(failures)})"
        raise make_fault("connection", problem, transient=True)

    def _permitted(self, host: str, deadline: Deadline) -> list[IpAddress]:
        """The addresses to try: IPv6 and IPv4 in turn, IPv6 first, in DNS's order. Raises Fault."""
        literal = parse_address(host)
        texts = self.resolver.addresses(host, deadline.at) if literal is None else [host]
        found = [parse_address(text) for text in texts]
        permitted = [item for item in dict.fromkeys(found) if item is not None and is_permitted(item, self.exempt)]
        if not permitted and literal is not None:
            raise make_fault("connection", f"{host} is not a public address; the CA does not connect to it")
        if not permitted:
            raise make_fault("dns", f"{host} has only addresses that are not public; the CA does not connect to those")
        of_6 = [item for item in permitted if item.version == 6]  # noqa: PLR2004 - the IP version
        of_4 = [item for item in permitted if item.version == 4]  # noqa: PLR2004
        order = [item for pair in zip_longest(of_6, of_4) for item in pair if item is not None]
        return order[:_MAX_ADDRESSES]


def _checked(connection: socket.socket, address: IpAddress) -> socket.socket:
    """The connection, if it has led where it should. Raises Fault."""
    try:
        peer = parse_address(connection.getpeername()[0])
    except OSError:
        connection.close()
        raise
    if peer != address:
        connection.close()
        raise make_fault("connection", f"The connection to {address} led elsewhere")
    return connection


def reason_of(error: OSError) -> str:
    """The system's words for it, nothing from the other side."""
    return os.strerror(error.errno).lower() if error.errno else "the connection failed"


def make_fault(kind: str, detail: str, *, transient: bool = False) -> Fault:
    """The Fault with an error of this kind."""
    return Fault(Error(kind, detail), transient=transient)
