"""Addresses of a name, by a resolver that the operator has chosen and that validates DNSSEC itself.

Answers are taken from that resolver alone and checked once more: identifier and question, the chain of owners, its
length; NOERROR and NXDOMAIN are the only answers there are. RFC 1035, RFC 8555 §11.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from challenges.base import Error, Fault

__all__ = ["MAX_CNAMES", "DnsResolver", "Resolver", "system_nameservers"]

MAX_CNAMES = 10
_FIRST_WAIT = 1.5
"""Seconds until a question is put to the next resolver."""
_SILENCE = "no answer in time"


class Resolver(Protocol):
    """Where addresses come from."""

    def addresses(self, name: str, deadline: float) -> list[str]:
        """IPv6 addresses of the A-label name, then IPv4 ones, as text.

        `deadline` is a reading of the clock that both sides share. Raises Fault of kind `dns`: final where the name or
        its addresses do not exist, so that a mistyped zone is told at once; transient where no answer came.
        """


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
                found += self._records(name, kind, now + (deadline - now) / 2)
            except Fault as fault:
                # COMPAT: name servers that deny the whole name when it has no AAAA (RFC 4074 §4.2)
                faults.append(fault)
        if found:
            return found
        if faults:
            raise max(faults, key=lambda fault: fault.transient)
        raise _fault(f"{name} has neither an A nor an AAAA record", transient=False)

    def _records(self, name: str, kind: dns.rdatatype.RdataType, deadline: float) -> list[str]:
        query = dns.message.make_query(dns.name.from_text(name), kind, use_edns=0, payload=1232)
        answer = self._ask(query, f"{kind.name} of {name}", deadline)
        if answer.rcode() == dns.rcode.NXDOMAIN:
            raise _fault(f"{name} does not exist in DNS (NXDOMAIN)", transient=False)
        return _chained_records(answer, name)

    def _ask(self, query: dns.message.Message, what: str, deadline: float) -> dns.message.QueryMessage:
        """The first answer of a resolver, in rounds, each twice as patient as the one before."""
        wait, problem = _FIRST_WAIT, _SILENCE
        while self.clock() < deadline:
            problems = []
            for address, port in self.nameservers:
                left = deadline - self.clock()
                answer, problem = _ask_one(query, address, port, max(0.0, min(left, wait)))
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
    query: dns.message.Message, address: str, port: int, wait: float
) -> tuple[dns.message.QueryMessage | None, str]:
    """An answer, or None and what came instead."""
    try:
        # Packets that do not fit the question are no reason to stop waiting for the one that does.
        answer, _ = dns.query.udp_with_fallback(query, address, wait, port, ignore_unexpected=True, ignore_errors=True)
    except dns.exception.Timeout:
        return None, _SILENCE
    except (OSError, EOFError):
        return None, "the CA's resolver cannot be reached"
    except dns.exception.DNSException:
        return None, "the answer was not understood"
    code = answer.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not isinstance(answer, dns.message.QueryMessage):
        return None, f"the answer was {dns.rcode.to_text(code)}"
    return answer, ""


def _chained_records(answer: dns.message.QueryMessage, name: str) -> list[str]:
    """The addresses at the end of the chain of owners that starts with the question; other records do not count."""
    try:
        chain = answer.resolve_chaining()
    except dns.exception.DNSException as error:
        raise _fault(
            f"The DNS answer for {name} is no chain of at most {MAX_CNAMES} CNAMEs", transient=False
        ) from error
    if len(chain.cnames) > MAX_CNAMES:
        raise _fault(f"{name} leads through more than {MAX_CNAMES} CNAMEs", transient=False)
    return [] if chain.answer is None else [record.address for record in chain.answer]


def _fault(detail: str, *, transient: bool) -> Fault:
    return Fault(Error("dns", detail), transient=transient)
