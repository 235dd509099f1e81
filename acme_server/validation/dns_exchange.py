"""One question put to one resolver: by TCP, or by UDP to one on the same host if the answer fits.

Each question has its own socket and its own random number; a packet from elsewhere, with another number or another
question is passed over while the right one may still come, and none is taken apart that would take long. RFC 1035
§4.1, RFC 5452 §9, RFC 6891, RFC 7766.
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

__all__ = ["MAX_ANSWER", "MAX_RECORDS", "LargeAnswerError", "Question", "exchange", "is_near", "make_question"]

MAX_ANSWER = 6 * 1024
"""Octets of an answer: a hundred TXT records of 43 characters."""
MAX_RECORDS = 120
"""Of an answer, in all its sections."""
_MAX_CNAMES = 12
"""Of an answer: one more than are followed, and one to spare."""
_OCTETS = f"more than {MAX_ANSWER} octets"

_PAYLOAD = 1232
"""Octets of an answer by UDP that no network on the way splits."""
_MAX_NAME = 255
_MAX_POINTERS = 32
"""Of one name; an answer that was written by a resolver needs as many as its chain of CNAMEs is long."""
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHBxxxH")
"""Type, class, the first octet of the TTL, length."""
_MIN_RECORD = 11
_OPAQUE = b"\xff\x00"
"""A type for private use, of which the library knows no structure."""
_RECURSE = 0x0100
_RESPONSE, _OPCODE, _RCODE = 0x8000, 0x7800, 0x000F
_TRUNCATED = 0x02
"""In the third octet."""
_WITHOUT_QUESTION = (dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED)
"""Refusals that may leave the question out."""


class LargeAnswerError(Exception):
    """The answer is larger than any that a validation can need: reading it would hold up all others.

    str() says what it has too much of.
    """


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its number."""

    owner: dns.name.Name
    kind: dns.rdatatype.RdataType
    number: int
    asked: bytes
    """The question section, in lower case."""
    wire: bytes
    """The whole query."""


def make_question(owner: dns.name.Name, kind: dns.rdatatype.RdataType) -> Question:
    """A query for records of class IN, with EDNS, and a number that nobody can guess."""
    number = secrets.randbits(16)
    asked = owner.to_digestable() + struct.pack("!HH", kind, 1)
    # Built here, because the library takes longer for it than for all else but the answer.
    wire = _HEADER.pack(number, _RECURSE, 1, 0, 0, 1) + asked + struct.pack("!BHHIH", 0, 41, _PAYLOAD, 0, 0)
    return Question(owner, kind, number, asked, wire)


def exchange(
    question: Question, address: str, port: int, wait: float, clock: Callable[[], float]
) -> dns.message.Message:
    """The answer that came within `wait` seconds of the clock.

    It has the answer section alone. Raises TimeoutError, OSError, EOFError, LargeAnswerError,
    dns.exception.DNSException.
    """
    end = clock() + wait
    answer = _by_udp(question, address, port, end, clock) if is_near(address) else None
    return _by_tcp(question, address, port, end, clock) if answer is None else answer


def is_near(address: str) -> bool:
    """Whether nobody else can send packets in the resolver's name; to all others TCP is spoken (RFC 8555 §11.2)."""
    return ip_address(address).is_loopback


def _by_udp(
    question: Question, address: str, port: int, end: float, clock: Callable[[], float]
) -> dns.message.Message | None:
    """The answer, None for one that was cut short."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        connection.connect((address, port))  # from here on the system drops what others send
        connection.send(question.wire)
        while (left := end - clock()) > 0:
            connection.settimeout(left)
            packet = connection.recv(65535)
            if not _fits(packet, question):
                continue
            if packet[2] & _TRUNCATED:
                return None
            try:
                return _read(packet, question)
            except dns.exception.DNSException:
                continue  # no reason to stop waiting for one that can be read
    raise TimeoutError


def _fits(packet: bytes, question: Question) -> bool:
    """Whether it is an answer to this very question, by its first octets (RFC 5452 §9.1)."""
    if len(packet) < _HEADER.size:
        return False
    number, flags, questions, *_ = _HEADER.unpack_from(packet)
    if number != question.number or not flags & _RESPONSE or flags & _OPCODE:
        return False
    if questions == 0:
        return flags & _RCODE in _WITHOUT_QUESTION
    end = _HEADER.size + len(question.asked)
    # Lower case for a resolver that plays with the letters (RFC 4343); no length of a label is a letter.
    return questions == 1 and packet[_HEADER.size : end].lower() == question.asked


def _by_tcp(question: Question, address: str, port: int, end: float, clock: Callable[[], float]) -> dns.message.Message:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_left(end, clock))
        connection.connect((address, port))
        connection.sendall(len(question.wire).to_bytes(2, "big") + question.wire)
        size = int.from_bytes(_exactly(connection, 2, end, clock), "big")
        if size > MAX_ANSWER:
            raise LargeAnswerError(_OCTETS)
        packet = _exactly(connection, size, end, clock)
    if not _fits(packet, question):
        raise dns.exception.FormError  # no answer to this question
    return _read(packet, question)


def _exactly(connection: socket.socket, size: int, end: float, clock: Callable[[], float]) -> bytes:
    octets = b""
    while len(octets) < size:
        connection.settimeout(_left(end, clock))
        piece = connection.recv(size - len(octets))
        if not piece:
            raise EOFError
        octets += piece
    return octets


def _left(end: float, clock: Callable[[], float]) -> float:
    """Seconds, above 0. Raises TimeoutError."""
    seconds = end - clock()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _read(packet: bytes, question: Question) -> dns.message.Message:
    """The answer section of a packet that fits the question, and the RCODE. Raises LargeAnswerError, DNSException."""
    records = sum(_HEADER.unpack_from(packet)[3:])
    if records * _MIN_RECORD > len(packet):
        raise dns.exception.FormError
    if len(packet) > MAX_ANSWER:
        raise LargeAnswerError(_OCTETS)
    if records > MAX_RECORDS:
        raise LargeAnswerError(f"more than {MAX_RECORDS} records")
    try:
        answers, extension = _reduced(packet, question)
        message = dns.message.from_wire(answers)
    except LargeAnswerError:
        raise
    except Exception as error:
        # Hostile input in a parser that raises DNSException, ValueError and whatever its many types of records do,
        # and in ours, which runs over the end: none of them may become a fault of the server.
        raise dns.exception.FormError from error
    if extension:
        message.set_rcode(dns.rcode.from_flags(message.flags, extension << 24))
    return message


def _reduced(packet: bytes, question: Question) -> tuple[bytes, int]:
    """The message without what nobody reads, if the rest takes little time; the upper bits of its RCODE.

    The library follows pointers without end and knows types of records that hold thousands of names. Raises
    LargeAnswerError, FormError, IndexError, struct.error.
    """
    number, flags, questions, *counts = _HEADER.unpack_from(packet)
    reduced = bytearray(packet)
    at = end = _HEADER.size + questions * len(question.asked)
    extension = cnames = 0
    for position in range(sum(counts)):
        after = _after_name(packet, at)
        kind, _, octet, length = _RECORD.unpack_from(packet, after)
        at = after + _RECORD.size + length
        if position < counts[0]:
            end = at
            if kind == dns.rdatatype.CNAME:
                cnames += 1
                _after_name(packet, after + _RECORD.size)
            elif kind != question.kind:
                reduced[after : after + len(_OPAQUE)] = _OPAQUE
        elif kind == dns.rdatatype.OPT:
            extension = octet  # RFC 6891 §6.1.3
    if cnames > _MAX_CNAMES:
        raise LargeAnswerError(f"more than {_MAX_CNAMES} CNAMEs")
    if at != len(packet):
        raise dns.exception.FormError  # longer or shorter than its records
    reduced[: _HEADER.size] = _HEADER.pack(number, flags, questions, counts[0], 0, 0)
    return bytes(reduced[:end]), extension


def _after_name(packet: bytes, at: int) -> int:
    """Where the name that begins there ends. Raises FormError, IndexError."""
    after, size, pointers = 0, 0, 0
    while length := packet[at]:
        if length >= 0xC0:  # RFC 1035 §4.1.4  # noqa: PLR2004
            after = after or at + 2
            at = (length & 0x3F) << 8 | packet[at + 1]
            pointers += 1
        else:
            at += 1 + length
            size += 1 + length
        if pointers > _MAX_POINTERS or size > _MAX_NAME:
            raise dns.exception.FormError
    return after or at + 1
