"""Addresses, TXT and CAA records of names, by a resolver that the operator has chosen and that validates DNSSEC.

Answers are taken from that resolver alone and checked once more: identifier and question, the chain of owners, its
length; NOERROR and NXDOMAIN are the only answers there are. RFC 1035, RFC 8555 §8.4 and §11.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from acme_server.validation.caa import Property
from acme_server.validation.dns_exchange import LargeAnswerError, Question, exchange, make_question
from challenges.base import Error, Fault, TxtAnswer

__all__ = ["MAX_CNAMES", "MAX_TEXTS", "DnsResolver", "Resolver", "system_nameservers"]

MAX_CNAMES = 10
MAX_TEXTS = 100
"""TXT records of one name that are looked at."""
_FIRST_WAIT = 1.5
"""Seconds until a question is put to the next resolver."""
_SILENCE = "no answer in time"


class Resolver(Protocol):
    """Where addresses and TXT records come from."""

    def addresses(self, name: str, deadline: float) -> list[str]:
        """IPv6 addresses of the A-label name, then IPv4 ones, as text.

        `deadline` is a reading of the clock that both sides share. Raises Fault of kind `dns`: final where the name or
        its addresses do not exist, so that a mistyped zone is told at once; transient where no answer came.
        """

    def texts(self, name: str, deadline: float) -> TxtAnswer:
        """The TXT records of the name, none where it has none or does not exist.

        `deadline` as above. Raises Fault of kind `dns`.
        """


@dataclass(frozen=True, slots=True)
class _End:
    """Where a chain of CNAMEs leads."""

    name: str
    records: dns.rrset.RRset | None
    exists: bool
    """False for NXDOMAIN."""
    foreign: bool
    """Whether there was nothing in the answer but records of other names or types."""


@dataclass(frozen=True, slots=True)
class DnsResolver:
    """Asks resolvers by UDP, and by TCP what does not fit."""

    nameservers: Sequence[tuple[str, int]]
    """IP address and port of each, asked in turn."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""

    def addresses(self, name: str, deadline: float) -> list[str]:
        found: list[str] = []
        faults: list[Fault] = []
        for kind in (dns.rdatatype.AAAA, dns.rdatatype.A):
            # Half of what is left: a zone that drops AAAA questions still gets its A answered.
            now = self.clock()
            try:
                found += self._addresses(name, kind, now + (deadline - now) / 2)
            except Fault as fault:
                # COMPAT: name servers that deny the whole name when it has no AAAA (RFC 4074 §4.2)
                faults.append(fault)
        if found:
            return found
        if faults:
            raise max(faults, key=lambda fault: fault.transient)
        raise _fault(f"{name} has neither an A nor an AAAA record", transient=False)

    def texts(self, name: str, deadline: float) -> TxtAnswer:
        end = self._end_of_chain(name, dns.rdatatype.TXT, deadline)
        records = () if end.records is None else tuple(b"".join(record.strings) for record in end.records)
        return TxtAnswer(name=name, records=records[:MAX_TEXTS], final=end.name)

    def caa(self, name: str, deadline: float) -> tuple[Property, ...]:
        """See `caa_lookup.CaaRecords`. No record is permission: only an answer that fits may say that there is none."""
        end = self._end_of_chain(name, dns.rdatatype.CAA, deadline)
        if end.foreign:
            raise _fault(f"The DNS answer for CAA of {name} has records of other names only", transient=True)
        records = () if end.records is None else end.records
        return tuple(Property(record.flags, record.tag.decode("ascii").lower(), record.value) for record in records)

    def _addresses(self, name: str, kind: dns.rdatatype.RdataType, deadline: float) -> list[str]:
        end = self._end_of_chain(name, kind, deadline)
        if not end.exists:
            raise _fault(f"{name} does not exist in DNS (NXDOMAIN)", transient=False)
        return [] if end.records is None else [record.address for record in end.records]

    def _end_of_chain(self, name: str, kind: dns.rdatatype.RdataType, deadline: float) -> _End:
        """What is where the CNAMEs that start at the name lead, through as many answers as it takes. Raises Fault."""
        end, cnames = name, 0
        while True:
            answer = self._ask(_question(end, kind), f"{kind.name} of {name}", deadline)
            end, records, followed = _followed(answer, end)
            cnames += followed
            if cnames > MAX_CNAMES:
                raise _fault(f"{name} leads through more than {MAX_CNAMES} CNAMEs", transient=False)
            exists = answer.rcode() != dns.rcode.NXDOMAIN
            # COMPAT: small authoritative servers leave it to who asks to follow a CNAME.
            if records is not None or not exists or not followed:
                return _End(end, records, exists, foreign=bool(answer.answer) and records is None and not followed)

    def _ask(self, question: Question, what: str, deadline: float) -> dns.message.QueryMessage:
        """The first answer of a resolver, in rounds, each twice as patient as the one before."""
        wait, problem = _FIRST_WAIT, _SILENCE
        while self.clock() < deadline:
            problems = []
            for address, port in self.nameservers:
                left = deadline - self.clock()
                answer, problem = _ask_one(question, address, port, min(left, wait), self.clock)
                if answer is not None:
                    return answer
                problems.append(problem)
            if _SILENCE not in problems:
                break  # all have said something; they would say it again
            wait *= 2
        raise _fault(f"The DNS look-up of {what} failed: {problem}", transient=True)


def system_nameservers() -> list[tuple[str, int]]:
    """Those of the machine, from /etc/resolv.conf. Raises ValueError where it names none."""
    try:
        resolver = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration as error:
        raise ValueError("/etc/resolv.conf names no resolver") from error
    return [(str(address), resolver.port) for address in resolver.nameservers]


def _ask_one(
    question: Question, address: str, port: int, wait: float, clock: Callable[[], float]
) -> tuple[dns.message.QueryMessage | None, str]:
    """An answer, or None and what came instead."""
    try:
        answer = exchange(question, address, port, wait, clock)
    except TimeoutError:
        return None, _SILENCE
    except (OSError, EOFError):
        return None, "the CA's resolver cannot be reached"
    except LargeAnswerError as error:
        return None, f"the answer has {error}"
    except dns.exception.DNSException:
        return None, "the answer was not understood"
    code = answer.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not isinstance(answer, dns.message.QueryMessage):
        hint = ": look at the zone's name servers and its DNSSEC" if code == dns.rcode.SERVFAIL else ""
        return None, f"the answer was {dns.rcode.to_text(code)}{hint}"
    return answer, ""


def _question(name: str, kind: dns.rdatatype.RdataType) -> Question:
    """Raises Fault for what is no name in DNS."""
    try:
        return make_question(dns.name.from_text(name), kind)
    except dns.exception.DNSException as error:
        raise _fault(f"{name} is longer than a name in DNS may be", transient=False) from error


def _followed(answer: dns.message.QueryMessage, name: str) -> tuple[str, dns.rrset.RRset | None, int]:
    """The end of the chain of owners that starts with the question, its records, and how many CNAMEs led there.

    Other records do not count. Raises Fault.
    """
    if not answer.answer:
        return name, None, 0
    try:
        chain = answer.resolve_chaining()
    except dns.exception.DNSException as error:
        raise _fault(
            f"The DNS answer for {name} is no chain of at most {MAX_CNAMES} CNAMEs", transient=False
        ) from error
    if not chain.cnames:
        return name, chain.answer, 0
    return chain.canonical_name.to_text(omit_final_dot=True).lower(), chain.answer, len(chain.cnames)


def _fault(detail: str, *, transient: bool) -> Fault:
    return Fault(Error("dns", detail), transient=transient)
