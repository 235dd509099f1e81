"""RFC 8659 §4: what a set of CAA records says to a CA, as tables and for any records there may be."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from acme_server.validation.caa import Asked, Property, obstacle

ISSUERS = ("ca.example", "ca.example.net")
ACCOUNT = "https://ca.example/acme/account/1"


def record(text: str) -> Property:
    """`flags tag value`, as a zone file has it, without its quotes."""
    flags, tag, value = text.split(" ", 2)
    return Property(int(flags), tag.lower(), value.encode("latin-1"))


def judged(*records: str, wildcard: bool = False, issuers: tuple[str, ...] = ISSUERS) -> str | None:
    asked = Asked("example.org", ACCOUNT, "dns-01", wildcard)
    return obstacle([record(text) for text in records], asked, issuers)


@pytest.mark.parametrize(
    "records",
    [
        [],
        ["0 iodef mailto:a@example.org"],
        ["0 unknown x"],
        ["128 iodef mailto:a@example.org", "0 contactemail a@example.org"],
    ],
)
@pytest.mark.parametrize("wildcard", [False, True])
def test_3_a_set_without_a_property_that_restricts_restricts_nothing(records, wildcard):
    assert judged(*records, wildcard=wildcard) is None


@pytest.mark.parametrize(
    "value",
    [
        "ca.example",
        "CA.Example",
        " \tca.example\t ",
        "ca.example;",
        "ca.example ; ",
        "ca.example.net",
        "ca.example; a=b",
    ],
)
@pytest.mark.parametrize("tag", ["issue", "ISSUE", "Issue"])
def test_4_2_a_property_that_names_this_ca_permits(tag, value):
    assert judged(f"0 {tag} {value}") is None


@pytest.mark.parametrize("value", ["other.example", "a.ca.example", "example", "ca.example.org", ";", "", " ", " ; "])
def test_4_2_a_property_that_names_another_ca_or_none_forbids(value):
    assert "nothing for this CA, ca.example" in judged(f"0 issue {value}")


@pytest.mark.parametrize(
    "value",
    [
        "%%%%%",
        "ca.example.",
        ".ca.example",
        "ca..example",
        "-ca.example",
        "ca.example-",
        "ca_example",
        "ca.example other.example",
        "ca.example; account",
        "ca.example; account=1;",
        "ca.example; a=1 b=2",
        "ca.example; a_b=1",
        "ca.example; -a=1",
        "ca.example; =1",
        "ca.example; a=b c",
        "ca.example; a=\x7f",
        "ca.example; a=\xe4",
        "ca.example\n",
        "ca.example, other.example",
        '"ca.example"',
        "ca.example\x00",
        "ca.ex\xe4mple",
        "\u212aca.example".encode().decode("latin-1"),
    ],
)
def test_4_2_a_value_outside_the_grammar_names_nobody(value):
    said = judged(f"0 issue {value}")

    assert said is not None
    assert said.isascii()
    assert said.isprintable()


def test_4_2_one_property_that_permits_is_enough():
    assert judged("0 issue ;", "0 issue other.example", "0 issue ca.example") is None


@pytest.mark.parametrize("records", [["0 issue ca.example"], ["0 issue ;"], []])
def test_4_2_without_a_name_of_its_own_a_ca_may_issue_only_where_nothing_restricts(records):
    assert (judged(*records, issuers=()) is None) == (not records)


WILDCARDS = [
    # records, then whether the name and whether its wildcard may be certified
    (["0 issue ca.example"], True, True),
    (["0 issue ;"], False, False),
    (["0 issue other.example"], False, False),
    (["0 issuewild ca.example"], True, True),
    (["0 issuewild ;"], True, False),
    (["0 issuewild other.example"], True, False),
    (["0 issue ca.example", "0 issuewild other.example"], True, False),
    (["0 issue other.example", "0 issuewild ca.example"], False, True),
    (["0 issue ;", "0 ISSUEWILD ca.example"], False, True),
    (["0 issue ca.example", "0 issuewild ;"], True, False),
    (["0 issue ca.example", "0 issuewild %%%%"], True, False),
    (["0 issue ca.example", "0 issuewild ;", "0 issuewild ca.example"], True, True),
    (["0 iodef https://example.org/", "0 issuewild other.example"], True, False),
]


@pytest.mark.parametrize(("records", "name", "wildcard"), WILDCARDS)
def test_4_3_issuewild_is_for_wildcards_alone_and_goes_before_issue(records, name, wildcard):
    assert (judged(*records) is None) == name
    assert (judged(*records, wildcard=True) is None) == wildcard


@pytest.mark.parametrize("flags", [128, 129, 255])
@pytest.mark.parametrize("wildcard", [False, True])
def test_4_1_and_4_5_a_critical_property_that_is_unknown_forbids_whatever_else_there_is(flags, wildcard):
    said = judged("0 issue ca.example", "0 issuewild ca.example", f"{flags} tbs Unknown", wildcard=wildcard)

    assert said == '"tbs" is critical, and not known to this CA'


@pytest.mark.parametrize("flags", [0, 1, 64, 127])
def test_4_1_all_other_flags_are_left_unread(flags):
    assert judged("0 issue ca.example", f"{flags} tbs Unknown") is None
    assert judged(f"{flags} issue ca.example") is None
    assert judged(f"{flags} issue ;") is not None


@pytest.mark.parametrize("tag", ["issue", "issuewild"])
def test_4_5_a_critical_property_that_is_known_is_read_as_ever(tag):
    assert judged(f"128 {tag} ca.example", wildcard=True) is None
    assert judged(f"128 {tag} ;", wildcard=True) is not None


@pytest.mark.parametrize("tag", ["issuemail", "issuevmc", "contactemail", "contactphone", "iodef"])
@pytest.mark.parametrize("flags", [0, 128])
def test_4_5_properties_for_other_certificates_and_for_people_ask_nothing_of_us(tag, flags):
    assert judged(f"{flags} {tag} ;") is None
    assert judged("0 issue ca.example", f"{flags} {tag} other.example") is None


def test_4_2_the_reason_shows_a_few_records_and_nothing_that_cannot_be_printed():
    said = judged(*(f"0 issue ca{number}.example" for number in range(60)))

    assert said == (
        'it has "issue ca0.example", "issue ca1.example", "issue ca2.example" …, and nothing for this CA, ca.example'
    )


values = st.binary(max_size=60) | st.sampled_from(
    [b"ca.example", b"other.example", b";", b"", b"ca.example; a=b", b"%%%"]
)
tags = st.sampled_from(["issue", "issuewild", "iodef", "issuemail", "tbs"]) | st.text(
    "abcdefghij0123456789", min_size=1
)
records = st.lists(st.builds(Property, st.integers(0, 255), tags, values), max_size=6)
askeds = st.builds(Asked, st.just("example.org"), st.just(ACCOUNT), st.just("dns-01"), st.booleans())


@given(records, askeds)
def test_4_any_records_are_judged_and_the_reason_can_be_shown(found, asked):
    said = obstacle(found, asked, ISSUERS)

    assert said is None or (0 < len(said) < 500 and said.isascii() and said.isprintable())


@given(records, askeds)
def test_4_2_the_sequence_of_records_means_nothing(found, asked):
    assert (obstacle(found, asked, ISSUERS) is None) == (obstacle(found[::-1], asked, ISSUERS) is None)


@given(records, askeds)
@example([Property(0, "issue", b"ca.example")], Asked("example.org", ACCOUNT, "dns-01"))
def test_4_2_who_permits_nobody_beside_others_changes_nothing(found, asked):
    restricting = [each for each in found if each.tag == "issue"]
    more = [*found, Property(0, "issue", b";")]

    if restricting:
        assert (obstacle(found, asked, ISSUERS) is None) == (obstacle(more, asked, ISSUERS) is None)


@given(records, askeds)
def test_4_what_is_permitted_has_a_property_for_us_or_none_that_restricts(found, asked):
    if obstacle(found, asked, ISSUERS) is not None:
        return
    for_wildcards = [each for each in found if each.tag == "issuewild"]
    counted = for_wildcards if asked.wildcard and for_wildcards else [each for each in found if each.tag == "issue"]
    assert not counted or any(each.value.strip(b" \t").lower().startswith(b"ca.example") for each in counted)
    assert not any(each.flags & 128 and each.tag not in {"issue", "issuewild", "iodef", "issuemail"} for each in found)
