"""email-01 through the whole CA: which codes count, how often, and what a failing smarthost changes."""

from __future__ import annotations

import hashlib
import json

import pytest

from challenges.mail_code import answer, parse_code
from tests.acme_requests import Client, b64, thumbprint

WRONG = b64(bytes(32))


@pytest.fixture
def ca(make_ca, mail_sink):
    return make_ca(mail={"from": "acme@ca.example", "smarthost": mail_sink.address})


@pytest.fixture
def client(ca):
    return Client(ca).register()


class Enrolment:
    """One order that is proved by mail."""

    def __init__(self, client, sink):
        self.client, self.ca, self.sink = client, client.ca, sink
        self.order = client.order("example.org")
        self.authorization = self.order.json["authorizations"][0]
        self.challenge = client.challenge(self.authorization, "email-01")
        self.url = self.challenge["url"]

    def ask(self, **payload):
        reply = self.client.post(self.url, payload)
        self.ca.work_off()
        return reply

    def answer_to(self, code, key=None, token=None):
        return answer(parse_code(code), f"{token or self.challenge['token']}.{thumbprint(key or self.client.key)}")

    def respond(self, response, **members):
        return self.client.post(self.url, {"response": response} | members)

    def nothing_is_issued(self):
        assert self.ca.rows("SELECT count(*) FROM certificates") == [(0,)]
        assert self.ca.rows("SELECT count(*) FROM orders WHERE certificate IS NOT NULL OR csr IS NOT NULL") == [(0,)]
        assert self.ca.rows("SELECT count(*) FROM authorizations WHERE status = 'valid'") == [(0,)]
        assert self.client.finalize(self.order).problem == "orderNotReady"
        return True


@pytest.fixture
def enrolment(client, mail_sink):
    mail_sink.start()
    return Enrolment(client, mail_sink)


def test_email_01_the_challenge_names_its_sender_and_the_mailboxes(enrolment):
    assert enrolment.challenge["from"] == "acme@ca.example"
    assert enrolment.challenge["mailboxes"] == ["postmaster@example.org", "hostmaster@example.org"]


def test_email_01_asking_sends_one_mail_and_the_right_answer_proves_the_name(enrolment):
    asked = enrolment.ask(mailbox="hostmaster@example.org")
    assert asked.json["status"] == "processing"
    (mail,) = enrolment.sink.mails
    assert (mail["To"], mail["ACME-Challenge"]) == ("hostmaster@example.org", enrolment.url)
    done = enrolment.respond(enrolment.answer_to(enrolment.sink.code()), mailbox="hostmaster@example.org")
    assert done.json["status"] == "valid"
    assert enrolment.client.finalize(enrolment.order).json["status"] == "valid"


def test_email_01_no_second_mail_goes_to_a_mailbox(enrolment):
    for _ in range(3):
        enrolment.ask()
    enrolment.ask(mailbox="postmaster@example.org")
    assert len(enrolment.sink.mails) == 1


def test_email_01_wrong_answers_are_refused_with_the_tries_left_and_the_third_ends_it(enrolment):
    enrolment.ask()
    replies = [enrolment.respond(WRONG) for _ in range(3)]
    assert [reply.json["status"] for reply in replies] == ["processing", "processing", "invalid"]
    for reply, left in zip(replies, ("2 tries left", "1 try left", "last try"), strict=True):
        assert reply.json["error"]["type"] == "urn:ietf:params:acme:error:incorrectResponse"
        assert left in reply.json["error"]["detail"]
    assert enrolment.nothing_is_issued()
    right = enrolment.answer_to(enrolment.sink.code())
    assert enrolment.respond(right).problem == "malformed"
    assert enrolment.nothing_is_issued()


def test_email_01_the_right_answer_after_two_wrong_ones_counts(enrolment):
    enrolment.ask()
    for _ in range(2):
        enrolment.respond(WRONG)
    assert enrolment.respond(enrolment.answer_to(enrolment.sink.code())).json["status"] == "valid"


def test_email_01_a_code_of_another_order_is_refused(enrolment, client):
    enrolment.ask()
    other = Enrolment(client, enrolment.sink)
    other.ask()
    assert len(enrolment.sink.mails) == 2
    reused = other.respond(other.answer_to(enrolment.sink.code(0)))
    assert "2 tries left" in reused.json["error"]["detail"]
    with_its_token = other.respond(other.answer_to(enrolment.sink.code(0), token=enrolment.challenge["token"]))
    assert "1 try left" in with_its_token.json["error"]["detail"]
    assert other.nothing_is_issued()


def test_email_01_a_code_that_was_used_proves_nothing_again(enrolment, client):
    enrolment.ask()
    response = enrolment.answer_to(enrolment.sink.code())
    assert enrolment.respond(response).json["status"] == "valid"
    client.post(enrolment.authorization, {"status": "deactivated"})
    again = Enrolment(client, enrolment.sink)
    again.ask()
    assert "2 tries left" in again.respond(response).json["error"]["detail"]
    assert again.nothing_is_issued()


def test_email_01_a_code_that_was_mailed_for_one_account_is_refused_to_another(ca, enrolment):
    """Whoever can read the mail but has not the account's key proves nothing, in either account."""
    enrolment.ask()
    thief = Client(ca).register()
    assert thief.post(enrolment.url, {"response": WRONG}).problem == "unauthorized"
    own = Enrolment(thief, enrolment.sink)
    own.ask()
    refused = own.respond(own.answer_to(enrolment.sink.code(0)))
    assert "2 tries left" in refused.json["error"]["detail"]
    refused = own.respond(enrolment.answer_to(enrolment.sink.code(0)))
    assert "1 try left" in refused.json["error"]["detail"]
    assert own.nothing_is_issued()
    assert "error" not in enrolment.client.post(enrolment.url).json, "the other's tries are his own"


def test_email_01_an_answer_made_with_another_key_is_refused(enrolment):
    enrolment.ask()
    forged = enrolment.answer_to(enrolment.sink.code(), key=Client(enrolment.ca).key)
    assert "2 tries left" in enrolment.respond(forged).json["error"]["detail"]
    assert enrolment.nothing_is_issued()


def test_email_01_a_code_is_good_for_an_hour(enrolment):
    enrolment.ask()
    enrolment.ca.clock.advance(hours=1)
    reply = enrolment.respond(enrolment.answer_to(enrolment.sink.code()))
    assert (reply.json["status"], reply.json["error"]["type"]) == (
        "invalid",
        "urn:ietf:params:acme:error:incorrectResponse",
    )
    assert enrolment.nothing_is_issued()


def test_email_01_a_challenge_that_nobody_answers_ends_by_itself(enrolment):
    enrolment.ask()
    enrolment.ca.clock.advance(minutes=59)
    enrolment.ca.work_off()
    assert enrolment.client.post(enrolment.url).json["status"] == "processing"
    enrolment.ca.clock.advance(minutes=1)
    enrolment.ca.work_off()
    assert enrolment.client.post(enrolment.url).json["status"] == "invalid"
    assert enrolment.client.post(enrolment.order.location).json["status"] == "invalid"
    assert enrolment.ca.rows("SELECT count(*) FROM jobs WHERE kind <> 'crl'") == [(0,)]


@pytest.mark.parametrize(
    "payload",
    [
        {"mailbox": "root@example.org"},
        {"mailbox": "postmaster@example.net"},
        {"mailbox": "Postmaster@example.org"},
        {"mailbox": "postmaster@example.org\r\nBcc: a@example.net"},
        {"mailbox": ["postmaster@example.org"]},
        {"mailbox": None},
        {"response": WRONG},
        {"response": WRONG, "mailbox": "hostmaster@example.org"},
    ],
)
def test_email_01_mail_goes_to_the_mailboxes_offered_and_answers_to_those_asked_for(enrolment, payload):
    assert enrolment.client.post(enrolment.url, payload).problem == "malformed"
    enrolment.ca.work_off()
    assert enrolment.sink.mails == []
    assert enrolment.client.post(enrolment.url).json["status"] == "pending"


@pytest.mark.parametrize("response", ["", "a", "A" * 42, "A" * 44, "A" * 42 + "=", None, 1, [WRONG], WRONG + "\n"])
def test_email_01_what_can_be_no_answer_costs_no_try(enrolment, response):
    enrolment.ask()
    assert enrolment.respond(response).problem == "malformed"
    (state,) = enrolment.ca.rows("SELECT state FROM challenges WHERE type = 'email-01'")[0]
    assert json.loads(state)["mailboxes"]["postmaster@example.org"]["tries"] == 3


def test_email_01_the_code_is_in_the_outbox_alone_and_gone_once_it_is_mailed(enrolment):
    enrolment.client.post(enrolment.url, {})
    assert enrolment.ca.rows("SELECT count(*) FROM outbox") == [(1,)]
    enrolment.ca.work_off()
    assert enrolment.ca.rows("SELECT count(*) FROM outbox") == [(0,)]
    code = enrolment.sink.code()
    secrets = [parse_code(code), code, enrolment.answer_to(code)]
    dump = str([enrolment.ca.rows(f"SELECT * FROM {table}") for table in ("challenges", "jobs", "audit", "notices")])
    assert not any(secret in dump for secret in secrets)
    assert hashlib.sha256(enrolment.answer_to(code).encode()).hexdigest() in dump
    shown = enrolment.client.post(enrolment.url).content + enrolment.client.post(enrolment.authorization).content
    assert not any(secret.encode() in shown for secret in secrets)
    assert [record.event for record in enrolment.ca.audit()][-1] == "mail_delivered"


def test_email_01_while_the_smarthost_is_down_the_challenge_says_so_and_the_mail_is_tried_again(client, mail_sink):
    enrolment = Enrolment(client, mail_sink)
    enrolment.ask()
    shown = client.post(enrolment.url).json
    assert (shown["status"], shown["error"]["type"]) == ("processing", "urn:ietf:params:acme:error:connection")
    assert client.post(enrolment.authorization).json["status"] == "pending"
    for seconds in (5, 10, 20):
        enrolment.ca.clock.advance(seconds=seconds)
        enrolment.ca.work_off()
    assert enrolment.ca.rows("SELECT tries FROM jobs WHERE kind = 'mail'") == [(4,)]
    assert client.post(enrolment.order.location).json["status"] == "pending"
    mail_sink.start()
    enrolment.ca.work_off()
    assert mail_sink.mails == [], "not before it is due"
    enrolment.ca.clock.advance(seconds=40)
    enrolment.ca.work_off()
    assert len(mail_sink.mails) == 1
    assert "error" not in client.post(enrolment.url).json
    assert enrolment.respond(enrolment.answer_to(mail_sink.code())).json["status"] == "valid"
    assert client.finalize(enrolment.order).json["status"] == "valid"


def test_email_01_a_smarthost_that_stays_down_ends_with_the_code_and_never_sends_it_later(client, mail_sink):
    enrolment = Enrolment(client, mail_sink)
    enrolment.ask()
    for _ in range(20):
        enrolment.ca.clock.advance(minutes=5)
        enrolment.ca.work_off()
    assert client.post(enrolment.url).json["status"] == "invalid"
    assert client.post(enrolment.authorization).json["status"] == "invalid"
    mail_sink.start()
    enrolment.ca.clock.advance(minutes=5)
    enrolment.ca.work_off()
    assert mail_sink.mails == []
    assert enrolment.ca.rows("SELECT count(*) FROM outbox") == [(0,)]
    assert enrolment.ca.rows("SELECT count(*) FROM jobs WHERE kind = 'mail'") == [(0,)]


def test_email_01_greylisting_puts_the_mail_off(enrolment):
    enrolment.sink.replies = ["451 4.7.1 come back"]
    enrolment.ask()
    assert "451" in enrolment.client.post(enrolment.url).json["error"]["detail"]
    enrolment.ca.clock.advance(seconds=5)
    enrolment.ca.work_off()
    assert len(enrolment.sink.mails) == 1


def test_email_01_a_mailbox_that_is_refused_for_good_leaves_the_other_and_both_end_it(enrolment):
    enrolment.sink.replies = ["550 5.1.1 no such user", "550 5.1.1 no such user"]
    enrolment.ask()
    shown = enrolment.client.post(enrolment.url).json
    assert (shown["status"], shown["error"]["type"]) == ("processing", "urn:ietf:params:acme:error:connection")
    assert "hostmaster@example.org" in shown["error"]["detail"]
    assert enrolment.respond(WRONG).problem == "malformed"
    enrolment.ask(mailbox="hostmaster@example.org")
    assert enrolment.client.post(enrolment.url).json["status"] == "invalid"
    assert enrolment.client.post(enrolment.order.location).json["status"] == "invalid"
    assert enrolment.nothing_is_issued()


def test_email_01_a_mail_whose_authorization_was_deactivated_is_not_sent(client, mail_sink):
    enrolment = Enrolment(client, mail_sink)
    enrolment.ask()
    client.post(enrolment.authorization, {"status": "deactivated"})
    mail_sink.start()
    enrolment.ca.clock.advance(seconds=5)
    enrolment.ca.work_off()
    assert mail_sink.mails == []
    assert enrolment.ca.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_email_01_is_not_offered_without_a_smarthost(make_ca):
    client = Client(make_ca(mail=None)).register()
    offered = client.post(client.order("example.org").json["authorizations"][0]).json["challenges"]
    assert [challenge["type"] for challenge in offered] == ["http-01"]
