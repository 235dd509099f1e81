"""One HTTP answer out of a stream of octets (RFC 9112), without a socket."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acme_server.validation.http_answer import Head, NoHttpError, read_body, read_head

OK = b"HTTP/1.1 200 OK\r\n"
MOVED = b"HTTP/1.1 302 Found\r\n"


def read(octets: bytes, limit: int = 1024) -> tuple[Head, bytes]:
    stream = io.BufferedReader(io.BytesIO(octets), 64)
    head = read_head(stream)
    return head, read_body(stream, head, limit)


@pytest.mark.parametrize(
    ("octets", "location"),
    [
        (b"Location: /x\r\n\r\n", "/x"),
        (b"LOCATION:/x\t \r\n\r\n", "/x"),
        (b"Location: /x\n\n", "/x"),
        (b"Location:\r\n\r\n", ""),
        (b"Location: /x\r\nLocation: /y\r\n\r\n", "/x, /y"),
        (b"Location:\r\n /x\r\n\r\n", "/x"),
        (b"X: y\r\n Location: /x\r\n\r\n", None),
        (b"X-Location: /x\r\n\r\n", None),
        (b"Location: /\xe9\r\n\r\n", "/\u00e9"),
        (b"\r\nLocation: /x\r\n\r\n", None),
    ],
)
def test_rfc_9112_5_where_it_leads_to_is_read_as_it_stands(octets, location):
    assert read(MOVED + octets)[0].location == location


NO_HTTP = {
    "a line that is no header": OK + b"body\r\n\r\n",
    "a header without a name": OK + b": x\r\n\r\n",
    "a blank before the colon": OK + b"Location : /x\r\n\r\n",
    "a folded line that goes on with nothing": OK + b" x: y\r\n\r\n",
    "a line inside a line": MOVED + b"X: y\rLocation: /x\r\n\r\n",
    "NUL in a name": OK + b"A\0: x\r\n\r\n",
    "a hundred headers and one": OK + b"X: y\r\n" * 101 + b"\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "status of four figures": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status with a sign": b"HTTP/1.1 +200 OK\r\n\r\n",
    "negative length": OK + b"Content-Length: -1\r\n\r\nbody",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nbody",
    "long length": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nbody",
    "other coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk of figures and _": OK + b"Transfer-Encoding: chunked\r\n\r\n1_0\r\nx\r\n",
    "chunk without its end": OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
}


@pytest.mark.parametrize("octets", NO_HTTP.values(), ids=NO_HTTP.keys())
def test_rfc_9112_what_two_readers_could_read_in_two_ways_is_no_answer(octets):
    with pytest.raises(NoHttpError):
        read(octets)


@pytest.mark.parametrize(
    "octets", [b"", b"HTT", b"HTTP/1.1 20", OK[:-1], OK, OK + b"X: y", OK + b"X: y\r\n", OK + b"X: y\r\n\r"]
)
def test_rfc_9112_8_an_answer_that_ends_in_its_head_is_not_whole(octets):
    with pytest.raises(EOFError):
        read(octets)


def test_rfc_9112_6_3_chunks_count_whatever_the_length_says():
    head = b"Content-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n"
    assert read(OK + head + b"4\r\nbody\r\n0\r\n\r\n")[1] == b"body"


def test_rfc_9110_15_2_interim_answers_are_passed_over_with_their_headers():
    head, body = read(b"HTTP/1.1 103 Early Hints\r\nLocation: /x\r\n\r\n" + OK + b"\r\nbody")
    assert (head.status, head.location, body) == (200, None, b"body")


PIECES = st.sampled_from(
    [
        OK,
        MOVED,
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"Location: ",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Type: multipart/mixed; boundary*=a; boundary*0=b\r\n",
        b"5;x=y\r\n",
        b"\r\n",
        b"\n",
        b" ",
        b"0",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join), st.sampled_from([b"", OK, MOVED]))
def test_any_octets_are_an_answer_no_http_or_too_few(octets, first):
    with contextlib.suppress(NoHttpError, EOFError):
        head, body = read(first + octets, limit=64)
        assert 200 <= head.status <= 999
        assert len(body) <= 64
