"""What a challenge type may ask of the network, and what it gets back: HTTP, DNS and TLS, each in one call.

No socket is opened here: the server's `acme_server.validation.network` does that, and tests bring their own. RFC 8555
§8.3, §8.4, RFC 8737 §3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from challenges.values import Error

__all__ = ["Fault", "HttpAnswer", "Network", "TlsAnswer", "TxtAnswer"]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The last answer of a chain of redirects."""

    status: int
    body: bytes
    """At most the number of octets asked for."""
    url: str
    """The URL that gave it."""
    address: str
    """The IP address that was connected to."""


@dataclass(frozen=True, slots=True)
class TxtAnswer:
    """The TXT records of one name; none is an answer, too."""

    name: str
    """The name that was asked for."""
    records: tuple[bytes, ...]
    """One item a record, its strings joined; the first of them where there are very many."""
    final: str
    """The name that holds the records: another one where CNAME records led there."""


@dataclass(frozen=True, slots=True)
class TlsAnswer:
    """What a TLS handshake showed; no certificate was judged."""

    certificate: bytes
    """The server's own certificate, DER."""
    protocol: str | None
    """The application protocol that was agreed on (RFC 7301), None where there was none."""
    version: str
    """The TLS version: `TLSv1.2` or `TLSv1.3`."""
    address: str
    """The IP address that was connected to."""


class Fault(Exception):  # noqa: N818 - the network's fault, not ours
    """A look-up or a connection did not succeed."""

    def __init__(self, error: Error, *, transient: bool) -> None:
        super().__init__(error.detail)
        self.error = error
        self.transient = transient
        """Whether trying again later may help."""


class Network(Protocol):
    """The one guarded way out: whoever asks for a validation chooses where it goes."""

    def http_get(self, host: str, path: str, *, limit: int) -> HttpAnswer:
        """GET `http://host/path` on port 80, following redirects; at most `limit` octets of the body are read.

        `host` is an A-label name or an IP address without brackets. Raises Fault.
        """

    def txt(self, name: str) -> TxtAnswer:
        """The TXT records of an A-label name, CNAME records followed. Raises Fault; no record is none."""

    def tls_alpn(self, host: str, *, server_name: str, protocol: str) -> TlsAnswer:
        """A TLS handshake (1.2 or later) on port 443 of `host`, a name or an IP address, and nothing after it.

        `server_name` is sent as SNI, `protocol` is the only ALPN protocol offered. Raises Fault.
        """
