"""Addresses of names, from a name server on loopback that lies, is silent or is broken."""

from __future__ import annotations

import time
from itertools import pairwise

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from acme_server.validation import resolver
from acme_server.validation.resolver import DnsResolver, system_nameservers
from challenges.base import Fault
from tests.validation.servers import nameserver

NAME = "example.org"
ZONE = {(NAME, "A"): ["192.0.2.1"], (NAME, "AAAA"): ["2001:db8::1"]}


def rrset(owner: str, kind: str, *values: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(owner + ".", 60, "IN", kind, *values)


def answer(query, *rrsets, rcode: str = "NOERROR", flags: int = 0) -> dns.message.Message:
    made = dns.message.make_response(query)
    made.answer.extend(rrsets)
    made.set_rcode(dns.rcode.from_text(rcode))
    made.flags |= flags
    return made


def by_zone(zone, *before):
    """Answers from a table; `before` stands before each answer."""

    def reply(query, _):
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        values = zone.get((NAME, kind))
        return [answer(query, *before, *([rrset(NAME, kind, *values)] if values else [])).to_wire()]

    return reply


def look_up(reply, *, seconds: float = 2.0, name: str = NAME) -> list[str]:
    with nameserver(reply) as port:
        return DnsResolver([("127.0.0.1", port)]).addresses(name, time.monotonic() + seconds)


def fault(reply, **options) -> tuple[bool, str]:
    with pytest.raises(Fault) as caught:
        look_up(reply, **options)
    assert caught.value.error.kind == "dns"
    return caught.value.transient, caught.value.error.detail


def test_ipv6_addresses_come_first():
    assert look_up(by_zone(ZONE)) == ["2001:db8::1", "192.0.2.1"]


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_one_kind_of_address_is_enough(kind):
    assert look_up(by_zone({(NAME, kind): ZONE[NAME, kind]})) == ZONE[NAME, kind]


def test_rfc_1035_a_chain_of_cnames_is_followed_within_the_answer():
    def reply(query, _):
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        chain = [rrset(NAME, "CNAME", "a.example."), rrset("a.example", "CNAME", "b.example.")]
        return [answer(query, *chain, rrset("b.example", kind, *ZONE[NAME, kind])).to_wire()]

    assert look_up(reply) == ["2001:db8::1", "192.0.2.1"]


@pytest.mark.parametrize(("length", "fits"), [(10, True), (11, False), (12, False)])
def test_a_chain_has_at_most_ten_cnames(length, fits):
    def reply(query, _):
        names = [NAME, *[f"c{number}.example" for number in range(length)]]
        chain = [rrset(one, "CNAME", other + ".") for one, other in pairwise(names)]
        return [answer(query, *chain, rrset(names[-1], "A", "192.0.2.1")).to_wire()]

    if fits:
        assert look_up(reply) == ["192.0.2.1"]
    else:
        transient, detail = fault(reply)
        assert not transient
        assert "10 CNAMEs" in detail


def test_a_longer_one_is_not_read():
    chain = [rrset(f"c{number}.example", "CNAME", f"c{number + 1}.example.") for number in range(13)]
    transient, detail = fault(lambda query, _: [answer(query, *chain).to_wire()])
    assert transient
    assert "the answer has more than 12 CNAMEs" in detail


def test_a_loop_of_cnames_is_no_chain():
    loop = [rrset(NAME, "CNAME", "a.example."), rrset("a.example", "CNAME", f"{NAME}.")]
    assert not fault(lambda query, _: [answer(query, *loop).to_wire()])[0]


def test_records_of_other_owners_do_not_count():
    others = [rrset("other.example", "A", "192.0.2.9"), rrset("a.example.org", "A", "192.0.2.8")]
    transient, detail = fault(lambda query, _: [answer(query, *others).to_wire()])
    assert (transient, detail) == (False, "example.org has neither an A nor an AAAA record")


def test_a_name_that_does_not_exist_is_told_at_once_for_good():
    assert fault(lambda query, _: [answer(query, rcode="NXDOMAIN").to_wire()]) == (
        False,
        "example.org does not exist in DNS (NXDOMAIN)",
    )


def test_rfc_4074_a_server_that_denies_the_name_for_its_missing_aaaa_is_forgiven():
    def reply(query, _):
        if query.question[0].rdtype == dns.rdatatype.AAAA:
            return [answer(query, rcode="NXDOMAIN").to_wire()]
        return by_zone(ZONE)(query, _)

    assert look_up(reply) == ["192.0.2.1"]


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "YXDOMAIN"])
def test_any_other_code_is_a_passing_fault_and_never_an_answer(rcode):
    transient, detail = fault(lambda query, _: [answer(query, rrset(NAME, "A", "192.0.2.1"), rcode=rcode).to_wire()])
    assert transient
    assert f"the answer was {rcode}" in detail


def test_one_kind_that_fails_does_not_hide_the_other():
    def reply(query, _):
        if query.question[0].rdtype == dns.rdatatype.AAAA:
            return [answer(query, rcode="SERVFAIL").to_wire()]
        return by_zone(ZONE)(query, _)

    assert look_up(reply) == ["192.0.2.1"]


def test_a_failure_is_passing_where_only_one_kind_is_known_not_to_exist():
    def reply(query, _):
        rcode = "NXDOMAIN" if query.question[0].rdtype == dns.rdatatype.AAAA else "SERVFAIL"
        return [answer(query, rcode=rcode).to_wire()]

    assert fault(reply)[0]


def test_a_silent_resolver_is_a_passing_fault_within_the_deadline():
    transient, detail = fault(lambda *_: [], seconds=0.3)
    assert transient
    assert "no answer in time" in detail


def test_a_zone_that_drops_aaaa_questions_still_has_its_a():
    reply = lambda query, _: [] if query.question[0].rdtype == dns.rdatatype.AAAA else by_zone(ZONE)(query, _)  # noqa: E731
    assert look_up(reply, seconds=1.6) == ["192.0.2.1"]


def test_an_answer_that_does_not_fit_the_question_is_not_waited_for_in_vain():
    def reply(query, _):
        other = answer(query, rrset(NAME, "A", "192.0.2.66"))
        other.id ^= 1
        elsewhere = dns.message.make_response(dns.message.make_query("evil.example", "A", id=query.id))
        elsewhere.answer.append(rrset("evil.example", "A", "192.0.2.66"))
        return [b"", b"\0" * 5, other.to_wire(), elsewhere.to_wire(), *by_zone(ZONE)(query, _)]

    assert look_up(reply) == ["2001:db8::1", "192.0.2.1"]


def test_rfc_7766_a_truncated_answer_is_asked_for_by_tcp():
    def reply(query, protocol):
        if protocol == "udp":
            return [answer(query, flags=dns.flags.TC).to_wire()]
        return by_zone(ZONE)(query, protocol)

    assert look_up(reply) == ["2001:db8::1", "192.0.2.1"]


@pytest.mark.parametrize("packets", [[], [b""], [b"\0" * 5], [b"\xff" * 40]])
def test_a_broken_answer_by_tcp_is_a_passing_fault(packets):
    reply = lambda query, protocol: [answer(query, flags=dns.flags.TC).to_wire()] if protocol == "udp" else packets  # noqa: E731
    assert fault(reply)[0]


def test_the_next_resolver_is_asked_when_one_is_silent_or_broken(monkeypatch):
    monkeypatch.setattr(resolver, "_FIRST_WAIT", 0.1)
    failing = lambda query, _: [answer(query, rcode="SERVFAIL").to_wire()]  # noqa: E731
    with nameserver(lambda *_: []) as silent, nameserver(failing) as broken, nameserver(by_zone(ZONE)) as good:
        asked = DnsResolver([("127.0.0.1", port) for port in (silent, broken, good)])
        assert asked.addresses(NAME, time.monotonic() + 5) == ["2001:db8::1", "192.0.2.1"]


def test_a_question_that_got_lost_is_put_again(monkeypatch):
    monkeypatch.setattr(resolver, "_FIRST_WAIT", 0.1)
    seen = []

    def reply(query, _):
        seen.append(query.id)
        return by_zone(ZONE)(query, _) if seen.count(query.id) > 1 else []

    assert look_up(reply) == ["2001:db8::1", "192.0.2.1"]


def test_a_resolver_that_cannot_be_reached_is_a_passing_fault_at_once():
    with pytest.raises(Fault) as caught:  # the system refuses to send to the broadcast address
        DnsResolver([("255.255.255.255", 53)]).addresses(NAME, time.monotonic() + 60)
    assert caught.value.transient
    assert "cannot be reached" in caught.value.error.detail


def test_a_deadline_that_is_over_is_a_passing_fault():
    with pytest.raises(Fault) as caught:
        DnsResolver([("127.0.0.1", 9)]).addresses(NAME, time.monotonic() - 1)
    assert caught.value.transient


def test_the_machines_own_resolvers_are_known(monkeypatch):
    assert all(port == 53 for _, port in system_nameservers())

    def without(*_, **__):
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", without)
    with pytest.raises(ValueError, match="names no resolver"):
        system_nameservers()
