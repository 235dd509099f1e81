"""RFC 8555 §8, §8.1, §8.2, §8.3: challenge objects, their tokens and errors, and how the server looks."""

from __future__ import annotations

import base64
import json
import re
from ipaddress import ip_network

import pytest

from acme_server.validation.network import GuardedNetwork
from challenges.base import Error, Fault, Verdict
from challenges.http_01 import judge
from tests.acme_requests import Client, b64, jwk_of, rsa_key, thumbprint
from tests.validation.servers import Names, answers, host, redirects

TIMED_OUT = Fault(Error("connection", "example.org did not answer"), transient=True)
NO_SERVER = Fault(Error("dns", "no resolver answered"), transient=True)


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def challenge(client):
    return client.publish(client.order("example.org").json["authorizations"][0])["url"]


def test_8_a_valid_challenge_says_when_and_no_error(ca, client, challenge):
    assert "validated" not in client.post(challenge).json
    ca.network.down = TIMED_OUT
    assert "validated" not in client.post(challenge, {}).json
    ca.network.down = None
    ca.clock.advance(seconds=30)
    shown = client.post(challenge, {}).json
    assert (shown["status"], shown["validated"]) == ("valid", "2026-06-01T12:00:30Z")
    assert "error" not in shown


def test_8_a_challenge_with_an_error_is_invalid_or_still_tried(ca, client, challenge):
    assert "error" not in client.post(challenge).json
    ca.network.down = TIMED_OUT
    seen = []
    for _ in range(4):
        client.post(challenge, {})
        seen.append(client.post(challenge).json)
    assert [shown["status"] for shown in seen] == ["processing", "processing", "invalid", "invalid"]
    assert all(shown["error"]["type"].startswith("urn:ietf:params:acme:error:") for shown in seen)
    assert all(shown["error"]["detail"] for shown in seen)


@pytest.mark.parametrize("zeros", [1, 3])
def test_8_1_an_rsa_modulus_with_leading_zeros_is_no_second_name_of_a_key(ca, zeros):
    key = rsa_key()
    Client(ca, key).register()
    jwk = jwk_of(key)
    padded = b64(bytes(zeros) + base64.urlsafe_b64decode(jwk["n"] + "=="))
    reply = Client(ca, key).post("new-account", {}, jwk=jwk | {"n": padded})
    assert (reply.status, reply.problem) == (400, "badPublicKey")
    assert ca.rows("SELECT count(*) FROM accounts") == [(1,)]


def test_8_2_while_it_is_retried_the_challenge_says_so_with_Retry_After(ca, client, challenge):
    ca.network.down = TIMED_OUT
    for reply in (client.post(challenge, {}), client.post(challenge)):
        assert reply.json["status"] == "processing"
        assert reply.json["error"]["detail"] == "example.org did not answer"
        assert int(reply.headers["Retry-After"]) > 0


def test_8_2_each_failed_query_adds_to_the_error(ca, client, challenge):
    for fault in (TIMED_OUT, NO_SERVER, TIMED_OUT):
        ca.network.down = fault
        client.post(challenge, {})
    shown = client.post(challenge).json
    assert shown["status"] == "invalid"
    told = json.dumps(shown["error"])
    assert NO_SERVER.error.detail in told
    assert told.count(TIMED_OUT.error.detail) >= 2


def test_8_2_Retry_After_is_later_than_the_next_query(ca, client, challenge):
    ca.network.down = TIMED_OUT
    client.post(challenge, {})
    for tries in (1, 2):
        wait = int(client.post(challenge).headers["Retry-After"])
        assert len(ca.network.asked) == tries
        ca.clock.advance(seconds=wait)
        ca.work_off()
        assert len(ca.network.asked) == tries + 1


def test_8_3_a_token_is_256_random_bits_in_base64url(ca, client):
    tokens = set()
    for number in range(10):
        (authorization,) = client.order(f"n{number}.example.org").json["authorizations"]
        tokens |= {part["token"] for part in client.post(authorization).json["challenges"] if "token" in part}
    assert len(tokens) >= 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)
    seen = [int.from_bytes(base64.urlsafe_b64decode(token + "=")) for token in tokens]
    # Random octets miss this once in 2^180 or so: each bit differs between some two of the tokens.
    varied = 0
    for value in seen:
        varied |= value ^ seen[0]
    assert varied.bit_count() > 250


def test_8_3_the_request_goes_to_port_80():
    dialled = []

    def connect(address, port, timeout):
        dialled.append((str(address), port))
        raise OSError

    names = Names({"example.org": ["192.0.2.1"]})
    network = GuardedNetwork(names, exempt=frozenset({ip_network("192.0.2.0/24")}), connect=connect)
    with pytest.raises(Fault):
        network.http_get("example.org", "/x", limit=10)
    assert dialled == [("192.0.2.1", 80)]


@pytest.mark.parametrize("blanks", [b"", b"\n", b"\r\n", b" \t\r\n\n"])
def test_8_3_white_space_at_the_end_of_the_body_does_not_count(ca, client, blanks):
    (authorization,) = client.order("example.org").json["authorizations"]
    challenge = client.challenge(authorization, "http-01")
    path = f"/.well-known/acme-challenge/{challenge['token']}"
    ca.network.pages["example.org", path] = f"{challenge['token']}.{thumbprint(client.key)}".encode() + blanks
    assert client.post(challenge["url"], {}).json["status"] == "valid"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_8_3_redirects_are_followed(status):
    with host(answers(b"token.thumbprint")) as there:
        # The one port that stands for 80 is the other's: only the first connection goes elsewhere.
        first = []
        with host(redirects("http://other.example.org/elsewhere", status)) as here:

            def connect(address, port, timeout):
                from acme_server.validation.network import dial

                first.append(port)
                return dial(address, here.port if len(first) == 1 else there.port, timeout)

            names = Names({"example.org": ["127.0.0.1"], "other.example.org": ["127.0.0.1"]})
            network = GuardedNetwork(names, exempt=frozenset({ip_network("127.0.0.0/8")}), connect=connect)
            answer = network.http_get("example.org", "/.well-known/acme-challenge/token", limit=100)
    assert judge(b"token.thumbprint", answer).verdict is Verdict.VALID
    assert answer.url == "http://other.example.org/elsewhere"
