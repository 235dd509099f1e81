"""The applicants' side on loopback: web servers for http-01, and the mail server that challenge mail goes to."""

from __future__ import annotations

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller

from tests.peers.process import free_port


class Hosts:
    """The applicants' web servers, all on one port: http-01 answers, or silence."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        """Token -> key authorization."""
        self.silent: set[str] = set()
        """Hosts that take a request and never answer."""
        self.asked: list[str] = []
        """The hosts of all requests that came."""
        self._end = threading.Event()
        hosts = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = (self.headers["Host"] or "").partition(":")[0]
                hosts.asked.append(name)
                while name in hosts.silent and not hosts._end.wait(0.05):
                    pass
                content = hosts.answers.get(self.path.rpartition("/")[2], "").encode()
                with contextlib.suppress(OSError):
                    self.send_response(200 if content else 404)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()


class _OwnPort(Controller):
    """A Controller on a socket that is there already."""

    def __init__(self, handler: object, listener: socket.socket) -> None:
        self._listener = listener
        super().__init__(handler, hostname="127.0.0.1", port=listener.getsockname()[1])

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._listener)


class MailServer:
    """The smarthost; keeps what it gets, and can be away."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.port = free_port()
        self._controller: Controller | None = None

    def up(self) -> None:
        self._controller = _OwnPort(self, socket.create_server(("127.0.0.1", self.port)))
        self._controller.start()

    def down(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def count(self, name: str) -> int:
        """How many mails came for this domain."""
        return sum(f"To: postmaster@{name}\r\n" in mail for mail in self.mails)

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.mails.append(envelope.content.decode())
        return "250 taken"
