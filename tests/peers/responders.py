"""The web server and the TLS server that an administrator has anyway, for clients that only put files into a folder.

Both listen on 127.0.0.1 alone and serve what lies in the folder at the moment it is asked for. They are no part of what
is tested. RFC 8555 §8.3, RFC 8737 §3.
"""

from __future__ import annotations

import contextlib
import functools
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["tls_alpn_server", "web_server"]


class _Files(SimpleHTTPRequestHandler):
    timeout = 5

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def web_server(folder: Path, port: int) -> Iterator[None]:
    """Serve the folder by plain HTTP."""
    with _serving(ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Files, directory=str(folder)))):
        yield


class _Handshake(socketserver.BaseRequestHandler):
    server: _TlsServer

    def handle(self) -> None:
        """A handshake with the files of the name that is asked for, and nothing after it."""
        self.request.settimeout(5)
        with contextlib.suppress(OSError), _context(self.server.choose).wrap_socket(self.request, server_side=True):
            pass


Choose = Callable[[ssl.SSLObject, str, ssl.SSLContext], int | None]


def _context(choose: Choose | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["acme-tls/1"])
    context.sni_callback = choose
    return context


class _TlsServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        super().__init__(("127.0.0.1", port), _Handshake)

    def choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        """Take `NAME.crt.pem` and `NAME.key.pem`; a name without them is an alert (RFC 6066 §3)."""
        certificate, key = (self._folder / f"{name}.{kind}.pem" for kind in ("crt", "key"))
        if name is None or "/" in name or not certificate.is_file():
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        context = _context()
        context.load_cert_chain(certificate, key)
        connection.context = context
        return None


@contextlib.contextmanager
def tls_alpn_server(folder: Path, port: int) -> Iterator[None]:
    """Answer `acme-tls/1` with the certificates in the folder: `NAME.crt.pem` and `NAME.key.pem`."""
    with _serving(_TlsServer(folder, port)):
        yield
