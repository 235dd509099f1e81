"""A small ACME client that tells exactly what a server has acknowledged, and goes on from there after any interruption.

It accepts no answer that a server must never give: every reply is judged as it comes (no 5xx but 503 with Retry-After,
every refusal a problem document). RFC 8555 §6, §7.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.account import Account

GONE = (OSError, http.client.HTTPException)
"""What is raised when the server goes away in the middle of a request."""
PATIENCE = 45.0
"""Seconds in which everything that was begun must have come to an end."""
JOSE = "application/jose+json"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The last part of a problem's type."""
        return str(self.json()["type"]).rpartition(":")[2]

    def judged(self) -> Reply:
        """Itself, if a server may answer so."""
        if self.status == 503:
            assert int(self.headers["Retry-After"]) > 0
        assert self.status < 500 or self.status == 503, (self.status, self.body)
        if self.status >= 400:
            assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.headers.items())
            assert self.json()["detail"]
        return self

    def good(self) -> Reply:
        assert self.status < 300, (self.status, self.body)
        return self


def secure(port: int, trust: Path, timeout: float = 30.0) -> ssl.SSLSocket:
    """A TLS connection to `localhost` at that port of 127.0.0.1."""
    context = ssl.create_default_context(cafile=str(trust))
    plain = socket.create_connection(("127.0.0.1", port), timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body of a request go out one after the other
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


class Server:
    """The HTTP side: a kept connection to one server, whatever the port its URLs name."""

    def __init__(self, url: str, trust: Path, port: int | None = None) -> None:
        self.url = url
        self._trust = trust
        self._port = port or urlsplit(url).port or 443
        self._connection: http.client.HTTPConnection | None = None

    def request(self, method: str, url: str, body: bytes | None = None, kind: str | None = JOSE) -> Reply:
        """One exchange. Raises one of GONE."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("localhost", self._port)
            self._connection.sock = secure(self._port, self._trust)
            self._connection.auto_open = 0
        try:
            # As its URLs have it, whichever server of the CA this is.
            headers = {"Host": urlsplit(self.url).netloc}
            if body is not None and kind is not None:
                headers["Content-Type"] = kind
            self._connection.request(method, urlsplit(url).path, body, headers)
            answer = self._connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except GONE:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return reply.judged()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class AcmeClient:
    """One account's signed requests."""

    def __init__(self, server: Server, account: Account | None = None) -> None:
        self.server = server
        self.account = account or Account()
        self.taken: list[tuple[str, bytes]] = []
        """(URL, body) of every request whose nonce the server has spent: no server may take one again."""
        self._nonces: list[str] = []
        self._directory: dict[str, Any] = {}

    def url(self, resource: str) -> str:
        if not self._directory:
            self._directory = self.server.request("GET", self.server.url + "/directory").good().json()
        return str(self._directory[resource])

    def signed(self, url: str, payload: object) -> bytes:
        if not self._nonces:
            self._nonces.append(self.server.request("HEAD", self.url("newNonce")).good().headers["Replay-Nonce"])
        return self.account.sign(url, self._nonces.pop(), payload)

    def send(self, url: str, body: bytes) -> Reply:
        """A POST as it is; a nonce in the reply is kept."""
        reply = self.server.request("POST", url, body)
        if nonce := reply.headers["Replay-Nonce"]:
            self._nonces.append(nonce)
        return reply

    def post(self, url: str, payload: object = None) -> Reply:
        """A signed POST, again with another nonce where the server asks for that (RFC 8555 §6.5)."""
        for _ in range(5):
            body = self.signed(url, payload)
            reply = self.send(url, body)
            if reply.status == 503:
                return reply
            if reply.status < 400 or reply.kind != "badNonce":
                self.taken.append((url, body))
                return reply
            self._nonces.clear()
        raise AssertionError("five fresh nonces were refused")

    def read(self, url: str) -> Any:
        return self.post(url).good().json()


def wait(condition: Callable[[], bool], what: str, seconds: float = PATIENCE, pause: float = 0.05) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(pause)
