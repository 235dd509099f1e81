"""The CA's one way out to hosts that strangers name: HTTP, TXT records and TLS handshakes, each in one total deadline.

It never goes to an address, port or scheme that was not checked, and never takes longer than its deadline, however
slowly the other side talks. RFC 8555 §8.3, §8.4 and §10.4 (server-side request forgery), RFC 8737, RFC 8738.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping

from acme_server.validation.addresses import IpAddress, IpNetwork
from acme_server.validation.connections import (
    Channel,
    Connector,
    Deadline,
    TooLargeError,
    dial,
    make_fault,
    reason_of,
)
from acme_server.validation.http_fetch import MAX_REDIRECTS, HttpFetch
from acme_server.validation.resolver import Resolver
from acme_server.validation.tls_channel import TlsChannel, unchecked
from challenges.base import HttpAnswer, TlsAnswer, TxtAnswer
from challenges.text import printable

__all__ = ["MAX_REDIRECTS", "PORTS", "GuardedNetwork", "dial"]

PORTS: Mapping[str, int] = {"http": 80, "https": 443, "tls-alpn": 443}
"""The ports of RFC 8555 §8.3 and RFC 8737 §3."""


class GuardedNetwork:
    """`challenges.base.Network` for workers; holds no connection, so threads may share one."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        exempt: Collection[IpNetwork] = frozenset(),
        ports: Mapping[str, int] | None = None,
        deadline: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        connect: Callable[[IpAddress, int, float], socket.socket] = dial,
    ) -> None:
        """`deadline`: seconds for one call, look-ups and redirects included.

        `ports`: the numbers that a lab has instead of those in PORTS. `exempt`: networks that may be connected to
        although they are not public.
        """
        self._resolver = resolver
        self._connector = Connector(resolver, exempt, connect)
        self._ports = {**PORTS, **(ports or {})}
        self._seconds = deadline
        self._clock = clock
        schemes = {scheme: self._ports[scheme] for scheme in ("http", "https")}
        self._http = HttpFetch(self._connector, schemes, deadline, unchecked())

    def http_get(self, host: str, path: str, *, limit: int) -> HttpAnswer:
        """See `challenges.base.Network.http_get`."""
        return self._http.fetch(host, path, limit, self._deadline())

    def txt(self, name: str) -> TxtAnswer:
        """See `challenges.base.Network.txt`."""
        return self._resolver.texts(name, self._deadline().at)

    def tls_alpn(self, host: str, *, server_name: str, protocol: str) -> TlsAnswer:
        """See `challenges.base.Network.tls_alpn`."""
        deadline = self._deadline()
        port = self._ports["tls-alpn"]
        address, connection = self._connector.connected(host, port, deadline)
        where = f"{host} at {address}, port {port},"
        context = unchecked()
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8737 §4
        context.set_alpn_protocols([protocol])
        try:
            with connection:
                tls = TlsChannel(Channel(connection, deadline), context, server_name).tls
                return TlsAnswer(
                    certificate=tls.getpeercert(binary_form=True) or b"",
                    protocol=tls.selected_alpn_protocol(),
                    version=tls.version() or "",
                    address=str(address),
                )
        except TooLargeError as error:
            raise make_fault("tls", f"{where} sends more than a TLS handshake takes") from error
        except UnicodeDecodeError as error:
            # COMPAT: OpenSSL before 3.0.15 lets the server choose a protocol that was not offered
            raise make_fault("tls", f"{where} agreed on a protocol that is no text") from error
        except TimeoutError as error:
            problem = (
                f"{where} was connected to but did no TLS handshake within the {self._seconds:g} seconds there are"
            )
            raise make_fault("connection", problem, transient=True) from error
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            problem = f"{where} closed the connection during the TLS handshake for {protocol}"
            raise make_fault("connection", problem, transient=True) from error
        except ssl.SSLError as error:
            problem = f"{where} refused TLS for {protocol}: {printable(error.reason or '', 60)}; is it set up for that?"
            raise make_fault("tls", problem) from error
        except OSError as error:
            raise make_fault("connection", f"{where} {reason_of(error)}", transient=True) from error

    def _deadline(self) -> Deadline:
        return Deadline(self._clock() + self._seconds, self._clock)
