"""Which certificate an XMPP server shows to other servers for a name: a STARTTLS handshake and no more.

It must never send anything of ours but the name, nor judge the certificate: the caller compares it.
RFC 6120 §4.2, §5.4 (STARTTLS), RFC 6066 §3 (SNI).
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import ParseError, XMLPullParser
from xml.sax.saxutils import quoteattr

from xmpp_client.errors import InstallError, legible
from xmpp_client.names import to_u_label

__all__ = ["served_leaf"]

_STREAM = "{http://etherx.jabber.org/streams}"
_TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
_LIMIT = 64 * 1024


def served_leaf(host: str, port: int, name: str, timeout: float = 10.0) -> bytes:
    """DER of the leaf that the server at host:port serves to servers that ask for the A-label `name`.

    `timeout` in seconds, for the whole handshake. Raises InstallError.
    """
    end = time.monotonic() + timeout
    try:
        with socket.create_connection((host, port), timeout) as plain:
            _negotiate(plain, name, lambda: max(end - time.monotonic(), 0.001))
            plain.settimeout(max(end - time.monotonic(), 0.001))
            with _context().wrap_socket(plain, server_hostname=name) as secure:
                leaf = secure.getpeercert(binary_form=True)
    except (OSError, ParseError) as error:
        raise InstallError(f"no handshake with {host}:{port} for {name}: {legible(error, 200)}") from error
    if leaf is None:
        raise InstallError(f"{host}:{port} shows no certificate for {name}")
    return leaf


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # We look at the certificate, and send nothing after: there is no peer to trust.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _negotiate(plain: socket.socket, name: str, remaining: Callable[[], float]) -> None:
    """Up to and with `<proceed/>`. Raises InstallError, OSError, ParseError."""
    to = quoteattr(to_u_label(name))
    plain.sendall(
        f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' version='1.0' to={to}"
        f" xmlns:stream='http://etherx.jabber.org/streams'>".encode()
    )
    elements = _elements(plain, remaining)
    features = next(elements)
    if features != f"{_STREAM}features {_TLS}starttls":
        raise InstallError(f"the server offers {name} no STARTTLS: {legible(features, 120)}")
    plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    answer = next(elements)
    if answer != f"{_TLS}proceed":
        raise InstallError(f"the server refuses STARTTLS for {name}: {legible(answer, 120)}")


def _elements(plain: socket.socket, remaining: Callable[[], float]) -> Iterator[str]:
    """The tags of the stream's first-level elements; features carry the tag of STARTTLS too, if they have it."""
    parser: Any = XMLPullParser(["start", "end"])  # typed for all its kinds of events at once
    depth, octets = 0, 0
    while octets < _LIMIT:
        plain.settimeout(remaining())
        part = plain.recv(4096)
        if not part:
            break
        octets += len(part)
        parser.feed(part)
        for event, element in parser.read_events():
            depth += 1 if event == "start" else -1
            if event == "end" and depth == 1:
                inner = [child.tag for child in element if child.tag == f"{_TLS}starttls"]
                yield " ".join([element.tag, *inner])
    raise InstallError("the server ended the stream before STARTTLS")
