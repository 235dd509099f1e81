"""The adapter between the HTTP server (ASGI) and Flask (WSGI).

A thread is taken only when the whole body is there: a client that sends slowly, or never, holds a coroutine and a
buffer within a limit, and stops nobody. Bodies have a limit and one deadline for all of their octets.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["Adapter"]

BODY_LIMIT = 1024 * 1024
"""Octets; each resource has its own limit below that."""
BODY_DEADLINE = 20.0
"""Seconds from the request's head to the last octet of its body."""
THREADS = 16

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Adapter:
    """An ASGI application around a WSGI one. `close` runs when the server stops."""

    def __init__(self, wsgi: Wsgi, close: Callable[[], None]) -> None:
        self._wsgi = wsgi
        self._close = close
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection event, as ASGI 3 has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                await asyncio.get_running_loop().run_in_executor(None, self._stop)
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def _stop(self) -> None:
        self._threads.shutdown(wait=True)
        self._close()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(BODY_DEADLINE):
                body = await _body(receive) if scope["method"] == "POST" else b""
        except TimeoutError:
            await _refuse(send, 408, "the body did not come in time")
            return
        except _Disconnected:
            return
        if body is None:
            await _refuse(send, 413, f"the body is larger than {BODY_LIMIT} octets")
            return
        loop = asyncio.get_running_loop()
        status, headers, content = await loop.run_in_executor(self._threads, self._call, scope, body)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _call(self, scope: Scope, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        start: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            start.append((status, headers))

        chunks = self._wsgi(_environ(scope, body), start_response)
        try:
            content = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, headers = start[-1]
        # latin-1 is what PEP 3333's strings are made of.
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return int(status[:3]), encoded, content


class _Disconnected(Exception):  # noqa: N818 - what has happened
    """The client went away before its body was there."""


async def _body(receive: Receive) -> bytes | None:
    """The body, or None when it is over the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = f'{{"type":"urn:ietf:params:acme:error:malformed","detail":"{detail}","status":{status}}}'.encode()
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """PEP 3333. The Host header is left out on purpose: nothing may depend on it."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": "xmpp-ica",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope["method"] == "POST":
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value.decode("latin-1")
        elif key not in {"CONTENT_LENGTH", "HOST", "TRANSFER_ENCODING"}:
            environ[f"HTTP_{key}"] = value.decode("latin-1")
    return environ
