"""RFC 8555 §7.4 and §7.5 from the client's side: the way through, and a CA that leaves it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from challenges import registry
from challenges.base import Identifier, Tools
from challenges.mail_code import format_code
from challenges.transports.mail import parse
from tests.client.conftest import FOUR
from tests.client.fake_ca import Answer, reply
from xmpp_client.csr import build_csr
from xmpp_client.enrol import EnrolRequest, enrol
from xmpp_client.errors import AcmeProblem, ChallengeFailed, ProtocolError, TransportError, UnsupportedError
from xmpp_client.keys import new_key
from xmpp_client.mailbox import MaildirReader, TypedReader
from xmpp_client.progress import Progress
from xmpp_client.webroot import Webroot


class Told(Progress):
    def __init__(self) -> None:
        self.steps: list[str] = []
        self.troubles: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


@pytest.fixture
def tools(tmp_path) -> Tools:
    return Tools(http=Webroot(tmp_path / "www"), mail=MaildirReader(tmp_path / "Maildir"), timeout=1.0)


@pytest.fixture
def account(session):
    session.register((), agree_terms=True)
    return session


def wanted(*preference: str, names: tuple[str, ...] = FOUR, profile: str = "") -> EnrolRequest:
    identifiers = tuple(Identifier("dns", name) for name in names)
    return EnrolRequest(identifiers, build_csr(new_key(), names), preference or ("email-01", "http-01"), profile)


def test_7_4_one_order_one_mail_four_names(ca, account, tools) -> None:
    told = Told()
    issued = enrol(account, wanted(), tools, registry(), told)
    assert issued.chain == ca.certificates["1"]
    assert len(ca.mails) == len(ca.authorizations) == 1
    assert told.troubles == []
    assert "proved example.org by email-01" in told.steps


def test_7_1_3_processing_is_polled(ca, account, tools) -> None:
    ca.polls_before_done = 3
    assert enrol(account, wanted(), tools, registry()).chain


def test_7_1_6_an_authorization_that_is_valid_already_asks_for_nothing(ca, account, tools) -> None:
    def valid(request):
        for authorization in ca.authorizations.values():
            authorization["status"] = "valid"

    ca.rules["authorization"] = valid
    assert enrol(account, wanted(), tools, registry()).chain
    assert ca.mails == []


def test_9444_without_subdomains_in_the_directory_each_name_is_proven(ca, session, tools) -> None:
    ca.subdomains = False
    session.register((), agree_terms=True)
    enrol(session, wanted(names=FOUR[:2]), tools, registry())
    assert [mail.to for mail in ca.mails] == ["postmaster@example.org", "postmaster@example.org"]
    assert all("ancestorDomain" not in i for i in ca.orders["1"]["payload"]["identifiers"])


def test_the_next_type_is_taken_where_the_first_is_not_offered(ca, account, tools) -> None:
    ca.offered = ["http-01"]
    ca.subdomains = False
    assert enrol(account, wanted(), tools, registry()).chain
    with pytest.raises(UnsupportedError, match="CA offers http-01, and this configuration can do email-01"):
        enrol(account, wanted("email-01"), tools, registry())
    with pytest.raises(UnsupportedError, match="none of the challenge types dns-99"):
        enrol(account, wanted("dns-99"), tools, registry())
    with pytest.raises(UnsupportedError):
        enrol(account, wanted(), replace(tools, http=None), registry())


def test_profiles_a_profile_that_is_not_listed_is_not_ordered(ca, account, tools) -> None:
    with pytest.raises(UnsupportedError, match="does not list the profile 'gold': it has xmpp"):
        enrol(account, wanted(profile="gold"), tools, registry())
    assert ca.orders == {}


def test_8_a_wrong_code_is_told_with_the_tries_left_and_another_may_follow(ca, account, tools) -> None:
    told = Told()
    wrong = format_code("A" * 32)
    answers = iter([wrong, None])
    typed = TypedReader(lambda question, timeout: next(answers) or parse(ca.mails[0].content).code, told)
    assert enrol(account, wanted(), replace(tools, mail=typed), registry(), told).chain
    assert len(told.troubles) == 1
    assert "2 tries left" in told.troubles[0]


def test_8_a_code_that_was_refused_is_not_sent_twice(ca, account, tools) -> None:
    typed = TypedReader(lambda question, timeout: format_code("A" * 32))
    with pytest.raises(ChallengeFailed, match="already refused"):
        enrol(account, wanted(), replace(tools, mail=typed), registry())
    assert sum("/challenge/" in request for request in ca.requests) == 2


def test_8_the_third_wrong_code_ends_it_with_the_cas_reason(ca, account, tools) -> None:
    codes = iter(format_code(letter * 32) for letter in "ABC")
    typed = TypedReader(lambda question, timeout: next(codes))
    with pytest.raises(ChallengeFailed, match="last try"):
        enrol(account, wanted(), replace(tools, mail=typed), registry())


def test_a_code_that_does_not_come_ends_in_time_and_says_where_it_looked(ca, account, tools, tmp_path) -> None:
    ca.maildir = None
    with pytest.raises(ChallengeFailed, match="no mail with the code in"):
        enrol(account, wanted(), replace(tools, timeout=0.2), registry())


def test_while_a_code_is_waited_for_the_end_of_its_challenge_is_noticed(ca, account, tools, monkeypatch) -> None:
    monkeypatch.setattr("xmpp_client.proof.WATCH", 0.05)
    ca.maildir = None

    def refuse(request):
        for authorization in ca.authorizations.values():
            if ca.mails:
                authorization["status"] = authorization["challenges"]["email-01"]["status"] = "invalid"
                authorization["challenges"]["email-01"]["error"] = {"type": "x", "detail": "no such mailbox"}

    ca.rules["authorization"] = refuse
    with pytest.raises(ChallengeFailed, match="no such mailbox"):
        enrol(account, wanted(), replace(tools, timeout=30.0), registry())


@pytest.mark.parametrize("pause", [Answer(502, b"<html>"), Answer(503, b"", {"Retry-After": "0"}), None])
def test_a_pause_of_the_ca_while_a_code_is_waited_for_is_told_and_ends_nothing(
    ca, account, tools, monkeypatch, tmp_path, pause
) -> None:
    monkeypatch.setattr("xmpp_client.proof.WATCH", 0.02)
    maildir, ca.maildir = ca.maildir, None
    busy = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "busy"}
    pause = pause or Answer(503, json.dumps(busy).encode(), {"Retry-After": "0"})
    refusals = [2 * account.policy.tries]

    def refuse(request):
        if not ca.mails or not refusals[0]:
            return None
        refusals[0] -= 1
        if not refusals[0]:
            (maildir / "new").mkdir(parents=True)
            (maildir / "new" / "1.late").write_bytes(ca.mails[0].content)
        return pause

    ca.rules["authorization"] = refuse
    told = Told()
    assert enrol(account, wanted(), replace(tools, timeout=30.0), registry(), told).chain
    assert len(told.troubles) == 1  # the same trouble is told once


def test_a_mailbox_that_is_not_offered_is_said_before_any_mail(ca, account, tools) -> None:
    with pytest.raises(ChallengeFailed, match=r"does not write to root@example\.org"):
        enrol(account, wanted(), replace(tools, mailbox="root@example.org"), registry())
    assert ca.mails == []


def test_8_3_http_01_is_cleaned_up_when_it_fails_too(ca, account, tools, tmp_path) -> None:
    def invalid(request):
        for authorization in ca.authorizations.values():
            if authorization["challenges"]["http-01"]["status"] != "pending":
                authorization["status"] = "invalid"

    ca.rules["authorization"] = invalid
    with pytest.raises(ChallengeFailed, match="was not proven"):
        enrol(account, wanted("http-01"), tools, registry())
    assert not (tmp_path / "www" / ".well-known").exists()


def order_for(ca, **changes):
    """Answer newOrder with an order that has been changed."""
    content = {
        "status": "pending", "finalize": f"{ca.base}/finalize/1", "authorizations": [f"{ca.base}/authorization/1"],
        "identifiers": [{"type": "dns", "value": name} for name in FOUR],
    }  # fmt: skip
    ca.rules["new-order"] = lambda request: reply(content | changes, 201, Location=f"{ca.base}/order/1")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"identifiers": [{"type": "dns", "value": "victim.test"}]}, "other names"),
        ({"identifiers": [{"type": "dns", "value": 7}]}, "identifier that is none"),
        ({"identifiers": {}}, "without a proper list"),
        ({"authorizations": ["https://evil.test/1"]}, "not on localhost"),
        ({"authorizations": ["x"] * 101}, "without a proper list"),
        ({"finalize": "http://localhost/f"}, "not on localhost"),
        ({"certificate": "https://evil.test/c"}, "not on localhost"),
        ({"status": "\x1b[31m"}, "unknown status"),
        ({"status": ["valid"]}, "unknown status"),
        ({"status": "valid", "authorizations": []}, "not where the certificate is"),
    ],
)
def test_7_1_3_an_order_that_is_not_ours_or_not_whole_is_refused(ca, account, tools, changes, text) -> None:
    order_for(ca, **changes)
    with pytest.raises(ProtocolError, match=text):
        enrol(account, wanted(), tools, registry())


@pytest.mark.parametrize("status", ["invalid", "expired", "deactivated", "revoked", "processing"])
def test_7_1_4_an_authorization_that_cannot_be_proven_ends_it(ca, account, tools, status) -> None:
    def spoil(request):
        for authorization in ca.authorizations.values():
            authorization["status"] = status

    ca.rules["authorization"] = spoil
    with pytest.raises(ChallengeFailed, match=status):
        enrol(account, wanted(), tools, registry())


def authorization_for(ca, *challenges, **changes):
    content = {
        "status": "pending",
        "identifier": {"type": "dns", "value": "example.org"},
        "challenges": list(challenges),
    }
    ca.rules["authorization"] = lambda request: reply(content | changes)


def challenge(ca, **changes):
    return {
        "type": "http-01",
        "url": f"{ca.base}/challenge/1-http-01",
        "status": "pending",
        "token": "a" * 22,
    } | changes


def test_7_1_4_a_proof_for_another_name_is_not_given(ca, account, tools) -> None:
    for value in ("victim.test", "org"):
        authorization_for(ca, challenge(ca), identifier={"type": "dns", "value": value})
        with pytest.raises(ProtocolError, match="not ordered"):
            enrol(account, wanted("http-01"), tools, registry())


@pytest.mark.parametrize(
    "token", ["../../../../etc/cron.d/x", "a" * 15, "a" * 129, "a" * 20 + "/", "a" * 20 + "\n", 7, None, "", "ä" * 30]
)
def test_8_1_a_token_that_is_not_base64url_is_not_used(ca, account, tools, tmp_path, token) -> None:
    authorization_for(ca, challenge(ca, token=token))
    with pytest.raises(UnsupportedError, match="cannot be proven"):
        enrol(account, wanted("http-01"), tools, registry())
    assert not (tmp_path / "www").exists()


@pytest.mark.parametrize("changes", [{"url": "https://evil.test/c"}, {"url": 7}, {"status": 3}, {"type": 3}])
def test_8_a_challenge_of_a_wrong_form_is_refused(ca, account, tools, changes) -> None:
    authorization_for(ca, challenge(ca, **changes))
    with pytest.raises((ProtocolError, UnsupportedError)):
        enrol(account, wanted("http-01"), tools, registry())


@pytest.mark.parametrize("offer", [{"from": "a@b.test", "mailboxes": "x"}, {"from": "a b", "mailboxes": ["a@b.test"]},
                                   {"from": "a@b.test", "mailboxes": ["\x1b[2J@b.test"]}, {}])  # fmt: skip
def test_an_email_01_of_a_wrong_form_is_refused(ca, account, tools, offer) -> None:
    authorization_for(ca, challenge(ca, type="email-01", **offer))
    ca.rules["challenge"] = lambda request: reply(challenge(ca, type="email-01", status="processing", **offer))
    with pytest.raises(ChallengeFailed):
        enrol(account, wanted("email-01"), tools, registry())


def test_a_ca_that_never_decides_is_left_when_the_time_is_over(ca, account, tools, frozen, tmp_path) -> None:
    enrolled = wanted("http-01", names=("example.org",))
    ca.rules["challenge"] = lambda request: reply(challenge(ca, status="processing"))
    account.clock = frozen.clock()
    account._end = account.policy.total
    with pytest.raises(TransportError, match=r"longer than this run may take|took too long"):
        enrol(account, enrolled, tools, registry())


def test_7_4_an_order_that_becomes_invalid_says_why(ca, account, tools) -> None:
    def invalid(request):
        shown = ca.orders["1"]["shown"]
        error = {"type": "urn:ietf:params:acme:error:caa", "detail": "CAA forbids it"}
        return reply({**shown, "status": "invalid", "error": error})

    ca.rules["finalize"] = invalid
    with pytest.raises(ChallengeFailed, match="CAA forbids it"):
        enrol(account, wanted(), tools, registry())


def test_6_7_a_refused_finalize_is_the_cas_problem(ca, account, tools) -> None:
    content = {"type": "urn:ietf:params:acme:error:badCSR", "detail": "no"}
    ca.rules["finalize"] = lambda request: Answer(400, json.dumps(content).encode())
    with pytest.raises(AcmeProblem) as caught:
        enrol(account, wanted(), tools, registry())
    assert (caught.value.problem.kind, caught.value.problem.status) == ("badCSR", 400)


def test_an_endless_certificate_is_cut(ca, account, tools) -> None:
    ca.rules["certificate"] = lambda request: Answer(200, b"-" * (1024 * 1024 + 1))
    with pytest.raises(ProtocolError, match="longer than"):
        enrol(account, wanted(), tools, registry())
