"""http-01, RFC 8555 §8.3: the rules, without a socket."""

from __future__ import annotations

import pytest

from challenges.base import Error, Fault, HttpAnswer, Identifier, Tools, Verdict
from challenges.http_01 import BODY_LIMIT, HTTP_01, expected, judge
from tests.challenges.parts import CA, THUMBPRINT, TOKEN, Network, Outbox, Publisher, make_task

RIGHT = f"{TOKEN}.{THUMBPRINT}".encode()
URL = "http://example.org/.well-known/acme-challenge/x"


def answer(body: bytes, status: int = 200) -> HttpAnswer:
    return HttpAnswer(status, body, URL, "192.0.2.1")


def test_8_1_the_key_authorization_is_token_dot_thumbprint():
    assert expected(make_task()) == RIGHT


@pytest.mark.parametrize("body", [RIGHT, RIGHT + b"\n", RIGHT + b"\r\n", RIGHT + b" \t\r\n\x0b\x0c"])
def test_8_3_the_key_authorization_is_valid_with_blanks_at_its_end(body):
    outcome = judge(RIGHT, answer(body))
    assert outcome.verdict is Verdict.VALID
    assert outcome.error is None
    assert outcome.assurance == "dns"
    assert outcome.evidence == {"url": URL, "address": "192.0.2.1", "status": 200}


WRONG = {
    "empty": b"",
    "blank at the beginning": b" " + RIGHT,
    "byte order mark": b"\xef\xbb\xbf" + RIGHT,
    "NUL at the end": RIGHT + b"\0",
    "among other text": b"<p>" + RIGHT + b"</p>",
    "more after it": RIGHT + b"\nmore",
    "blanks for as long as anybody reads": RIGHT.ljust(BODY_LIMIT),
    "token alone": TOKEN.encode(),
    "other account": f"{TOKEN}.{'A' * 43}".encode(),
    "other token": f"{'A' * 43}.{THUMBPRINT}".encode(),
    "other case": RIGHT.upper(),
    "not ASCII": "ü".encode() * 20,
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_8_3_any_other_body_is_invalid_and_shown_in_part(body):
    outcome = judge(RIGHT, answer(body))
    assert outcome.verdict is Verdict.INVALID
    assert outcome.error is not None
    assert outcome.error.kind == "incorrectResponse"
    assert outcome.error.detail.isascii()
    assert outcome.error.detail.isprintable()
    assert URL in outcome.error.detail
    assert "192.0.2.1" in outcome.error.detail


@pytest.mark.parametrize("status", [100, 201, 204, 206, 304, 403, 404, 500, 503])
def test_8_3_the_right_body_with_another_status_is_invalid(status):
    outcome = judge(RIGHT, answer(RIGHT, status))
    assert outcome.verdict is Verdict.INVALID
    assert f"status {status}" in outcome.error.detail


def test_10_4_a_requester_sees_at_most_32_octets_of_another_host():
    shown = judge(RIGHT, answer(b"S3CRET-" * 100)).error.detail
    assert shown.count("S3CRET-") == 4
    assert '"S3CRET-S3CRET-S3CRET-S3CRET-S3CR"' in shown


def test_terminal_sequences_and_line_ends_do_not_reach_the_error():
    assert "\x1b" not in judge(RIGHT, answer(b"\x1b[2J\r\nX: y\x00\x9b")).error.detail


@pytest.mark.parametrize(
    ("identifier", "offer"),
    [
        (Identifier("dns", "example.org"), {}),
        (Identifier("dns", "*.example.org"), None),
        (Identifier("jid", "juliet@example.org"), None),
    ],
)
def test_8_3_it_is_offered_for_names_that_are_no_wildcards(identifier, offer):
    assert HTTP_01.offer(identifier, CA) == offer


def test_rfc_9444_it_proves_no_subdomains():
    assert not HTTP_01.subdomains


@pytest.mark.parametrize("payload", [{}, {"resource": "challenge"}, {"keyAuthorization": "x"}])
def test_7_5_1_any_object_starts_the_validation(payload):
    progress = HTTP_01.begin(make_task(), payload, Outbox(), CA)
    assert progress.due
    assert progress.state == {}


def test_8_3_the_url_is_built_from_name_and_token():
    network = Network(answer(RIGHT))
    assert HTTP_01.validate(make_task(), network).verdict is Verdict.VALID
    assert network.asked == [("example.org", f"/.well-known/acme-challenge/{TOKEN}", 1024)]


@pytest.mark.parametrize(("transient", "verdict"), [(True, Verdict.RETRY), (False, Verdict.INVALID)])
def test_8_2_a_passing_fault_is_tried_again_and_another_ends_it(transient, verdict):
    error = Error("dns", "SERVFAIL")
    outcome = HTTP_01.validate(make_task(), Network(Fault(error, transient=transient)))
    assert (outcome.verdict, outcome.error) == (verdict, error)


def test_8_3_the_client_serves_what_the_server_expects_and_takes_it_away():
    publisher = Publisher()
    responder = HTTP_01.respond(make_task(), Tools(http=publisher))
    assert responder.present() == {}
    assert publisher.served == {TOKEN: RIGHT.decode()}
    assert responder.wait() is None
    responder.clean_up()
    assert publisher.served == {}


BAD_TOKENS = ["", "short", "../../etc/cron.d/x", "a" * 129, "a" * 20 + "/", "a" * 20 + "\n", "a" * 20 + "=", "ü" * 20]
BAD_TOKENS += ["." * 20, "a" * 20 + "\0", "a" * 20 + " ", "\u0661" * 20]


@pytest.mark.parametrize("token", BAD_TOKENS)
def test_8_1_a_token_that_is_not_base64url_becomes_no_file_name(token):
    publisher = Publisher({token: "someone else's"})
    responder = HTTP_01.respond(make_task(token=token), Tools(http=publisher))
    with pytest.raises(ValueError, match="base64url") as caught:
        responder.present()
    responder.clean_up()
    assert publisher.served == {token: "someone else's"}
    assert str(caught.value).isprintable()
