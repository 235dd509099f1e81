"""email-01: each rule of the protocol, without mail server and clock."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from challenges.base import BadResponse, Identifier, Mail, Tools, Verdict
from challenges.email_01 import EMAIL_01, Email01, Expected, expected, judge
from challenges.mail_code import answer, parse_code
from challenges.transports.mail import parse
from tests.challenges.parts import CA, NOW, THUMBPRINT, TOKEN, Network, Outbox, Reader, make_task

HALF = f"{TOKEN}.{THUMBPRINT}"
POSTMASTER = "postmaster@example.org"
HOSTMASTER = "hostmaster@example.org"
WRONG = "A" * 43


class Ca:
    """The server's side of one challenge: what a worker and a handler do with the type."""

    def __init__(self, name: str = "example.org", **changes) -> None:
        octets = (bytes([count % 256]) * 64 for count in itertools.count(1))
        self.time = NOW
        self.type = Email01(random=lambda size: next(octets)[:size], now=lambda: self.time)
        self.task = make_task(name, offer=self.type.offer(Identifier("dns", name), CA), **changes)
        self.outbox = Outbox()
        self.due = False

    def post(self, **payload) -> Ca:
        begun = self.type.begin(self.task, payload, self.outbox, CA)
        self.due = begun.due
        self.task = replace(self.task, state=json.loads(json.dumps(begun.state)))
        return self

    def work(self):
        outcome = self.type.validate(self.task, Network(AssertionError()))
        if outcome.state is not None:
            self.task = replace(self.task, state=json.loads(json.dumps(outcome.state)))
        return outcome

    def bounce(self, number: int, detail: str = "550 no such user"):
        outcome = self.type.undeliverable(self.task, self.outbox.mails[number], detail)
        self.task = replace(self.task, state=json.loads(json.dumps(outcome.state)))
        return outcome

    def code(self, number: int = 0) -> str:
        return parse_code(parse(self.outbox.mails[number].content).code)

    def right(self, number: int = 0) -> str:
        return answer(self.code(number), HALF)


# Offer.


@pytest.mark.parametrize(
    ("name", "domains"),
    [
        ("example.org", ["example.org"]),
        ("conference.example.org", ["example.org"]),
        ("a.b.example.org", ["b.example.org", "example.org"]),
        ("xn--bcher-kva.example.org", ["example.org"]),
    ],
)
def test_addresses_are_built_from_the_parents_up_to_the_registrable_domain_nearest_first(name, domains):
    offer = EMAIL_01.offer(Identifier("dns", name), CA)
    boxes = [f"{local}@{domain}" for domain in domains for local in ("postmaster", "hostmaster")]
    assert offer == {"from": "acme@ca.example", "mailboxes": boxes}


def test_a_public_suffix_has_no_postmaster_to_ask():
    assert EMAIL_01.offer(Identifier("dns", "org"), CA) is None


def test_a_ca_that_sends_no_mail_does_not_offer_it():
    assert EMAIL_01.offer(Identifier("dns", "example.org"), replace(CA, mail_from=None)) is None


@pytest.mark.parametrize("identifier", [Identifier("dns", "*.example.org"), Identifier("jid", "a@example.org")])
def test_only_plain_names_are_offered(identifier):
    assert EMAIL_01.offer(identifier, CA) is None


def test_rfc_9444_it_proves_subdomains():
    assert EMAIL_01.subdomains


# Step 1: one mail.


def test_step_1_an_empty_payload_mails_the_first_mailbox():
    ca = Ca().post()
    assert [mail.to for mail in ca.outbox.mails] == [POSTMASTER]
    assert not ca.due


def test_step_1_a_mailbox_of_the_list_can_be_chosen():
    ca = Ca().post(mailbox=HOSTMASTER)
    assert [(mail.to, mail.sender) for mail in ca.outbox.mails] == [(HOSTMASTER, "acme@ca.example")]


def test_step_1_a_second_post_for_the_same_mailbox_changes_nothing():
    ca = Ca().post()
    state = ca.task.state
    ca.post().post(mailbox=POSTMASTER)
    assert len(ca.outbox.mails) == 1
    assert ca.task.state == state


def test_each_mailbox_has_its_own_code():
    ca = Ca().post(mailbox=POSTMASTER).post(mailbox=HOSTMASTER)
    assert [mail.to for mail in ca.outbox.mails] == [POSTMASTER, HOSTMASTER]
    assert ca.code(0) != ca.code(1)


@pytest.mark.parametrize(
    "mailbox", ["root@example.org", "postmaster@evil.example", "POSTMASTER@EXAMPLE.ORG", "", None, 1, [], {}]
)
def test_mail_goes_to_no_other_mailbox(mailbox):
    ca = Ca()
    with pytest.raises(BadResponse, match="one of the"):
        ca.post(mailbox=mailbox)
    assert ca.outbox.mails == []


def test_the_code_is_kept_as_the_hash_of_the_answer_only():
    ca = Ca().post()
    kept = json.dumps(ca.task.state)
    assert hashlib.sha256(ca.right().encode()).hexdigest() in kept
    for secret in (ca.code(), ca.right(), HALF):
        assert secret not in kept


def test_the_mail_says_who_asks_for_what_until_when():
    names = ("example.org", "xn--bcher-kva.example.org")
    ca = Ca(names=names, expires=NOW + timedelta(minutes=30)).post()
    text = ca.outbox.mails[0].content.decode("ascii")
    assert "ACME-Challenge: https://ca.example/acme/challenge/Zk3q\r\n" in text
    assert "2026-11-23 12:00 UTC" in text
    assert "2026-11-23 12:30 UTC" in text
    assert THUMBPRINT[:12] in text
    assert THUMBPRINT not in text
    assert TOKEN not in text
    assert "xn--bcher-kva.example.org" in text
    assert "abuse@ca.example" in text


# Steps 2 and 3: the answer.


def test_step_3_the_right_answer_is_valid_with_the_assurance_mail():
    ca = Ca().post()
    ca.post(mailbox=POSTMASTER, response=ca.right())
    assert ca.due
    outcome = ca.work()
    assert outcome.verdict is Verdict.VALID
    assert outcome.error is None
    assert outcome.assurance == "mail"
    assert outcome.evidence == {"mailbox": POSTMASTER, "tries_left": 3}


def test_step_3_a_wrong_answer_waits_and_tells_the_tries_left():
    ca = Ca().post()
    for left in ("2 tries left", "1 try left"):
        outcome = ca.post(response=WRONG).work()
        assert outcome.verdict is Verdict.WAITING
        assert outcome.error.kind == "incorrectResponse"
        assert left in outcome.error.detail
    assert ca.post(response=ca.right()).work().verdict is Verdict.VALID


def test_step_3_the_third_wrong_answer_makes_it_invalid():
    ca = Ca().post()
    verdicts = [ca.post(response=WRONG).work().verdict for _ in range(3)]
    assert verdicts == [Verdict.WAITING, Verdict.WAITING, Verdict.INVALID]


def test_step_3_tries_are_counted_per_mailbox():
    ca = Ca().post(mailbox=POSTMASTER).post(mailbox=HOSTMASTER)
    for mailbox in (POSTMASTER, HOSTMASTER) * 2:
        assert ca.post(mailbox=mailbox, response=WRONG).work().verdict is Verdict.WAITING
    assert ca.post(mailbox=HOSTMASTER, response=WRONG).work().verdict is Verdict.INVALID


def test_the_code_of_one_mailbox_does_not_answer_for_another():
    ca = Ca().post(mailbox=POSTMASTER).post(mailbox=HOSTMASTER)
    assert ca.post(mailbox=HOSTMASTER, response=ca.right(0)).work().verdict is Verdict.WAITING
    assert ca.post(mailbox=HOSTMASTER, response=ca.right(1)).work().verdict is Verdict.VALID


@pytest.mark.parametrize("half", [f"{TOKEN}.{'B' * 43}", f"{'B' * 43}.{THUMBPRINT}"], ids=["account", "challenge"])
def test_the_code_is_worth_nothing_for_another_account_or_challenge(half):
    ca = Ca().post()
    assert ca.post(response=answer(ca.code(), half)).work().verdict is Verdict.WAITING


def test_a_code_of_an_earlier_challenge_is_a_wrong_answer():
    earlier, ca = Ca().post(), Ca(token="C" * 43).post()
    assert ca.post(response=earlier.right()).work().verdict is Verdict.WAITING


@pytest.mark.parametrize(
    "response", [None, 1, True, [], {}, "", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "\n", "ü" * 43]
)
def test_what_is_no_answer_is_a_bad_response_and_costs_no_try(response):
    ca = Ca().post()
    state = ca.task.state
    with pytest.raises(BadResponse, match="43 characters"):
        ca.post(response=response)
    assert ca.task.state == state


@pytest.mark.parametrize("payload", [{}, {"mailbox": POSTMASTER}, {"mailbox": HOSTMASTER}])
def test_an_answer_before_a_code_was_sent_is_a_bad_response(payload):
    with pytest.raises(BadResponse, match="no code has been sent"):
        Ca().post(**payload, response=WRONG)


def test_an_answer_for_a_mailbox_without_a_code_is_a_bad_response():
    with pytest.raises(BadResponse, match="no code has been sent"):
        Ca().post(mailbox=POSTMASTER).post(mailbox=HOSTMASTER, response=WRONG)


def test_an_answer_for_a_mailbox_that_is_not_offered_is_a_bad_response():
    with pytest.raises(BadResponse, match="one of the"):
        Ca().post().post(mailbox="root@example.org", response=WRONG)


def test_an_answer_without_mailbox_means_the_only_one_that_was_mailed():
    ca = Ca().post(mailbox=HOSTMASTER)
    assert ca.post(response=ca.right()).work().evidence["mailbox"] == HOSTMASTER


def test_an_answer_without_mailbox_is_a_bad_response_where_two_were_mailed():
    with pytest.raises(BadResponse, match="say which"):
        Ca().post(mailbox=POSTMASTER).post(mailbox=HOSTMASTER).post(response=WRONG)


def test_an_answer_while_one_is_judged_is_a_bad_response_that_says_to_poll():
    ca = Ca().post().post(response=WRONG)
    with pytest.raises(BadResponse, match="poll"):
        ca.post(response=ca.right())
    assert ca.work().verdict is Verdict.WAITING
    assert ca.post(response=ca.right()).work().verdict is Verdict.VALID


def test_other_members_of_the_payload_are_ignored():
    assert len(Ca().post(mailbox=POSTMASTER, resource="challenge").outbox.mails) == 1


def test_judging_twice_what_is_not_there_takes_no_try():
    ca = Ca().post().post(response=WRONG)
    ca.work()
    outcome = ca.work()
    assert outcome.verdict is Verdict.WAITING
    assert outcome.state is None
    assert expected(ca.task, POSTMASTER).tries == 2


@pytest.mark.parametrize(
    ("digest", "tries", "verdict"),
    [
        ("ab", 3, Verdict.VALID),
        ("ab", 1, Verdict.VALID),
        ("cd", 3, Verdict.WAITING),
        ("cd", 2, Verdict.WAITING),
        ("cd", 1, Verdict.INVALID),
    ],
)
def test_judge_is_a_table(digest, tries, verdict):
    assert judge(Expected(digest="ab", tries=tries), digest).verdict is verdict


# Life.


def test_life_is_an_hour_and_then_any_post_ends_the_challenge():
    ca = Ca().post()
    ca.time += timedelta(minutes=59, seconds=59)
    ca.post(mailbox=HOSTMASTER)
    assert len(ca.outbox.mails) == 2
    ca.time += timedelta(seconds=1)
    ca.post(mailbox=POSTMASTER, response=ca.right())
    assert ca.due
    outcome = ca.work()
    assert outcome.verdict is Verdict.INVALID
    assert "2026-11-23T13:00:00+00:00" in outcome.error.detail


def test_life_ends_with_the_authorization():
    ca = Ca(expires=NOW + timedelta(minutes=5)).post()
    ca.time += timedelta(minutes=5)
    assert ca.post(response=ca.right()).work().verdict is Verdict.INVALID


def test_an_answer_that_came_in_time_is_judged_although_the_worker_was_late():
    ca = Ca().post()
    ca.post(response=ca.right())
    ca.time += timedelta(hours=2)
    assert ca.work().verdict is Verdict.VALID


def test_no_mail_is_sent_after_the_life():
    ca = Ca(expires=NOW - timedelta(seconds=1)).post()
    assert ca.outbox.mails == []
    assert ca.due
    assert ca.work().verdict is Verdict.INVALID


@pytest.mark.parametrize("life", [timedelta(0), timedelta(hours=24, seconds=1)])
def test_life_is_at_most_24_hours(life):
    with pytest.raises(ValueError, match="24 hours"):
        Email01(life=life)


def test_a_challenge_that_nobody_posted_to_waits():
    assert Ca().work().verdict is Verdict.WAITING


def test_the_end_of_the_life_is_when_validate_is_to_run_by_itself():
    ca, end = Ca(), NOW + timedelta(hours=1)
    begun = ca.type.begin(ca.task, {}, ca.outbox, CA)
    assert (begun.due, begun.again) == (False, end)
    ca.post()
    assert ca.post(response=WRONG).work().again == end
    assert ca.work().again == end
    assert ca.bounce(0).again == end
    ca.time = end
    assert ca.work().verdict is Verdict.INVALID
    assert ca.work().again is None


# Refused mail.


def test_a_5xx_ends_that_mailbox_only_and_names_the_other():
    outcome = Ca().post().bounce(0)
    assert outcome.verdict is Verdict.WAITING
    assert outcome.error.detail.startswith(f"{POSTMASTER} does not take mail: 550 no such user")
    assert HOSTMASTER in outcome.error.detail


def test_a_5xx_for_each_mailbox_makes_it_invalid():
    ca = Ca().post()
    ca.bounce(0)
    ca.post(mailbox=HOSTMASTER)
    assert ca.bounce(1).verdict is Verdict.INVALID


def test_the_other_mailbox_proves_the_name_after_a_5xx():
    ca = Ca().post()
    ca.bounce(0)
    ca.post(mailbox=HOSTMASTER)
    assert ca.post(mailbox=HOSTMASTER, response=ca.right(1)).work().verdict is Verdict.VALID


def test_an_answer_for_a_mailbox_that_has_ended_is_a_bad_response():
    ca = Ca().post()
    ca.bounce(0)
    with pytest.raises(BadResponse, match="another mailbox"):
        ca.post(response=ca.right())


def test_an_ended_mailbox_gets_no_second_mail():
    ca = Ca().post()
    ca.bounce(0)
    ca.post(mailbox=POSTMASTER)
    assert len(ca.outbox.mails) == 1


def test_what_a_mail_server_said_is_shown_as_printable_text():
    detail = Ca().post().bounce(0, "550 \x1b[31mno\r\nsuch " + "user" * 200).error.detail
    assert detail.isprintable()
    assert len(detail) < 400


def test_a_refused_mail_to_nobody_we_know_changes_no_verdict():
    ca = Ca().post()
    assert ca.type.undeliverable(ca.task, Mail("x@example.net", "a@ca.example", b""), "550").verdict is Verdict.WAITING


# The client.


def client(tools: Tools, **offer):
    task = make_task(offer={"from": "acme@ca.example", "mailboxes": [POSTMASTER, HOSTMASTER]} | offer)
    return EMAIL_01.respond(task, tools)


def test_the_client_asks_for_the_first_mailbox_unless_one_is_chosen():
    assert client(Tools(mail=Reader(None))).present() == {"mailbox": POSTMASTER}
    assert client(Tools(mail=Reader(None), mailbox=HOSTMASTER)).present() == {"mailbox": HOSTMASTER}


def test_the_client_says_so_when_the_chosen_mailbox_is_not_offered():
    with pytest.raises(ValueError, match=r"does not write to admin@example.org, only to postmaster@example.org"):
        client(Tools(mail=Reader(None), mailbox="admin@example.org")).present()


def test_the_client_writes_to_any_plain_address_that_a_server_may_have():
    sender = "acme=ca@x.org"
    reader = Reader("B" * 32)
    client(Tools(mail=reader), **{"from": sender}).wait()
    assert [asked[1] for asked in reader.asked] == [sender]


def test_the_client_waits_for_the_code_and_answers_with_its_digest():
    reader = Reader("B" * 32)
    payload = client(Tools(mail=reader, timeout=7.0)).wait()
    assert payload == {"mailbox": POSTMASTER, "response": answer("B" * 32, HALF)}
    assert reader.asked == [("https://ca.example/acme/challenge/Zk3q", "acme@ca.example", POSTMASTER, 7.0)]


def test_the_client_lets_the_readers_timeout_through():
    with pytest.raises(TimeoutError):
        client(Tools(mail=Reader(None))).wait()


HOSTILE = [
    {"mailboxes": None},
    {"mailboxes": []},
    {"mailboxes": [1]},
    {"mailboxes": "a@b"},
    {"mailboxes": ["a@b\x1b[2J"]},
]
HOSTILE += [{"mailboxes": ["a b@c"]}, {"from": None}, {"from": "x"}, {"from": "a@b\r\n"}, {"from": ["a@b"]}]


@pytest.mark.parametrize("offer", HOSTILE, ids=str)
def test_the_client_believes_no_offer_that_is_not_addresses(offer):
    with pytest.raises(ValueError, match="address"):
        client(Tools(mail=Reader("B" * 32)), **offer).wait()


def test_both_sides_agree_from_offer_to_valid():
    ca = Ca("a.example.org")
    reader = Reader(None)
    responder = ca.type.respond(replace(ca.task, state={}), Tools(mail=reader))
    ca.post(**responder.present())
    reader.found = ca.code()
    assert ca.post(**responder.wait()).work().verdict is Verdict.VALID
    responder.clean_up()
