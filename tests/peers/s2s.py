"""The first steps of a server-to-server stream, as another XMPP server takes them: open, STARTTLS, open again (RFC 6120 §5).

It looks at the certificate that is served and whether the stream stays open; it trusts nothing and proves nothing.
"""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Self
from xml.sax.saxutils import quoteattr

from cryptography import x509

__all__ = ["S2sStream"]

TLS = "urn:ietf:params:xml:ns:xmpp-tls"
DIALBACK = "jabber:server:dialback"
LIMIT = 100_000


class S2sStream:
    """A stream to one XMPP domain, encrypted; a context manager."""

    def __init__(self, port: int, to: str, *, sender: str = "peer.example", timeout: float = 10) -> None:
        """Connect to 127.0.0.1. `to` is the domain as the stream header carries it (U-labels)."""
        self._ends = f"from={quoteattr(sender)} to={quoteattr(to)}"
        self._header = (
            "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
            f" version='1.0' {self._ends}>"
        )
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        try:
            self._send(plain, self._header)
            self._read(plain, "</stream:features>")
            self._send(plain, f"<starttls xmlns='{TLS}'/>")
            self._read(plain, "<proceed")
            self._socket = self._encrypted(plain, to)
        except OSError:
            plain.close()
            raise
        self._send(self._socket, self._header)
        self.features = self._read(self._socket, "</stream:features>")

    @staticmethod
    def _encrypted(plain: socket.socket, to: str) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # what is served is what we came to see
        return context.wrap_socket(plain, server_hostname=to.encode("idna").decode("ascii"))

    @staticmethod
    def _send(connection: socket.socket, text: str) -> None:
        connection.sendall(text.encode())

    @staticmethod
    def _read(connection: socket.socket, end: str) -> str:
        """Everything up to and with `end`. Raises ConnectionError when the stream ends or errs before."""
        text = ""
        while end not in text:
            octets = connection.recv(4096)
            if not octets or "<stream:error" in text or len(text) > LIMIT:
                raise ConnectionError(f"wanted {end}, got {text!r}")
            text += octets.decode("utf-8", errors="replace")
        return text

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate that the server showed."""
        der = self._socket.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)

    def answers(self) -> bool:
        """Whether this very stream is still served: asked to verify a dialback key, a server says valid or invalid."""
        try:
            self._send(self._socket, f"<verify xmlns='{DIALBACK}' {self._ends} id='1'>00</verify>")
            return "invalid" in self._read(self._socket, ">")
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
