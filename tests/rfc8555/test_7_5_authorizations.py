"""RFC 8555 §7.5, §7.5.1, §8.2: authorizations, responses to challenges, retries and Retry-After."""

from __future__ import annotations

import pytest

from challenges.base import Error, Fault
from tests.acme_requests import Client, ec_key, thumbprint
from tests.in_process import HoldingPool

OTHER = ec_key()
PASSING = Fault(Error("connection", "example.org did not answer"), transient=True)


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def authorization(client):
    return client.order("example.org").json["authorizations"][0]


def test_7_5_an_authorization_shows_its_identifier_and_every_challenge(ca, client, authorization):
    shown = client.post(authorization).json
    assert shown["identifier"] == {"type": "dns", "value": "example.org"}
    assert shown["status"] == "pending"
    assert shown["expires"] == "2026-06-08T12:00:00Z"
    assert [challenge["type"] for challenge in shown["challenges"]] == ["http-01", "email-01"]
    tokens = {challenge["token"] for challenge in shown["challenges"]}
    assert all(len(token) == 43 for token in tokens)
    assert len(tokens) == 2
    assert "subdomainAuthAllowed" not in shown


def test_7_1_4_once_it_is_decided_only_the_challenge_that_decided_it_is_shown(client, authorization):
    client.post(client.publish(authorization)["url"], {})
    shown = client.post(authorization).json
    assert shown["status"] == "valid"
    (challenge,) = shown["challenges"]
    assert (challenge["type"], challenge["status"], challenge["validated"]) == (
        "http-01",
        "valid",
        "2026-06-01T12:00:00Z",
    )
    assert shown["expires"] == "2026-06-11T12:00:00Z"


def test_7_5_a_valid_authorization_is_used_again_by_its_account_and_no_other(ca, client):
    first = client.ready("example.org").json["authorizations"]
    again = client.order("example.org")
    assert (again.json["authorizations"], again.json["status"]) == (first, "ready")
    other = Client(ca).register().order("example.org")
    assert (other.json["authorizations"] != first, other.json["status"]) == (True, "pending")
    ca.clock.advance(days=10)
    assert client.order("example.org").json["authorizations"] != first


def test_7_5_an_authorization_is_not_used_again_where_that_is_switched_off(make_ca):
    client = Client(make_ca(acme={"authorization_reuse": 0})).register()
    assert client.ready("example.org")
    assert client.order("example.org").json["status"] == "pending"


@pytest.mark.parametrize("proved", [False, True])
def test_7_5_2_a_deactivated_authorization_ends_its_orders_and_cannot_be_used(ca, client, proved):
    order = client.ready("example.org") if proved else client.order("example.org")
    (authorization,) = order.json["authorizations"]
    challenge = client.publish(authorization)["url"]
    assert client.post(authorization, {"status": "deactivated"}).json["status"] == "deactivated"
    assert client.post(order.location).json["status"] == "invalid"
    assert client.finalize(order).problem == "orderNotReady"
    if not proved:
        assert client.post(challenge, {}).problem == "malformed"
        assert ca.network.asked == []
    assert client.order("example.org").json["authorizations"] != [authorization]
    assert client.post(authorization, {"status": "deactivated"}).problem == "malformed"
    assert ca.events().count("authorization_deactivated") == 1


@pytest.mark.parametrize("payload", [{}, {"status": "valid"}, {"status": None}, {"status": ["deactivated"]}, b"[]"])
def test_7_5_2_no_other_change_is_taken(client, authorization, payload):
    assert client.post(authorization, payload).problem == "malformed"
    assert client.post(authorization).json["status"] == "pending"


def test_7_5_2_another_account_cannot_deactivate_it(ca, client, authorization):
    other = Client(ca).register()
    assert other.post(authorization, {"status": "deactivated"}).problem == "unauthorized"
    assert client.post(authorization).json["status"] == "pending"


def test_7_5_1_the_reply_to_a_response_is_the_challenge_with_a_link_to_its_authorization(client, authorization):
    reply = client.post(client.publish(authorization)["url"], {})
    assert (reply.status, reply.json["status"]) == (200, "valid")
    assert f'<{authorization}>;rel="up"' in reply.headers.get_all("Link")
    assert "Retry-After" not in reply.headers


@pytest.mark.parametrize("payload", [b"[]", b"x", b"null", b'"a"'])
def test_7_5_1_a_response_that_is_no_object_is_malformed_and_starts_nothing(ca, client, authorization, payload):
    assert client.post(client.publish(authorization)["url"], payload).problem == "malformed"
    assert ca.network.asked == []


def test_7_5_1_a_response_to_a_valid_challenge_changes_nothing(ca, client, authorization):
    challenge = client.publish(authorization)["url"]
    first = client.post(challenge, {})
    assert client.post(challenge, {}).json == first.json
    assert len(ca.network.asked) == 1


def test_7_5_1_a_response_to_a_failed_challenge_is_malformed(ca, client, authorization):
    challenge = client.challenge(authorization, "http-01")["url"]
    failed = client.post(challenge, {}).json
    assert (failed["status"], failed["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:dns")
    client.publish(authorization)
    assert client.post(challenge, {}).problem == "malformed"
    assert len(ca.network.asked) == 1


def test_7_1_6_a_failed_challenge_makes_authorization_and_order_invalid(ca, client):
    order = client.order("example.org", "www.example.org")
    client.post(client.challenge(order.json["authorizations"][0], "http-01")["url"], {})
    assert client.post(order.json["authorizations"][0]).json["status"] == "invalid"
    assert client.post(order.json["authorizations"][1]).json["status"] == "pending"
    assert client.post(order.location).json["status"] == "invalid"
    assert ca.events()[-1] == "authorization_invalid"
    email = ca.rows("SELECT status FROM challenges WHERE type = 'email-01'")
    assert email == [("pending",), ("pending",)]


def test_7_1_6_the_other_challenge_of_a_failed_authorization_takes_no_response(ca, client, authorization):
    email = client.challenge(authorization, "email-01")["url"]
    client.post(client.challenge(authorization, "http-01")["url"], {})
    assert client.post(email, {}).problem == "malformed"
    assert ca.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_8_2_while_it_is_validated_the_challenge_is_processing_with_Retry_After(make_ca):
    pool = HoldingPool()
    client = Client(make_ca(parts={"pool": lambda _: pool})).register()
    (authorization,) = client.order("example.org").json["authorizations"]
    challenge = client.publish(authorization)["url"]
    for reply in (client.post(challenge, {}), client.post(challenge)):
        assert (reply.json["status"], reply.headers["Retry-After"]) == ("processing", "1")
    waiting = client.post(authorization)
    assert (waiting.json["status"], waiting.headers["Retry-After"]) == ("pending", "1")
    pool.let_go()
    assert client.post(challenge).json["status"] == "valid"


def test_8_2_a_passing_fault_is_shown_and_tried_again_three_times_in_all(ca, client, authorization):
    ca.network.down = PASSING
    challenge = client.publish(authorization)["url"]
    seen = [client.post(challenge, {})]
    for seconds in (3, 6):
        ca.work_off()
        assert len(ca.network.asked) == len(seen), "not before it is due"
        ca.clock.advance(seconds=seconds)
        ca.work_off()
        seen.append(client.post(challenge))
    assert [reply.json["status"] for reply in seen] == ["processing", "processing", "invalid"]
    assert {reply.json["error"]["type"] for reply in seen} == {"urn:ietf:params:acme:error:connection"}
    assert "Retry-After" in seen[0].headers
    assert len(ca.network.asked) == 3
    ca.clock.advance(days=1)
    ca.work_off()
    assert len(ca.network.asked) == 3


def test_8_2_a_fault_that_has_passed_is_forgotten(ca, client, authorization):
    ca.network.down = PASSING
    challenge = client.publish(authorization)["url"]
    client.post(challenge, {})
    ca.network.down = None
    ca.clock.advance(seconds=3)
    ca.work_off()
    shown = client.post(challenge).json
    assert shown["status"] == "valid"
    assert "error" not in shown


def test_8_2_the_client_can_ask_for_the_retry_at_once(ca, client, authorization):
    ca.network.down = PASSING
    challenge = client.publish(authorization)["url"]
    client.post(challenge, {})
    ca.network.down = None
    assert client.post(challenge, {}).json["status"] == "valid"


def test_8_2_retries_that_the_client_asks_for_count_as_well(ca, client, authorization):
    """The validator is no generator of traffic."""
    ca.network.down = PASSING
    challenge = client.publish(authorization)["url"]
    statuses = [client.post(challenge, {}).json["status"] for _ in range(3)]
    assert statuses == ["processing", "processing", "invalid"]
    assert client.post(challenge, {}).problem == "malformed"
    assert len(ca.network.asked) == 3


def test_7_5_1_an_authorization_that_expires_while_it_is_validated_stays_expired(ca, client, authorization):
    challenge = client.publish(authorization)["url"]
    ca.network.before = lambda: ca.clock.advance(days=8)
    reply = client.post(challenge, {})
    assert reply.json["status"] == "invalid"
    assert client.post(authorization).json["status"] == "expired"
    assert ca.rows("SELECT count(*) FROM jobs WHERE kind = 'validate'") == [(0,)]


def test_7_5_2_an_authorization_that_is_deactivated_while_it_is_validated_stays_deactivated(ca, client, authorization):
    challenge = client.publish(authorization)["url"]
    ca.network.before = lambda: client.post(authorization, {"status": "deactivated"})
    client.post(challenge, {})
    assert client.post(authorization).json["status"] == "deactivated"
    assert "authorization_valid" not in ca.events()


def test_7_1_6_an_expired_authorization_takes_no_response_and_says_so(ca, client, authorization):
    challenge = client.publish(authorization)["url"]
    ca.clock.advance(days=7)
    assert client.post(challenge, {}).problem == "malformed"
    shown = client.post(authorization).json
    assert shown["status"] == "expired"
    assert {part["status"] for part in shown["challenges"]} == {"invalid"}
    assert all(part["error"]["detail"] for part in shown["challenges"])


def test_8_3_http_01_asks_the_name_for_the_token_and_wants_this_accounts_key_authorization(ca, client, authorization):
    challenge = client.publish(authorization)
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    assert ca.network.asked == [("example.org", f"/.well-known/acme-challenge/{challenge['token']}")]


@pytest.mark.parametrize(
    "body",
    [
        lambda token, _: token.encode(),
        lambda token, _: f"{token}.{thumbprint(OTHER)}".encode(),
        lambda token, mine: f"{token}.{mine}x".encode(),
        lambda token, mine: f"x{token}.{mine}".encode(),
        lambda token, mine: f"<p>{token}.{mine}</p>".encode(),
        lambda token, mine: f" {token}.{mine}".encode(),
        lambda _, __: b"",
        lambda _, __: b"\xff\0" * 600,
    ],
    ids=range(8),
)
def test_8_3_any_other_answer_is_incorrectResponse_and_proves_nothing(ca, client, body):
    order = client.order("example.org")
    (authorization,) = order.json["authorizations"]
    challenge = client.challenge(authorization, "http-01")
    path = f"/.well-known/acme-challenge/{challenge['token']}"
    ca.network.pages["example.org", path] = body(challenge["token"], thumbprint(client.key))
    shown = client.post(challenge["url"], {}).json
    assert (shown["status"], shown["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:incorrectResponse")
    assert client.post(order.location).json["status"] == "invalid"
    assert "authorization_valid" not in ca.events()
