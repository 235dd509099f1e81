"""Complete issuances against an ACME server on loopback: newOrder, http-01, finalize, chain (RFC 8555 §7.4), in lanes.

Each lane has an account of its own and one issuance under way; names, keys and CSRs are made before the clock starts.
It never leaves loopback, and what it gets is checked after the clock has stopped.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.account import Account, Request
from bench.http_client import HttpClient, Reply
from bench.process_tree import Usage, usage
from bench.responder import Responder, responder

__all__ = ["Plan", "Result", "run"]

NONCE_TRIES = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
"""Seconds between two looks at something that is still processing: doubled each time."""
GIVE_UP = 20.0
"""Seconds after which something still processing is an error."""
SETTLE = 0.3
"""Seconds of the server's work that still count after the last issuance."""
CHECKED = 25
"""Certificates checked after the clock."""


class LoadError(Exception):
    """An issuance that the server did not complete; str() is a short kind, the same for the same fault."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask of which server."""

    directory: str
    """The directory's URL, https."""
    trust: Path
    """The PEM file that the server's TLS certificate chains to."""
    pid: int
    """The server's process, for its CPU time."""
    http_port: int
    """Where the server fetches http-01 answers."""
    dns_port: int
    """Where the server asks for names."""
    orders: int
    lanes: int
    """Issuances under way at once."""
    names: int = 1
    """Names per order."""
    warm_up: int = 10
    """Issuances before the clock starts."""


@dataclass(frozen=True, slots=True)
class Result:
    """What it came to."""

    issued: int
    seconds: float
    requests: int
    server: Usage
    latencies: list[float]
    """Seconds of each issuance, sorted."""
    errors: dict[str, int] = field(default_factory=dict)
    """How often an issuance failed, by kind."""

    @property
    def cpu_ms(self) -> float:
        """Server CPU milliseconds per issuance."""
        return self.server.cpu / max(1, self.issued) * 1000


class Lane:
    """One account, and one issuance at a time."""

    def __init__(self, http: HttpClient, directory: dict[str, str], responses: Responder) -> None:
        self._http, self._directory, self._responses = http, directory, responses
        self._account = Account()
        self._nonces: list[str] = []
        self.requests = 0

    async def register(self) -> None:
        payload = {"termsOfServiceAgreed": True, "contact": ["mailto:load@example.org"]}
        reply = await self._post(self._directory["newAccount"], payload)
        self._account.kid = reply.headers["location"]

    async def issue(self, request: Request) -> bytes:
        """The chain, PEM. Raises LoadError."""
        identifiers = [{"type": "dns", "value": name} for name in request.names]
        reply = await self._post(self._directory["newOrder"], {"identifiers": identifiers})
        location, order = reply.headers["location"], reply.json()
        for authorization in order["authorizations"]:
            await self._prove(authorization)
        done = (await self._post(order["finalize"], {"csr": request.csr})).json()
        if done["status"] != "valid":
            done = await self._settled(location)
        return (await self._post(done["certificate"])).body

    async def _prove(self, url: str) -> None:
        authorization = (await self._post(url)).json()
        if authorization["status"] == "valid":
            return
        challenge = next(offered for offered in authorization["challenges"] if offered["type"] == "http-01")
        token = challenge["token"]
        self._responses.answers[token] = f"{token}.{self._account.thumbprint}"
        try:
            answered = (await self._post(challenge["url"], {})).json()
            if answered["status"] != "valid":
                await self._settled(url)
        finally:
            del self._responses.answers[token]

    async def _settled(self, url: str) -> Any:
        """The object once it is valid. Raises LoadError."""
        pause, deadline = FIRST_PAUSE, time.monotonic() + GIVE_UP
        while time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            value = (await self._post(url)).json()
            if value["status"] == "valid":
                return value
            if value["status"] == "invalid":
                raise LoadError(f"invalid: {value.get('error') or value.get('challenges')}")
        raise LoadError("still processing")

    async def _post(self, url: str, payload: object = None) -> Reply:
        """A signed POST with a nonce from the last answer (RFC 8555 §6.5). Raises LoadError."""
        for _ in range(NONCE_TRIES):
            nonce = self._nonces.pop() if self._nonces else await self._new_nonce()
            reply = await self._request("POST", url, self._account.sign(url, nonce, payload))
            if reply.status < 400:
                return reply
            if b":badNonce" not in reply.body:
                raise LoadError(f"{reply.status}: {reply.body[:200].decode(errors='replace')}")
        raise LoadError("no nonce is good enough")

    async def _new_nonce(self) -> str:
        await self._request("HEAD", self._directory["newNonce"])
        return self._nonces.pop()

    async def _request(self, method: str, url: str, body: bytes = b"") -> Reply:
        self.requests += 1
        reply = await self._http.request(method, url, body)
        if nonce := reply.headers.get("replay-nonce"):
            self._nonces.append(nonce)
        return reply


class Tally:
    """What the lanes have done since the clock started."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.chains: list[tuple[Request, bytes]] = []

    async def work(self, lane: Lane, todo: Iterator[Request]) -> None:
        """One lane's share of what all lanes have to do."""
        for request in todo:
            begun = time.perf_counter()
            try:
                chain = await lane.issue(request)
            except (LoadError, OSError, asyncio.IncompleteReadError) as error:
                self.errors[f"{type(error).__name__}: {error}"[:200]] += 1
                continue
            self.latencies.append(time.perf_counter() - begun)
            if len(self.chains) < CHECKED:
                self.chains.append((request, chain))

    def faults(self) -> Counter[str]:
        """What is wrong with the certificates that were kept to be checked."""
        return Counter(fault for request, chain in self.chains for fault in request.faults(chain))


async def _work(lanes: Sequence[Lane], requests: Sequence[Request]) -> Tally:
    tally, todo = Tally(), iter(requests)
    await asyncio.gather(*(tally.work(lane, todo) for lane in lanes))
    return tally


def _requests(count: int, names: int) -> list[Request]:
    """Names that no run has used before: neither side has anything about them to reuse."""
    mark = secrets.token_hex(4)
    hosts = [f"n{number}.r{mark}.example.org" for number in range(count)]
    return [Request([host, *(f"c{part}.{host}" for part in range(1, names))]) for host in hosts]


async def _measure(plan: Plan, http: HttpClient, responses: Responder) -> Result:
    directory = (await http.request("GET", plan.directory)).json()
    lanes = [Lane(http, directory, responses) for _ in range(plan.lanes)]
    for lane in lanes:
        await lane.register()
    await _work(lanes, _requests(plan.warm_up, plan.names))
    requests, sent = _requests(plan.orders, plan.names), sum(lane.requests for lane in lanes)
    before, begun = usage(plan.pid), time.perf_counter()
    tally = await _work(lanes, requests)
    seconds = time.perf_counter() - begun
    await asyncio.sleep(SETTLE)
    used = usage(plan.pid) - before
    count = sum(lane.requests for lane in lanes) - sent
    errors = dict(tally.errors + tally.faults())
    return Result(len(tally.latencies), seconds, count, used, sorted(tally.latencies), errors)


async def run(plan: Plan) -> Result:
    """Do what the plan says. Raises LoadError when the server does not even register the lanes' accounts."""
    context = ssl.create_default_context(cafile=str(plan.trust))
    http = HttpClient(context)
    async with responder(plan.http_port, plan.dns_port) as responses:
        try:
            return await _measure(plan, http, responses)
        finally:
            http.close()
