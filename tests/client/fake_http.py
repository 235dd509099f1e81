"""The HTTP side of the fake CA: a handler that asks one object for every answer."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Answering(Protocol):
    def answer(self, method: str, path: str, body: bytes) -> Answer: ...

    def nonce(self) -> str: ...


def handler_for(ca: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        wbufsize = -1
        disable_nagle_algorithm = True

        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            answer = ca.answer(self.command, self.path, self.rfile.read(length))
            self.send_response(answer.status)
            for name, value in {"Replay-Nonce": ca.nonce(), **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # a client that has read enough goes away
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = respond  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
