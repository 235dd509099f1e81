"""dns-01, RFC 8555 §8.4: the rules, without a socket."""

from __future__ import annotations

import base64
import hashlib

import pytest

from challenges.base import Error, Fault, Identifier, Tools, TxtAnswer, Verdict
from challenges.dns_01 import DNS_01, expected, judge
from tests.challenges.parts import ACCOUNT_URL, CA, THUMBPRINT, TOKEN, Network, Outbox, Zone, make_task

NAME = "_acme-challenge.example.org"
DIGEST = base64.urlsafe_b64encode(hashlib.sha256(f"{TOKEN}.{THUMBPRINT}".encode()).digest()).rstrip(b"=")


def answer(*records: bytes, final: str = NAME) -> TxtAnswer:
    return TxtAnswer(NAME, records, final)


def test_8_4_the_record_is_the_digest_of_the_key_authorization_without_padding():
    assert expected(make_task()) == DIGEST.decode()
    assert len(DIGEST) == 43


@pytest.mark.parametrize(
    "records", [(DIGEST,), (b"other", DIGEST), (DIGEST, b""), (b"v=spf1 -all", b"x" * 60_000, DIGEST)]
)
def test_8_4_one_right_record_among_others_is_valid(records):
    outcome = judge(DIGEST.decode(), answer(*records))
    assert outcome.verdict is Verdict.VALID
    assert (outcome.error, outcome.until, outcome.assurance) == (None, None, "dns")
    assert outcome.evidence == {"name": NAME, "final": NAME, "records": len(records)}


WRONG = {
    "padded": DIGEST + b"=",
    "blank before": b" " + DIGEST,
    "blank after": DIGEST + b" ",
    "in quotes": b'"' + DIGEST + b'"',
    "other case": DIGEST.swapcase(),
    "cut short": DIGEST[:-1],
    "twice": DIGEST + DIGEST,
    "the key authorization itself": f"{TOKEN}.{THUMBPRINT}".encode(),
    "hexadecimal": hashlib.sha256(f"{TOKEN}.{THUMBPRINT}".encode()).hexdigest().encode(),
    "standard base64": base64.b64encode(hashlib.sha256(f"{TOKEN}.{THUMBPRINT}".encode()).digest()),
    "empty": b"",
    "octets": b"\x00\xff\x1b[2J\r\n",
}


@pytest.mark.parametrize("record", WRONG.values(), ids=WRONG.keys())
def test_8_4_any_other_record_is_invalid_and_shown_in_part(record):
    outcome = judge(DIGEST.decode(), answer(record))
    assert (outcome.verdict, outcome.error.kind) == (Verdict.INVALID, "incorrectResponse")
    assert outcome.error.detail.isascii()
    assert outcome.error.detail.isprintable()
    assert outcome.error.detail.startswith(f"none of the 1 TXT records of {NAME} is the digest")


def test_10_4_a_requester_sees_at_most_32_octets_of_a_record():
    assert judge(DIGEST.decode(), answer(b"S3CRET-" * 100)).error.detail.count("S3CRET-") == 4


def test_8_4_no_record_is_invalid_and_says_which_name_was_asked():
    error = judge(DIGEST.decode(), answer()).error
    assert error.kind == "incorrectResponse"
    assert error.detail.startswith(f"{NAME} has no TXT record; publish one")


def test_the_error_says_where_a_cname_led():
    detail = judge(DIGEST.decode(), answer(final="d420c923.auth.example")).error.detail
    assert f"{NAME} (by CNAME d420c923.auth.example) has no TXT record" in detail


def test_neither_evidence_nor_error_holds_the_digest():
    for outcome in (judge(DIGEST.decode(), answer(b"x")), judge(DIGEST.decode(), answer(DIGEST))):
        assert DIGEST.decode() not in f"{outcome.error} {outcome.evidence}"


@pytest.mark.parametrize("wildcard", [False, True])
def test_8_4_a_wildcard_is_proved_at_the_name_without_it(wildcard):
    network = Network(answer(DIGEST))
    assert DNS_01.validate(make_task(wildcard=wildcard), network).verdict is Verdict.VALID
    assert network.asked == [(NAME,)]


@pytest.mark.parametrize(("transient", "verdict"), [(True, Verdict.RETRY), (False, Verdict.INVALID)])
def test_8_2_a_passing_fault_is_tried_again_and_another_ends_it(transient, verdict):
    error = Error("dns", "SERVFAIL")
    outcome = DNS_01.validate(make_task(), Network(Fault(error, transient=transient)))
    assert (outcome.verdict, outcome.error) == (verdict, error)


LONG = ".".join(["a" * 58] * 4) + ".org"


@pytest.mark.parametrize(("name", "fits"), [(LONG[-237:], True), (LONG[-238:], False)])
def test_a_name_that_leaves_no_room_for_the_label_is_not_offered(name, fits):
    assert (DNS_01.offer(Identifier("dns", name), CA, ACCOUNT_URL) is not None) is fits


def test_7_5_1_any_object_starts_the_validation():
    assert DNS_01.begin(make_task(), {"resource": "challenge"}, Outbox(), CA).due


def test_8_4_the_client_publishes_what_the_server_expects_and_takes_away_no_more():
    zone = Zone([(NAME, "other"), ("example.org", DIGEST.decode())])
    responder = DNS_01.respond(make_task(), Tools(dns=zone))
    assert responder.present() == {}
    assert DNS_01.validate(make_task(), Network(zone.answer(NAME))).verdict is Verdict.VALID
    assert responder.wait() is None
    responder.clean_up()
    assert zone.records == [(NAME, "other"), ("example.org", DIGEST.decode())]


@pytest.mark.parametrize("token", ["", "short", "a" * 129, "a" * 20 + "\n", "a" * 20 + "=", "ü" * 20])
def test_8_1_for_a_token_that_is_not_base64url_nothing_is_published(token):
    zone = Zone()
    responder = DNS_01.respond(make_task(token=token), Tools(dns=zone))
    with pytest.raises(ValueError, match="base64url") as caught:
        responder.present()
    responder.clean_up()
    assert zone.records == []
    assert str(caught.value).isprintable()
