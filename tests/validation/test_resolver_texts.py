"""TXT records, from a name server on loopback that leads on, lies, is silent or is broken (RFC 8555 §8.4, RFC 1035)."""

from __future__ import annotations

import time
from itertools import pairwise

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from acme_server.validation.dns_exchange import MAX_ANSWER
from acme_server.validation.network import GuardedNetwork
from acme_server.validation.resolver import MAX_TEXTS, DnsResolver
from challenges.base import Fault, TxtAnswer
from tests.validation.servers import nameserver

NAME = "_acme-challenge.example.org"


def rrset(owner: str, kind: str, *values: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(owner + ".", 60, "IN", kind, *values)


def answer(query, *rrsets, rcode: str = "NOERROR", flags: int = 0) -> bytes:
    made = dns.message.make_response(query)
    made.answer.extend(rrsets)
    made.set_rcode(dns.rcode.from_text(rcode))
    made.flags |= flags
    return made.to_wire(max_size=65535)


def look_up(reply, *, seconds: float = 2.0, name: str = NAME) -> TxtAnswer:
    with nameserver(reply) as port:
        return GuardedNetwork(DnsResolver([("127.0.0.1", port)]), deadline=seconds).txt(name)


def fault(reply, **options) -> tuple[bool, str]:
    with pytest.raises(Fault) as caught:
        look_up(reply, **options)
    assert caught.value.error.kind == "dns"
    assert caught.value.error.detail.isprintable()
    return caught.value.transient, caught.value.error.detail


def test_8_4_the_strings_of_a_record_are_joined_and_the_records_are_not():
    texts = rrset(NAME, "TXT", '"one" "two"', '"three"', '""', '"\\000\\255;"')
    found = look_up(lambda query, _: [answer(query, texts)])
    assert found == TxtAnswer(NAME, found.records, NAME)
    assert set(found.records) == {b"onetwo", b"three", b"", b"\x00\xff;"}


def test_the_question_is_for_txt_of_this_name_alone():
    asked = []

    def reply(query, _):
        asked.append(query.question[0].to_text())
        assert query.edns == 0
        assert query.payload == 1232
        assert query.flags & dns.flags.RD
        return [answer(query)]

    look_up(reply)
    assert asked == [f"{NAME}. IN TXT"]


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_8_4_no_record_and_no_name_are_answers(rcode):
    assert look_up(lambda query, _: [answer(query, rcode=rcode)]) == TxtAnswer(NAME, (), NAME)


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_a_cname_that_leads_nowhere_is_told(rcode):
    found = look_up(lambda query, _: [answer(query, rrset(NAME, "CNAME", "x.auth.example."), rcode=rcode)])
    assert found == TxtAnswer(NAME, (), "x.auth.example")


def test_rfc_1035_a_chain_of_cnames_is_followed_within_the_answer():
    chain = [rrset(NAME, "CNAME", "a.example."), rrset("a.example", "CNAME", "B.example.")]
    found = look_up(lambda query, _: [answer(query, *chain, rrset("b.example", "TXT", '"x"'))])
    assert found == TxtAnswer(NAME, (b"x",), "b.example")


def one_by_one(length: int):
    """A server that tells one CNAME an answer, as one does that is no resolver."""
    names = [NAME, *[f"c{number}.example" for number in range(length)]]
    following = dict(pairwise(names))

    def reply(query, _):
        name = query.question[0].name.to_text(omit_final_dot=True)
        if name in following:
            return [answer(query, rrset(name, "CNAME", following[name] + "."))]
        return [answer(query, rrset(name, "TXT", '"x"'))]

    return reply


@pytest.mark.parametrize(("length", "fits"), [(1, True), (10, True), (11, False), (40, False)])
def test_a_chain_of_at_most_ten_cnames_is_followed_through_several_answers(length, fits):
    if fits:
        assert look_up(one_by_one(length)) == TxtAnswer(NAME, (b"x",), f"c{length - 1}.example")
    else:
        transient, detail = fault(one_by_one(length))
        assert not transient
        assert "more than 10 CNAMEs" in detail


@pytest.mark.parametrize("target", [NAME, "a.example"])
def test_a_loop_of_cnames_ends(target):
    def reply(query, _):
        name = query.question[0].name.to_text(omit_final_dot=True)
        return [answer(query, rrset(name, "CNAME", (target if name == NAME else NAME) + "."))]

    assert not fault(reply)[0]


@pytest.mark.parametrize(
    "target", [".", "\\000\\255.example.", "a\\.b.example.", "@.example.", '\\"quoted\\".example.']
)
def test_a_cname_to_an_odd_name_is_followed_and_told_in_print(target):
    def reply(query, _):
        name = query.question[0].name
        return [answer(query, rrset(NAME, "CNAME", target)) if name.to_text() == NAME + "." else answer(query)]

    found = look_up(reply)
    assert found.records == ()
    assert found.final.isascii()
    assert found.final.isprintable()


def test_records_of_other_owners_and_other_types_do_not_count():
    others = [rrset("example.org", "TXT", '"x"'), rrset(NAME, "SPF", '"x"'), rrset("a." + NAME, "TXT", '"x"')]
    assert look_up(lambda query, _: [answer(query, *others)]).records == ()


def test_records_outside_the_answer_section_do_not_count():
    def reply(query, _):
        made = dns.message.make_response(query)
        made.additional.append(rrset(NAME, "TXT", '"x"'))
        made.authority.append(rrset(NAME, "TXT", '"x"'))
        return [made.to_wire()]

    assert look_up(reply).records == ()


def test_of_very_many_records_a_hundred_are_looked_at():
    many = rrset(NAME, "TXT", *[f'"{number}"' for number in range(MAX_TEXTS + 10)])

    def reply(query, protocol):
        return [answer(query, flags=dns.flags.TC)] if protocol == "udp" else [answer(query, many)]

    assert len(look_up(reply).records) == MAX_TEXTS


def test_an_answer_that_is_too_large_is_told():
    huge = rrset(NAME, "TXT", *[f'"{number:0200}"' for number in range(100)])

    def reply(query, protocol):
        return [answer(query, flags=dns.flags.TC)] if protocol == "udp" else [answer(query, huge)]

    assert fault(reply) == (
        True,
        f"The DNS look-up of TXT of {NAME} failed: the answer has more than {MAX_ANSWER} octets",
    )


def test_a_record_of_many_strings_comes_whole_by_tcp():
    large = rrset(NAME, "TXT", " ".join(['"' + "x" * 255 + '"'] * 20))

    def reply(query, protocol):
        return [answer(query, flags=dns.flags.TC)] if protocol == "udp" else [answer(query, large)]

    assert look_up(reply).records == (b"x" * 5100,)


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "YXDOMAIN", "BADVERS"])
def test_any_other_code_is_a_passing_fault_and_never_an_answer(rcode):
    transient, detail = fault(lambda query, _: [answer(query, rrset(NAME, "TXT", '"x"'), rcode=rcode)])
    assert transient
    assert f"The DNS look-up of TXT of {NAME} failed: the answer was {rcode}" in detail


def test_a_silent_resolver_is_a_passing_fault_within_the_deadline():
    assert fault(lambda *_: [], seconds=0.3) == (
        True,
        f"The DNS look-up of TXT of {NAME} failed: no answer in time",
    )


def test_a_server_that_leads_on_slowly_is_left_at_the_deadline():
    def reply(query, _):
        time.sleep(0.2)
        name = query.question[0].name.to_text(omit_final_dot=True)
        return [answer(query, rrset(name, "CNAME", f"x{name}."))]

    assert fault(reply, seconds=0.5)[0]


@pytest.mark.parametrize("name", [("a" * 60 + ".") * 4 + "example.org", "a" * 64 + ".example.org", "a..example.org"])
def test_a_name_that_dns_cannot_hold_is_a_fault_and_not_asked(name):
    transient, detail = fault(lambda *_: [], name=name)
    assert not transient
    assert "longer than a name in DNS may be" in detail
