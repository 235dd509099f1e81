"""The edge over real sockets: which Host is answered, what web pages are told, and whose word on addresses counts."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator

import pytest

from bench.account import Account
from tests.faults.client import secure
from tests.peers.xmpp_ica import XmppIca, xmpp_ica


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XmppIca]:
    limits = {"proxies": ["127.0.0.0/8"], "new_accounts_per_address": "1/1h"}
    with xmpp_ica(tmp_path_factory.mktemp("edge") / "ca", limits=limits) as running:
        yield running


def exchange(server, method, path, *headers, host=None, body=b"", version=b"1.1"):
    """Status, headers and body of an answer; `host`: the lines of the Host header."""
    port = int(server.url.rpartition(":")[2])
    lines = [f"{method} {path} HTTP/".encode() + version, *([b"Host: localhost:%d" % port] if host is None else host)]
    lines += [*headers, b"Connection: close", b"Content-Length: %d" % len(body), b"", body]
    said = b""
    with contextlib.closing(secure(port, server.trust, 10)) as connection:
        connection.sendall(b"\r\n".join(lines))
        with contextlib.suppress(ConnectionError):  # a refusal does not wait for the rest
            while more := connection.recv(65536):
                said += more
    head, _, content = said.partition(b"\r\n\r\n")
    status, *told = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in told}, content


def test_our_own_host_is_answered_in_any_case(server):
    port = server.url.rpartition(":")[2].encode()
    for host in (b"localhost", b"LOCALHOST", b"LocalHost"):
        status, _, content = exchange(server, "GET", "/directory", host=[b"Host: " + host + b":" + port])
        assert status == 200
        assert json.loads(content)["newNonce"] == f"{server.url}/acme/new-nonce"


@pytest.mark.parametrize("host", [b"evil.example", b"localhost", b"localhost:1", b"127.0.0.1"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_host_is_421(server, method, host):
    status, headers, content = exchange(server, method, "/directory", host=[b"Host: " + host])
    assert (status, headers["content-type"]) == (421, "application/problem+json")
    assert json.loads(content)["type"] == "urn:ietf:params:acme:error:malformed"


@pytest.mark.parametrize("hosts", [[], [b"Host:"], [b"Host: localhost", b"Host: localhost"]])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_no_host_and_two_are_400(server, hosts, version):
    status, _, content = exchange(server, "GET", "/directory", host=hosts, version=version)
    assert (status, json.loads(content)["status"]) == (400, 400)


def test_a_target_in_absolute_form_for_another_host_is_refused_where_there_is_no_host(server):
    assert exchange(server, "GET", "https://evil.example/directory", host=[])[0] == 421


def test_a_page_may_ask_and_read(server):
    origin = b"Origin: https://page.example"
    status, headers, content = exchange(
        server, "OPTIONS", "/acme/new-order", origin, b"Access-Control-Request-Method: POST"
    )
    assert (status, content, headers["access-control-allow-methods"]) == (204, b"", "POST")
    for path in ("/directory", "/acme/new-nonce", "/acme/new-order", "/nothing"):
        assert exchange(server, "GET", path, origin)[1]["access-control-allow-origin"] == "*"


def new_account(server, forwarded):
    account, url = Account(), f"{server.url}/acme/new-account"
    nonce = exchange(server, "HEAD", "/acme/new-nonce")[1]["replay-nonce"]
    kind = b"Content-Type: application/jose+json"
    header = b"X-Forwarded-For: " + forwarded
    return exchange(server, "POST", "/acme/new-account", kind, header, body=account.sign(url, nonce, {}))


def test_behind_a_proxy_each_client_is_counted_for_itself(server):
    assert new_account(server, b"192.0.2.1")[0] == 201
    assert new_account(server, b"2001:db8::1")[0] == 201
    # What the client itself has put in front is not believed.
    status, headers, content = new_account(server, b"198.51.100.1, 192.0.2.1")
    assert (status, json.loads(content)["type"]) == (429, "urn:ietf:params:acme:error:rateLimited")
    assert 0 < int(headers["retry-after"]) <= 3600
    with contextlib.closing(sqlite3.connect(server.database)) as connection:
        found = connection.execute("SELECT subject FROM limits ORDER BY subject").fetchall()
    assert found == [("192.0.2.1",), ("2001:db8::/48",)]
