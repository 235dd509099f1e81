"""A client's side of TLS whose every octet is read in the deadline and counted.

OpenSSL with a socket of its own reads for as long as messages come that lead nowhere (HelloRequest, KeyUpdate,
NewSessionTicket) and looks at no clock meanwhile; here it gets no more than was read for it. No certificate is checked.
RFC 5246, RFC 8446.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import Final, TypeVar

from acme_server.validation.connections import Channel, TooLargeError

__all__ = ["TlsChannel", "unchecked"]

_LIMIT: Final = 64 * 1024
"""Octets that may come for the handshake, and as many after it: tickets, and records around what is wanted."""
_PIECE: Final = 16 * 1024

_T = TypeVar("_T")


def unchecked() -> ssl.SSLContext:
    """A client's side of TLS that checks no certificate.

    For https the way began over plain http, so a checked one would prove nothing more, and the one in place may be the
    very one that is to be replaced; for tls-alpn-01 it is judged by its contents.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= ssl.OP_NO_RENEGOTIATION  # one handshake is all that a stranger may ask of us
    return context


class TlsChannel:
    """TLS over a channel that somebody else closes."""

    def __init__(self, channel: Channel, context: ssl.SSLContext, server_name: str) -> None:
        """Shake hands; `server_name` is sent as SNI. Raises OSError (ssl.SSLError among it), TooLargeError."""
        self._channel = channel
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._allowance = _LIMIT
        self._run(self.tls.do_handshake)
        self._allowance = _LIMIT

    def sendall(self, octets: bytes) -> None:
        """Send all of it. Raises as the handshake does."""
        self._run(lambda: self.tls.write(octets))

    def recv_into(self, buffer: memoryview) -> int:
        """How many octets came, 0 at the end. Raises as the handshake does."""
        try:
            return self._run(lambda: self.tls.read(len(buffer), buffer))  # type: ignore[return-value]  # a number, with a buffer
        except ssl.SSLEOFError:
            return 0  # many close without an alert; that the answer is whole is not TLS's to say here

    def _run(self, step: Callable[[], _T]) -> _T:
        """What the step returns, once it has all the octets it asks for."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._send()
                self._receive()
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # what went wrong before counts
                    self._send()  # the alert
                raise
            else:
                self._send()
                return result

    def _send(self) -> None:
        if octets := self._outgoing.read():
            self._channel.sendall(octets)

    def _receive(self) -> None:
        if self._allowance <= 0:
            raise TooLargeError
        piece = bytearray(min(_PIECE, self._allowance))
        count = self._channel.recv_into(memoryview(piece))
        self._allowance -= count
        if count:
            self._incoming.write(piece[:count])
        else:
            self._incoming.write_eof()
