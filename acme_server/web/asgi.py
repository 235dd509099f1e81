"""The adapter between the HTTP server (ASGI) and Flask (WSGI).

A thread is taken only when the whole body is there: a client that sends slowly, or never, holds a coroutine and a
buffer within a limit, and stops nobody. Bodies have a limit and one deadline for all of their octets. A request for
another host than ours is refused before anything of it is read, and every answer may be read by any web page (CORS,
RFC 8555 §6.1): there are no cookies here, and nothing that a page could use in its visitor's name.
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from acme_server.errors import URN, Misdirected, ServiceUnavailable

__all__ = ["Adapter", "client_address", "hosts_of"]

BODY_LIMIT = 1024 * 1024
"""Octets; each resource has its own limit below that."""
BODY_DEADLINE = 20.0
"""Seconds from the request's head to the last octet of its body."""
THREADS = 16
OCTETS_LIMIT = 64 * 1024 * 1024
"""Octets of all bodies that a process holds at a time; beyond, only bodies of the usual size are taken."""
USUAL = 16 * 1024
"""Octets of a body as ACME clients send it."""

_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Link, Location, Replay-Nonce, Retry-After"),
)
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}

Network = IPv4Network | IPv6Network
Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]


def hosts_of(*urls: str) -> frozenset[bytes]:
    """What the Host header of a request for one of these URLs can be, in lower case (RFC 9110 §7.2, §4.2.3)."""
    hosts = set()
    for url in urls:
        parts = urlsplit(url)
        host, default = parts.netloc.lower(), _DEFAULT_PORTS[parts.scheme]
        hosts.add(host)
        if parts.port is None:
            hosts.add(f"{host}:{default}")
        elif parts.port == default:
            hosts.add(host.rpartition(":")[0])
    return frozenset(host.encode("ascii") for host in hosts)


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Who has sent the request: the last address before our own proxies, and the peer's where there are none.

    `forwarded`: X-Forwarded-For, to which each proxy has added whom it got the request from. What stands to the left of
    an address that is no proxy's, or of something that is no address, is the client's own invention.
    """
    address = peer
    for entry in reversed(forwarded.split(",")):
        if not _within(address, proxies):
            break
        parsed = _address(entry.strip())
        if parsed is None:
            break
        address = str(parsed)
    return address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: with its port perhaps, in brackets perhaps; IPv4 inside IPv6 is IPv4."""
    match = _HOST_PORT.fullmatch(text)
    try:
        address = ip_address(match[1] or match[2] if match else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: str, networks: Sequence[Network]) -> bool:
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in networks)


class Adapter:
    """An ASGI application around a WSGI one. `close` runs when the server stops.

    `hosts`: what is in Host of a request that is meant for us; `proxies`: those whose X-Forwarded-For is believed.
    """

    def __init__(
        self, wsgi: Wsgi, close: Callable[[], None], *, hosts: frozenset[bytes], proxies: Sequence[Network] = ()
    ) -> None:
        self._wsgi = wsgi
        self._close = close
        self._hosts = hosts
        self._proxies = proxies
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="web")
        self._octets = 0  # changed by the event loop alone

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
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1 or not named[0]:
            # RFC 9112 §3.2. Where there is none, the HTTP server puts an empty one.
            await _refuse(send, 400, "a request has one Host header")
            return
        if named[0].lower() not in self._hosts:
            await _refuse(
                send, Misdirected.status, "this server answers for other hosts; take the URLs of its directory"
            )
            return
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_DEADLINE):
                if scope["method"] == "POST":
                    await self._read(receive, body)
            call = asyncio.get_running_loop().run_in_executor(self._threads, self._call, scope, bytes(body))
            status, headers, content = await call
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": content})
        except TimeoutError:
            await _refuse(send, 408, "the body did not come in time")
        except _Overloaded:
            await _refuse(send, 503, "the server is overloaded; come back", (b"retry-after", b"5"))
        except _TooLarge:
            await _refuse(send, 413, f"the body is larger than {BODY_LIMIT} octets")
        except _Disconnected:
            # Whoever has only broken the framing of the body still listens, and would be told 500 by the HTTP server.
            await _refuse(send, 400, "the body broke off")
        finally:
            self._octets -= len(body)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        """The whole body; its octets count against all requests' limit while it is held."""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Disconnected
            chunk = message.get("body", b"")
            if len(body) + len(chunk) > BODY_LIMIT:
                raise _TooLarge
            if len(body) + len(chunk) > USUAL and self._octets > OCTETS_LIMIT:
                raise _Overloaded
            body += chunk
            self._octets += len(chunk)
            more = message.get("more_body", False)

    def _call(self, scope: Scope, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        start: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            start.append((status, headers))

        chunks = self._wsgi(_environ(scope, body, self._proxies), start_response)
        try:
            content = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, headers = start[-1]
        # latin-1 is what PEP 3333's strings are made of.
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        encoded += _CORS
        return int(status[:3]), encoded, content


class _Disconnected(Exception):  # noqa: N818 - what has happened
    """The client went away before its body was there."""


class _Overloaded(Exception):  # noqa: N818 - the same
    """Too many large bodies are held already."""


class _TooLarge(Exception):  # noqa: N818 - the same
    """The body is over the limit."""


async def _refuse(send: Send, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    kind = "serverInternal" if status == ServiceUnavailable.status else "malformed"
    body = f'{{"type":"{URN}{kind}","detail":"{detail}","status":{status}}}'.encode()
    fixed = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *_CORS, *headers]})
    await send({"type": "http.response.body", "body": body})


def _environ(scope: Scope, body: bytes, proxies: Sequence[Network]) -> dict[str, Any]:
    """PEP 3333. The Host header is left out on purpose: nothing may depend on it."""
    address = (scope.get("client") or ("",))[0]
    if proxies:
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        address = client_address(address, ",".join(values), proxies)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": "xmpp-ica",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": address,
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
