"""One question and its answer: which packets count (RFC 5452 §9, RFC 6891, RFC 7766)."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acme_server.validation import resolver
from acme_server.validation.dns_exchange import (
    MAX_ANSWER,
    MAX_RECORDS,
    LargeAnswerError,
    Question,
    exchange,
    make_question,
)
from acme_server.validation.resolver import DnsResolver
from challenges.base import Fault, TxtAnswer
from tests.validation.servers import nameserver

OWNER = dns.name.from_text("Example.org")
A = dns.rdatatype.A


def right(query: dns.message.Message) -> dns.message.Message:
    made = dns.message.make_response(query)
    made.answer.append(dns.rrset.from_text("example.org.", 60, "IN", "A", "192.0.2.1"))
    return made


def ask(reply, *, wait: float = 2.0) -> list[str]:
    with nameserver(reply) as port:
        answer = exchange(make_question(OWNER, A), "127.0.0.1", port, wait, time.monotonic)
    return [record.address for found in answer.answer for record in found]


def test_the_query_is_what_the_library_would_have_made():
    question = make_question(OWNER, A)
    read = dns.message.from_wire(question.wire)
    made = dns.message.make_query("example.org", "A", use_edns=0, payload=1232, id=question.number)
    assert read == made
    assert (read.id, read.flags, read.edns, read.payload) == (made.id, made.flags, made.edns, made.payload)
    assert question.wire == made.to_wire()


def test_rfc_5452_9_2_numbers_and_ports_are_spread():
    ports, numbers = set(), {make_question(OWNER, A).number for _ in range(200)}
    assert len(numbers) > 150
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        for _ in range(10):
            with pytest.raises(TimeoutError):
                exchange(make_question(OWNER, A), "127.0.0.1", server.getsockname()[1], 0.001, time.monotonic)
            ports.add(server.recvfrom(4096)[1][1])
    assert len(ports) > 1


def changed(number: int = 0, flags: int = 0, **sections):
    def make(query):
        made = right(query)
        made.id ^= number
        made.flags ^= flags
        for name, value in sections.items():
            setattr(made, name, value)
        return made.to_wire()

    return make


OTHER = dns.message.make_query("example.com", "A").question
AAAA = dns.message.make_query("example.org", "AAAA").question
PASSED_OVER = {
    "other number": changed(number=1),
    "a query": changed(flags=dns.flags.QR),
    "other operation": changed(flags=0x2000),
    "other name": changed(question=OTHER),
    "other type": changed(question=AAAA),
    "no question": changed(question=[]),
    "two questions": changed(question=[*dns.message.make_query("example.org", "A").question, *OTHER]),
    "empty": lambda _: b"",
    "short": lambda query: right(query).to_wire()[:11],
    "header": lambda query: right(query).to_wire()[:12],
    "cut short": lambda query: right(query).to_wire()[:-1],
    "octets after it": lambda query: right(query).to_wire() + b"\0",
    "pointer to itself": lambda query: right(query).to_wire().replace(b"\xc0\x0c", b"\xc0\x1d"),
    "many records announced": lambda query: right(query).to_wire()[:6] + b"\xff\xff" + right(query).to_wire()[8:],
}


@pytest.mark.parametrize("packet", PASSED_OVER.values(), ids=PASSED_OVER.keys())
def test_rfc_5452_9_1_what_is_no_answer_to_this_question_is_passed_over(packet):
    assert ask(lambda query, _: [packet(query), right(query).to_wire()]) == ["192.0.2.1"]


@pytest.mark.parametrize("packet", PASSED_OVER.values(), ids=PASSED_OVER.keys())
def test_and_alone_it_is_a_silence(packet):
    with pytest.raises(TimeoutError):
        ask(lambda query, _: [packet(query)], wait=0.1)


def test_rfc_5452_9_1_a_packet_from_another_address_does_not_arrive():
    server, elsewhere = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with server, elsewhere:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        readings = []

        def clock() -> float:
            # Read for the second time between sending and receiving: there the server's turn comes.
            readings.append(time.monotonic())
            if len(readings) == 2:
                wire, asker = server.recvfrom(4096)
                query = dns.message.from_wire(wire)
                forged = dns.message.make_response(query)
                forged.answer.append(dns.rrset.from_text("example.org.", 60, "IN", "A", "192.0.2.66"))
                elsewhere.sendto(forged.to_wire(), asker)
                server.sendto(right(query).to_wire(), asker)
            return readings[-1]

        answer = exchange(make_question(OWNER, A), "127.0.0.1", server.getsockname()[1], 2.0, clock)
    assert answer.answer[0][0].address == "192.0.2.1"


@pytest.mark.parametrize("code", ["FORMERR", "SERVFAIL", "NOTIMP", "REFUSED"])
def test_a_refusal_may_leave_the_question_out(code):
    def reply(query, _):
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.from_text(code))
        made.question = []
        return [made.to_wire()]

    assert ask(reply) == []


def test_rfc_4343_a_question_that_comes_back_in_other_letters_is_the_same():
    def reply(query, _):
        wire = right(query).to_wire()
        return [wire.replace(b"\x07example\x03org", b"\x07eXAmpLE\x03oRg")]

    assert ask(reply) == ["192.0.2.1"]


@pytest.mark.parametrize("packets", [[], [b""], [b"\0" * 5], [b"\xff" * 40]])
def test_rfc_7766_a_broken_answer_by_tcp_is_an_error(packets):
    def reply(query, protocol):
        made = dns.message.make_response(query)
        made.flags |= dns.flags.TC
        return [made.to_wire()] if protocol == "udp" else packets

    with pytest.raises((EOFError, dns.exception.DNSException)):
        ask(reply)


TXT = make_question(OWNER, dns.rdatatype.TXT)


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def message(question: Question, *records: bytes) -> bytes:
    return struct.pack("!6H", question.number, 0x8180, 1, len(records), 0, 0) + question.asked + b"".join(records)


def ask_by_tcp(question: Question, packet: bytes) -> dns.message.Message:
    """What comes of the packet; the query by UDP is told to come again by TCP."""

    def reply(query, protocol):
        return [packet] if protocol == "tcp" else [packet[:2] + b"\x83\x80\0\1\0\0\0\0\0\0" + question.asked]

    with nameserver(reply) as port:
        return exchange(question, "127.0.0.1", port, 5.0, time.monotonic)


LARGE = {
    "octets": message(TXT, *[record(b"\xc0\x0c", 16, b"\xff" + b"x" * 255)] * (MAX_ANSWER // 255)),
    "records": message(TXT, *[record(b"\xc0\x0c", 16, b"\0")] * (MAX_RECORDS + 1)),
    "CNAMEs": message(TXT, *[record(b"\xc0\x0c", 5, b"\x01%c\xc0\x0c" % (97 + at)) for at in range(13)]),
}


@pytest.mark.parametrize(("what", "packet"), LARGE.items(), ids=LARGE.keys())
def test_an_answer_that_would_take_long_to_read_is_not_read(what, packet):
    with pytest.raises(LargeAnswerError, match=f"more than [0-9]+ {what}"):
        ask_by_tcp(TXT, packet)


def test_a_hundred_records_of_a_long_name_are_read():
    question = make_question(dns.name.from_text("_acme-challenge." + "a." * 110 + "example"), dns.rdatatype.TXT)
    texts = [record(b"\xc0\x0c", 16, b"\x2b%043d" % number) for number in range(100)]
    assert len(ask_by_tcp(question, message(question, *texts)).answer[0]) == 100


def test_only_what_was_asked_for_is_taken_apart():
    # HIP (RFC 8005) holds as many names as its sender likes; this one's are pointers to names.
    hip = b"\x01\x01\0\x01aa" + b"\xc0\x0c" * 1000
    answer = ask_by_tcp(TXT, message(TXT, record(b"\xc0\x0c", 55, hip), record(b"\xc0\x0c", 16, b"\1x")))
    read = {found.rdtype: found[0] for found in answer.answer}
    assert read.pop(dns.rdatatype.TXT).strings == (b"x",)
    assert [unread.data for unread in read.values()] == [hip]


POINTERS = len(message(TXT)) + 12
"""Where the data of the first record begins."""
FAR = b"\0" + b"".join(struct.pack("!H", 0xC000 | max(POINTERS, POINTERS + 2 * at - 1)) for at in range(200))
UNREADABLE = {
    "many pointers": [record(b"\xc0\x0c", 65281, FAR), record(struct.pack("!H", 0xC000 | (POINTERS + 399)), 16, b"\0")],
    "a long name": [record(b"\x01a" * 130 + b"\0", 16, b"\0")],
    "a name that ends outside": [record(b"\xff\xff", 16, b"\0")],
    "an unknown kind of label": [record(b"\x41a\0", 16, b"\0")],
    "a CNAME of many pointers": [
        record(b"\xc0\x0c", 65281, FAR),
        record(b"\xc0\x0c", 5, struct.pack("!H", 0xC000 | (POINTERS + 399))),
    ],
    "half a record": [b"\xc0\x0c\0\x10\0\1"],
    "data that ends outside": [record(b"\xc0\x0c", 16, b"\0")[:-1]],
    "a string that ends outside": [record(b"\xc0\x0c", 16, b"\x05a")],
}


@pytest.mark.parametrize("records", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_rfc_1035_4_1_4_what_cannot_be_read_is_one_kind_of_error(records):
    with pytest.raises(dns.exception.FormError):
        ask_by_tcp(TXT, message(TXT, *records))


OWNERS = st.sampled_from([b"\xc0\x0c", b"\0", b"\x01a\xc0\x0c", b"\xc0\xff"])
RECORDS = st.builds(record, OWNERS, st.sampled_from([1, 5, 16, 39, 41, 46, 64, 65281]), st.binary(max_size=30))


@pytest.fixture(scope="module")
def by_tcp():
    """A name server that says what the test puts there."""
    packets = [b""]

    def reply(query, protocol):
        return [packets[0]] if protocol == "tcp" else [TXT.wire[:2] + b"\x83\x80" + message(TXT)[4:]]

    with nameserver(reply) as port:
        yield port, packets


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORDS, max_size=4), rcode=st.integers(0, 15), cut=st.integers(0, 3))
def test_any_records_are_texts_or_a_fault(by_tcp, records, rcode, cut):
    port, packets = by_tcp
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolver, "make_question", lambda *_: TXT)
        packet = bytearray(message(TXT, *records))
        packet[3] |= rcode
        packets[0] = bytes(packet[: len(packet) - cut])
        with contextlib.suppress(Fault):
            found = DnsResolver([("127.0.0.1", port)]).texts("example.org", time.monotonic() + 5)
            assert isinstance(found, TxtAnswer)


def test_a_port_where_nobody_listens_is_told_at_once():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        exchange(make_question(OWNER, A), "127.0.0.1", port, 60.0, time.monotonic)


@pytest.fixture(scope="module")
def echo():
    """A name server that answers with its query's number and question, and what the test puts after them."""
    after = [b""]

    def reply(query, _):
        question = query.question[0].name.to_digestable() + struct.pack("!HH", 1, 1)
        return [struct.pack("!H", query.id) + after[0][:10] + question + after[0][10:]]

    with nameserver(reply) as port:
        yield port, after


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flags=st.sampled_from([b"\x81\x80", b"\x81\x83", b"\x85\x00"]),
    counts=st.binary(min_size=6, max_size=6),
    rest=st.binary(max_size=120),
)
def test_any_octets_after_a_right_question_are_an_answer_or_a_silence(echo, flags, counts, rest):
    port, after = echo
    after[0] = flags + b"\0\x01" + bytes(octet & 3 if at % 2 else 0 for at, octet in enumerate(counts)) + rest
    try:
        answer = exchange(make_question(OWNER, A), "127.0.0.1", port, 0.01, time.monotonic)
    except TimeoutError:
        pass
    else:
        assert isinstance(answer, dns.message.QueryMessage)
