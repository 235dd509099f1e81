"""What every challenge type keeps to, ours and those from outside (challenges.base.ChallengeType)."""

from __future__ import annotations

import json

import pytest

from challenges import registry
from challenges.base import BadResponse, Begun, ChallengeType, Error, Fault, Identifier, Outcome, Tools, Verdict
from tests.challenges.parts import (
    ACCOUNT_URL,
    CA,
    THUMBPRINT,
    TOKEN,
    Network,
    Outbox,
    Publisher,
    Reader,
    TlsHost,
    Zone,
    make_task,
)

TYPES = sorted(registry().items())
pytestmark = pytest.mark.parametrize(("name", "challenge"), TYPES, ids=[name for name, _ in TYPES])

PAYLOADS = [{}, {"response": None}, {"response": 1}, {"response": "x" * 100_000}, {"mailbox": []}, {"mailbox": "a@b"}]
PAYLOADS += [{"keyAuthorization": "old draft"}, {"x": {"y": [None] * 100}}, {"mailbox": "postmaster@example.org\r\n"}]
TOOLS = Tools(http=Publisher(), mail=Reader("A" * 32), dns=Zone(), tls=TlsHost())


def offered(challenge: ChallengeType):
    offer = challenge.offer(Identifier("dns", "example.org"), CA, ACCOUNT_URL)
    assert offer is not None
    return make_task(offer=offer)


def test_9_7_8_the_registry_knows_a_type_by_its_name_on_the_wire(name, challenge):
    assert challenge.type == name
    assert all(isinstance(it, bool) for it in (challenge.subdomains, challenge.wildcards, challenge.has_token))


def test_7_1_4_only_types_that_ask_dns_prove_a_wildcard(name, challenge):
    assert challenge.wildcards is name.startswith("dns-")


def test_rfc_9444_4_only_types_that_ask_dns_or_the_postmaster_prove_the_names_below(name, challenge):
    assert challenge.subdomains is (name.startswith("dns-") or name == "email-01")


def test_rfc_8738_only_types_that_ask_the_host_prove_an_address(name, challenge):
    offers = [challenge.offer(Identifier("ip", address), CA, ACCOUNT_URL) for address in ("192.0.2.1", "2001:db8::1")]
    assert offers == ([{}, {}] if name in ("http-01", "tls-alpn-01") else [None, None])


def test_an_offer_is_json_and_leaves_the_members_of_rfc_8555_8_alone(name, challenge):
    offer = challenge.offer(Identifier("dns", "example.org"), CA, ACCOUNT_URL)
    assert not set(offer) & {"type", "url", "status", "token", "error", "validated"}
    assert json.loads(json.dumps(offer)) == offer


UNPROVABLE = [
    Identifier("unknown", "example.org"),
    Identifier("dns", "*.example.org"),
    Identifier("jid", "juliet@example.org"),
]


@pytest.mark.parametrize("identifier", UNPROVABLE, ids=str)
def test_what_cannot_be_proved_is_not_offered(name, challenge, identifier):
    assert challenge.offer(identifier, CA, ACCOUNT_URL) is None


@pytest.mark.parametrize("payload", PAYLOADS, ids=[str(payload)[:30] for payload in PAYLOADS])
def test_7_5_1_any_payload_makes_progress_or_is_a_bad_response(name, challenge, payload):
    outbox = Outbox()
    try:
        begun = challenge.begin(offered(challenge), payload, outbox, CA)
    except BadResponse as error:
        assert str(error).isprintable()  # noqa: PT017 - either way is right
        assert outbox.mails == []
    else:
        assert isinstance(begun, Begun)
        assert json.loads(json.dumps(begun.state)) == begun.state


def test_begin_changes_no_value_that_it_was_given(name, challenge):
    task = offered(challenge)
    before = repr(task)
    challenge.begin(task, {}, Outbox(), CA)
    assert repr(task) == before


@pytest.mark.parametrize("transient", [True, False])
def test_8_2_the_faults_of_the_network_become_outcomes(name, challenge, transient):
    task = offered(challenge)
    task = make_task(offer=task.offer, state=challenge.begin(task, {}, Outbox(), CA).state)
    outcome = challenge.validate(task, Network(Fault(Error("connection", "refused"), transient=transient)))
    assert isinstance(outcome, Outcome)
    assert outcome.verdict is not Verdict.VALID
    assert outcome.error is not None
    assert outcome.state is None or json.loads(json.dumps(outcome.state)) == outcome.state


def test_a_client_without_tools_has_no_responder(name, challenge):
    assert challenge.respond(offered(challenge), Tools()) is None


def test_clean_up_does_not_need_present_to_have_run(name, challenge):
    tools = Tools(http=Publisher(), mail=Reader("A" * 32), dns=Zone(), tls=TlsHost())
    challenge.respond(offered(challenge), tools).clean_up()
    assert (tools.http, tools.dns, tools.tls) == (Publisher(), Zone(), TlsHost())


def test_7_5_1_what_a_responder_presents_is_what_begin_takes(name, challenge):
    task = offered(challenge)
    payload = challenge.respond(task, TOOLS).present()
    assert isinstance(challenge.begin(task, json.loads(json.dumps(payload)), Outbox(), CA), Begun)


def test_no_state_holds_the_token_or_the_thumbprint(name, challenge):
    kept = json.dumps(challenge.begin(offered(challenge), {}, Outbox(), CA).state)
    assert TOKEN not in kept
    assert THUMBPRINT not in kept
