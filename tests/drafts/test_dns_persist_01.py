"""dns-persist-01, draft-ietf-acme-dns-persist-02: which records prove a name, for what and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from challenges.base import Identifier, Tools, TxtAnswer, Verdict
from challenges.dns_persist_01 import DNS_PERSIST_01, DRAFT, DnsPersist01, expected, judge
from challenges.persist_record import ANY_DOMAIN, hashed_account
from tests.challenges.parts import ACCOUNT_URL, CA, NOW, THUMBPRINT, Network, Outbox, Zone, make_task

NAME = "_validation-persist.example.org"
PREFIX = CA.account_hash_prefix
EARLIER = "E" * 43
OFFER = DNS_PERSIST_01.offer(Identifier("dns", "example.org"), CA, ACCOUNT_URL)
HASHED = hashed_account(PREFIX, "example.org", THUMBPRINT, ACCOUNT_URL)
TYPE = DnsPersist01(now=lambda: NOW)


def seconds(**change: int) -> int:
    return int((NOW + timedelta(**change)).timestamp())


def outcome(*records: str, **changes):
    task = make_task(offer=OFFER, former_thumbprints=(EARLIER,), **changes)
    return judge(expected(task, NOW), TxtAnswer(NAME, tuple(record.encode() for record in records), NAME))


def test_the_draft_is_named():
    assert DRAFT == "draft-ietf-acme-dns-persist-02"


def test_3_1_the_challenge_names_the_issuer_and_has_no_token():
    assert OFFER["issuerDomainNames"] == ["ca.example", "xmpp-ca.example"]
    assert not DNS_PERSIST_01.has_token


def test_draft_01_3_1_the_challenge_has_the_members_that_deployed_clients_read():
    assert OFFER["issuer-domain-names"] == OFFER["issuerDomainNames"]
    assert OFFER["accounturi"] == ACCOUNT_URL


def test_3_1_at_most_ten_names_and_without_any_no_offer():
    many = replace(CA, issuer_domain_names=tuple(f"ca{number}.example" for number in range(12)))
    assert len(DNS_PERSIST_01.offer(Identifier("dns", "example.org"), many)["issuerDomainNames"]) == 10
    assert DNS_PERSIST_01.offer(Identifier("dns", "example.org"), replace(CA, issuer_domain_names=())) is None


GOOD = {
    "hashed for the domain": f"ca.example; accounturi={HASHED}",
    "hashed for any domain": f"ca.example;accounturi={hashed_account(PREFIX, ANY_DOMAIN, THUMBPRINT, ACCOUNT_URL)}",
    "hashed with an earlier key": f"ca.example; accounturi={hashed_account(PREFIX, 'example.org', EARLIER, ACCOUNT_URL)}",
    "other name of the CA": f"XMPP-CA.example ; accounturi={HASHED}",
    "tag in capitals": f"ca.example; AccountURI={HASHED}",
    "unknown parameter": f"ca.example; future=1; accounturi={HASHED}; x=",
    "policy for one name": f"ca.example; accounturi={HASHED}; policy=narrow",
    "not yet over": f"ca.example; accounturi={HASHED}; persistUntil={seconds(seconds=1)}",
    "over this very second": f"ca.example; accounturi={HASHED}; persistUntil={seconds()}",
}


@pytest.mark.parametrize("record", GOOD.values(), ids=GOOD.keys())
def test_4_1_a_record_with_one_of_our_names_and_the_account_proves_the_name(record):
    result = outcome("v=spf1 -all", "other.example; broken;;", record)
    assert result.verdict is Verdict.VALID
    assert result.evidence["ours"] == 1
    assert result.evidence["records"] == 3


MALFORMED = {
    "no account": "ca.example",
    "twice": f"ca.example; accounturi={HASHED}; accounturi={HASHED}",
    "semicolon at the end": f"ca.example; accounturi={HASHED};",
    "blank in a value": "ca.example; accounturi=https://ca.example/ x",
    "time that is none": f"ca.example; accounturi={HASHED}; persistUntil=tomorrow",
    "negative time": f"ca.example; accounturi={HASHED}; persistUntil=-1",
    "empty time": f"ca.example; accounturi={HASHED}; persistUntil=",
    "other hash": f"ca.example; accounturi={PREFIX}sha-512/{HASHED[-43:]}",
    "no hash": f"ca.example; accounturi={PREFIX}{HASHED[-43:]}",
    "short hash": f"ca.example; accounturi={HASHED[:-1]}",
    "padded hash": f"ca.example; accounturi={HASHED}=",
}
UNAUTHORIZED = {
    "no record of ours": f"other.example; accounturi={HASHED}",
    "no issuer": f"; accounturi={HASHED}",
    "issuer below ours": f"x.ca.example; accounturi={HASHED}",
    "issuer above ours": f"example; accounturi={HASHED}",
    "issuer with a dot": f"ca.example.; accounturi={HASHED}",
    "the account's URL, as in draft 01": f"ca.example; accounturi={ACCOUNT_URL}",
    "other account": f"ca.example; accounturi={ACCOUNT_URL}x",
    "other case": f"ca.example; accounturi={ACCOUNT_URL.upper()}",
    "empty account": "ca.example; accounturi=",
    "other domain": f"ca.example; accounturi={hashed_account(PREFIX, 'example.com', THUMBPRINT, ACCOUNT_URL)}",
    "domain in capitals": f"ca.example; accounturi={hashed_account(PREFIX, 'EXAMPLE.ORG', THUMBPRINT, ACCOUNT_URL)}",
    "other key": f"ca.example; accounturi={hashed_account(PREFIX, 'example.org', 'A' * 43, ACCOUNT_URL)}",
    "other prefix": f"ca.example; accounturi={HASHED.replace('ca.example', 'ca.other')}",
    "over": f"ca.example; accounturi={HASHED}; persistUntil={seconds(seconds=-1)}",
    "long over": f"ca.example; accounturi={HASHED}; persistUntil=0",
}
BAD = [(record, "malformed") for record in MALFORMED.values()]
BAD += [(record, "unauthorized") for record in UNAUTHORIZED.values()]


@pytest.mark.parametrize(("record", "kind"), BAD, ids=[*MALFORMED, *UNAUTHORIZED])
def test_9_3_1_a_record_that_does_not_prove_the_name_says_why(record, kind):
    result = outcome(record)
    assert (result.verdict, result.error.kind) == (Verdict.INVALID, kind)
    assert result.error.detail.isascii()
    assert result.error.detail.isprintable()


def test_without_a_record_the_error_names_the_place_and_the_beginning():
    error = outcome().error
    assert error.kind == "incorrectResponse"
    assert error.detail == f"{NAME} has no TXT record; publish one that begins with ca.example;"


@pytest.mark.parametrize("changes", [{"wildcard": True}, {"subdomains": True}, {"wildcard": True, "subdomains": True}])
@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        ("", Verdict.INVALID),
        ("; policy=", Verdict.INVALID),
        ("; policy=wildcards", Verdict.INVALID),
        ("; policy=wild", Verdict.INVALID),
        ("; policy=wildcard", Verdict.VALID),
        ("; POLICY=WildCard", Verdict.VALID),
    ],
)
def test_5_1_and_6_2_a_wildcard_and_the_names_below_need_the_policy(changes, policy, verdict):
    result = outcome(f"ca.example; accounturi={HASHED}{policy}", **changes)
    assert result.verdict is verdict
    if verdict is Verdict.INVALID:
        assert "policy=wildcard" in result.error.detail


def test_4_3_2_one_good_record_is_enough_and_the_longest_counts():
    records = [f"ca.example; accounturi={HASHED}; persistUntil={seconds(days=days)}" for days in (1, 9, -9, 5)]
    assert outcome("ca.example; broken;;", *records).until == NOW + timedelta(days=9)
    assert outcome(*records, f"ca.example; accounturi={HASHED}").until is None


def test_4_1_the_proof_ends_with_persist_until():
    result = outcome(f"ca.example; accounturi={HASHED}; persistUntil=1893456000")
    assert result.until == datetime(2030, 1, 1, tzinfo=UTC)
    assert result.evidence["until"] == "2030-01-01T00:00:00+00:00"


def test_records_beyond_the_twentieth_of_ours_are_not_read():
    assert outcome(*["ca.example; x=1"] * 20, f"ca.example; accounturi={HASHED}").verdict is Verdict.INVALID
    assert outcome(*["ca.other; x=1"] * 99, f"ca.example; accounturi={HASHED}").verdict is Verdict.VALID


def test_without_an_account_hash_prefix_the_account_url_alone_counts():
    offer = DNS_PERSIST_01.offer(Identifier("dns", "example.org"), replace(CA, account_hash_prefix=""), ACCOUNT_URL)
    task = make_task(offer=offer)
    assert expected(task, NOW).accounts == {ACCOUNT_URL}
    assert "accountHashPrefix" not in offer


def test_without_an_account_no_record_can_name_it():
    with pytest.raises(ValueError, match="account's URL"):
        TYPE.validate(
            make_task(offer=OFFER, account_url=""), Network(TxtAnswer(NAME, (b"ca.example; accounturi=",), NAME))
        )


def test_4_the_record_is_looked_for_at_the_label():
    network = Network(TxtAnswer(NAME, (f"ca.example; accounturi={HASHED}".encode(),), NAME))
    task = make_task(offer=OFFER)
    assert TYPE.begin(task, {}, Outbox(), CA).due
    assert TYPE.validate(task, network).verdict is Verdict.VALID
    assert network.asked == [(NAME,)]


# The client's half.


@pytest.mark.parametrize("changes", [{}, {"wildcard": True}, {"subdomains": True}])
def test_4_what_the_client_publishes_the_server_takes_and_it_stays(changes):
    zone, task = Zone(), make_task(offer=OFFER, **changes)
    responder = DNS_PERSIST_01.respond(task, Tools(dns=zone))
    assert responder.present() == {}
    assert responder.wait() is None
    responder.clean_up()
    assert [name for name, _ in zone.records] == [NAME]
    assert TYPE.validate(task, Network(zone.answer(NAME))).verdict is Verdict.VALID


def test_7_2_3_without_a_prefix_nothing_is_published_on_the_word_of_the_ca():
    zone = Zone()
    offer = {"issuer-domain-names": ["big-ca.example"], "accounturi": "https://big-ca.example/acct/of-the-liar"}
    assert DNS_PERSIST_01.respond(make_task(offer=offer), Tools(dns=zone)).present() == {}
    assert zone.records == []


LIES = [
    {"issuerDomainNames": []},
    {"issuerDomainNames": None},
    {"issuerDomainNames": "ca.example"},
    {"issuerDomainNames": ["ca.example"] * 11},
    {"issuerDomainNames": ["ca.example", 1]},
    {"issuerDomainNames": ["CA.example"]},
    {"issuerDomainNames": ["ca.example."]},
    {"issuerDomainNames": ["big-ca.example; accounturi=https://big-ca.example/acct/of-the-liar"]},
    {"accountHashPrefix": "https://big-ca.example/acct/of-the-liar; x="},
    {"accountHashPrefix": "https://ca.example/ x"},
    {"accountHashPrefix": "https://ca.example/\n"},
    {"accountHashPrefix": ""},
    {"accountHashPrefix": 1},
    {"accountHashPrefix": "https://ca.example/" + "x" * 300},
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_3_1_an_offer_that_could_put_something_else_into_the_zone_is_refused(lie):
    zone = Zone()
    with pytest.raises(ValueError, match="CA's"):
        DNS_PERSIST_01.respond(make_task(offer=OFFER | lie), Tools(dns=zone)).present()
    assert zone.records == []
