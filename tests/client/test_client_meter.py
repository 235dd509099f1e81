"""RFC 9112 from the client's side: answers without an end, in every place where one can be put."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.pki import Pki
from xmpp_client.clock import Clock
from xmpp_client.errors import ClientError, ProtocolError, TransportError
from xmpp_client.keys import account_key
from xmpp_client.session import RetryPolicy, Session

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"a: b\r\n"),
    "chunk size": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"1;", b"x"),
}


@contextmanager
def pouring(folder: Path, start: bytes, drop: bytes, *, pause: float) -> Iterator[str]:
    """A CA that answers each request with `start` and then drops for ever; its directory's URL."""
    context = Pki().server_context(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def pour(plain: socket.socket) -> None:
            with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(start)
                while True:
                    tls.sendall(drop)
                    time.sleep(pause)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    pour(listener.accept()[0])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}/directory"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def asked(url: str, folder: Path, clock: Clock) -> ClientError:
    policy = RetryPolicy(total=100.0, tries=1)
    session = Session(url, account_key(folder / "k.pem"), trust=folder / "tls-ca.pem", policy=policy, clock=clock)
    with pytest.raises((TransportError, ProtocolError)) as caught:
        _ = session.directory
    return caught.value


def ticking() -> Clock:
    """One second passes each time somebody looks."""
    seconds = itertools.count()
    return Clock(monotonic=lambda: float(next(seconds)))


@pytest.mark.parametrize(("start", "drop"), [*ENDLESS.values(), (OK, b"a"), (b"", b"H")],
                         ids=[*ENDLESS, "header", "status line"])  # fmt: skip
def test_9112_no_part_of_an_answer_outlasts_the_deadline(tmp_path, start, drop) -> None:
    with pouring(tmp_path, start, drop, pause=0.001) as url:
        assert "took too long" in str(asked(url, tmp_path, ticking()))


@pytest.mark.parametrize(("start", "drop"), ENDLESS.values(), ids=ENDLESS)
def test_9112_no_part_of_an_answer_is_without_a_limit(tmp_path, frozen, start, drop) -> None:
    with pouring(tmp_path, start, drop * 1000, pause=0) as url:
        assert re.search("longer than|got more than", str(asked(url, tmp_path, frozen.clock())))
