"""RFC 8659 §3: which records are relevant for a name, and what is asked for to know."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from acme_server.validation.caa import names_upwards
from acme_server.validation.caa_lookup import CaaLookup
from acme_server.validation.resolver import DnsResolver
from challenges.base import Error, Fault
from tests.rfc8659.caa_lab import ISSUER, Tables, asked, issue, refused
from tests.validation.servers import nameserver

OURS, OTHERS = (issue(ISSUER),), (issue("other.example"),)


@pytest.mark.parametrize(
    ("name", "names"),
    [("a.b.example.org", ["a.b.example.org", "b.example.org", "example.org", "org"]), ("org", ["org"])],
)
def test_3_the_search_climbs_from_the_name_to_the_top_and_not_to_the_root(name, names):
    tables = Tables({})

    assert list(names_upwards(name)) == names
    assert refused(tables, name) == {}
    assert tables.asked == names


@pytest.mark.parametrize("at", ["a.b.example.org", "b.example.org", "example.org", "org"])
def test_3_the_nearest_records_count_and_none_above_them_is_asked_for(at):
    above = list(names_upwards(at))[1:]
    permitting = Tables(dict.fromkeys(above, OTHERS) | {at: OURS})
    forbidding = Tables(dict.fromkeys(above, OURS) | {at: OTHERS})

    assert refused(permitting, "a.b.example.org") == {}
    kind, passing, detail = refused(forbidding, "a.b.example.org")["a.b.example.org"]
    assert (kind, passing) == ("caa", False)
    assert detail.startswith(f"CAA at {at} forbids a.b.example.org: ")
    assert permitting.asked == forbidding.asked == list(names_upwards("a.b.example.org"))[: -len(above) or None]


def test_3_records_below_the_name_or_beside_it_mean_nothing():
    assert refused(Tables({"a.example.org": OTHERS, "xample.org": OTHERS, "example.net": OTHERS}), "example.org") == {}


def test_3_records_that_restrict_nothing_end_the_search():
    tables = Tables({"example.org": (issue("mailto:a@example.org", "iodef"),), "org": OTHERS})

    assert refused(tables, "example.org") == {}
    assert tables.asked == ["example.org"]


def test_3_a_wildcard_is_looked_for_by_its_base():
    tables = Tables({"example.org": (issue(ISSUER), issue(";", "issuewild"))})

    assert list(refused(tables, "example.org", "*.example.org")) == ["*.example.org"]
    assert tables.asked == ["example.org"]


@pytest.mark.parametrize("position", range(3))
def test_3_each_name_of_several_is_asked_for_and_one_that_is_forbidden_is_found_wherever_it_stands(position):
    names = ["example.org", "example.net", "example.com"]
    tables = Tables({names[position]: OTHERS})

    assert list(refused(tables, *names)) == [names[position]]
    assert set(names) < set(tables.asked)


def test_3_what_is_above_several_names_is_asked_for_once():
    tables = Tables({})

    assert refused(tables, "a.example.org", "b.example.org", "example.org", "*.example.org") == {}
    assert tables.asked == ["a.example.org", "example.org", "org", "b.example.org"]


@pytest.mark.parametrize("transient", [False, True])
@pytest.mark.parametrize("at", ["example.org", "org"])
def test_3_a_lookup_that_fails_on_the_way_up_refuses_and_the_other_names_are_judged(at, transient):
    fault = Fault(Error("dns", "The look-up failed"), transient=transient)
    tables = Tables({at: fault, "example.net": OTHERS, "www.example.org": OURS})

    found = refused(tables, "example.org", "example.net", "www.example.org", "example.com")

    assert found["example.org"] == ("dns", transient, "CAA for example.org could not be checked. The look-up failed")
    assert found["example.net"][0] == "caa"
    assert set(found) == {"example.org", "example.net"}


def test_3_one_check_has_an_end_for_each_name_and_one_for_all():
    now = 100.0
    given = {}

    class Slow:
        def caa(self, name: str, deadline: float) -> tuple[()]:
            nonlocal now
            given[name] = deadline
            now += 4
            return ()

    lookup = CaaLookup(Slow(), (ISSUER,), lambda: now, for_one=10, for_all=15)
    assert lookup.refusals([asked("a.example.org"), asked("b.example.net")]) == {}
    assert given == {
        **dict.fromkeys(["a.example.org", "example.org", "org"], 110),
        **dict.fromkeys(["b.example.net", "example.net", "net"], 115),
    }


def test_3_a_name_whose_time_is_up_is_refused():
    with nameserver(served({})) as port:
        found = refused(DnsResolver([("127.0.0.1", port)]), "example.org", for_one=0.0)

    assert found["example.org"][:2] == ("dns", True)


Zone = dict[tuple[str, str], list[str]]


def served(zone: Zone):
    """Answers from a table, from one name to the next where there is a CNAME record."""

    def reply(query, _):
        made = dns.message.make_response(query)
        name = query.question[0].name
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        for _ in range(40):
            text = name.to_text(omit_final_dot=True).lower()
            found = "CNAME" if (text, "CNAME") in zone else kind
            if (text, found) not in zone:
                break
            rrset = dns.rrset.from_text(name, 60, "IN", found, *zone[text, found])
            made.answer.append(rrset)
            if found == kind:
                break
            name = rrset[0].target
        if not any(known == text for known, _ in zone):
            made.set_rcode(dns.rcode.NXDOMAIN)
        return [made.to_wire(max_size=65535)]

    return reply


def looked_up(reply, *names: str, seconds: float = 5.0) -> dict[str, tuple[str, bool, str]]:
    with nameserver(reply) as port:
        return refused(DnsResolver([("127.0.0.1", port)]), *names, for_one=seconds)


CAA_OTHERS = ['0 issue "other.example"']
CAA_OURS = ['0 ISSUE "CA.Example"']


@pytest.mark.parametrize(
    ("zone", "permitted"),
    [
        ({}, True),
        ({("www.example.org", "A"): ["192.0.2.1"]}, True),
        ({("www.example.org", "CAA"): CAA_OURS}, True),
        ({("www.example.org", "CAA"): CAA_OTHERS}, False),
        ({("www.example.org", "CAA"): [*CAA_OTHERS, *CAA_OURS]}, True),
        ({("www.example.org", "CAA"): [*CAA_OURS, '128 tbs "x"']}, False),
        ({("example.org", "CAA"): CAA_OTHERS}, False),
        ({("org", "CAA"): CAA_OTHERS}, False),
        ({("www.example.org", "CAA"): CAA_OURS, ("example.org", "CAA"): CAA_OTHERS}, True),
    ],
)
def test_3_records_are_read_from_dns(zone, permitted):
    assert (looked_up(served(zone), "www.example.org") == {}) == permitted


@pytest.mark.parametrize(
    ("zone", "permitted"),
    [
        # The alias's own records count, and not those above it.
        ({("a.other.net", "CAA"): CAA_OTHERS}, False),
        ({("a.other.net", "CAA"): CAA_OTHERS, ("example.org", "CAA"): CAA_OURS}, False),
        ({("a.other.net", "CAA"): CAA_OURS, ("example.org", "CAA"): CAA_OTHERS}, True),
        ({("other.net", "CAA"): CAA_OTHERS}, True),
        ({("other.net", "CAA"): CAA_OURS, ("example.org", "CAA"): CAA_OTHERS}, False),
        ({("a.other.net", "CNAME"): ["b.other.net."], ("b.other.net", "CAA"): CAA_OTHERS}, False),
        ({("a.other.net", "CNAME"): ["b.other.net."], ("b.other.net", "A"): ["192.0.2.1"]}, True),
    ],
)
def test_3_a_cname_leads_to_the_records_and_the_search_climbs_from_the_name_itself(zone, permitted):
    alias = {("www.example.org", "CNAME"): ["a.other.net."]}

    assert (looked_up(served(alias | zone), "www.example.org") == {}) == permitted


def test_3_a_chain_that_never_ends_refuses():
    zone = {("a.example.org", "CNAME"): ["b.example.org."], ("b.example.org", "CNAME"): ["a.example.org."]}

    assert looked_up(served(zone), "a.example.org")["a.example.org"][0] == "dns"


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "NOTAUTH"])
@pytest.mark.parametrize("at", ["www.example.org", "example.org"])
def test_3_an_answer_that_is_an_error_refuses(code, at):
    def reply(query, way):
        if query.question[0].name.to_text() != at + ".":
            return served({})(query, way)
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.from_text(code))
        return [made.to_wire()]

    kind, passing, detail = looked_up(reply, "www.example.org")["www.example.org"]
    assert (kind, passing) == ("dns", True)
    assert code in detail


def forged(change):
    """An answer that says there is nothing, but for the change."""

    def reply(query, _):
        made = dns.message.make_response(query)
        change(made)
        return [made.to_wire()]

    return reply


def other_question(made: dns.message.Message) -> None:
    made.question = [dns.rrset.from_text("www.example.net.", 0, "IN", "CAA")]


def other_type(made: dns.message.Message) -> None:
    made.question = [dns.rrset.RRset(made.question[0].name, made.question[0].rdclass, dns.rdatatype.A)]


def other_number(made: dns.message.Message) -> None:
    made.id ^= 1


def no_answer(made: dns.message.Message) -> None:
    made.flags &= ~dns.flags.QR


@pytest.mark.parametrize("change", [other_question, other_type, other_number, no_answer])
def test_3_only_an_answer_to_the_very_question_says_that_there_is_nothing(change):
    kind, passing, _ = looked_up(forged(change), "www.example.org", seconds=0.2)["www.example.org"]

    assert (kind, passing) == ("dns", True)


@pytest.mark.parametrize("packet", [b"", b"\x00" * 12, b"x" * 40])
def test_3_silence_and_rubbish_refuse(packet):
    found = looked_up(lambda *_: [packet] if packet else [], "www.example.org", seconds=0.2)

    assert found["www.example.org"][:2] == ("dns", True)


def test_3_records_of_another_name_are_no_answer():
    def reply(query, _):
        made = dns.message.make_response(query)
        made.answer.append(dns.rrset.from_text("www.example.net.", 60, "IN", "CAA", *CAA_OURS))
        return [made.to_wire()]

    assert looked_up(reply, "www.example.org")["www.example.org"][0] == "dns"


def test_3_a_set_too_large_for_udp_comes_by_tcp():
    many = [f'0 issue "ca{number}.example"' for number in range(100)]

    def reply(zone):
        def by_way(query, way):
            made = dns.message.from_wire(served(zone)(query, way)[0])
            if way == "udp" and made.answer:
                made.answer = []
                made.flags |= dns.flags.TC
            return [made.to_wire(max_size=65535)]

        return by_way

    assert looked_up(reply({("example.org", "CAA"): many}), "example.org")["example.org"][0] == "caa"
    assert looked_up(reply({("example.org", "CAA"): [*many, *CAA_OURS]}), "example.org") == {}


def test_5_6_the_owner_is_told_which_property_is_unknown():
    zone = {("example.org", "CAA"): [*CAA_OURS, '128 newtag "x"']}

    assert looked_up(served(zone), "www.example.org")["www.example.org"][2] == (
        'CAA at example.org forbids www.example.org: "newtag" is critical, and not known to this CA'
    )
