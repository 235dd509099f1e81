"""draft-ietf-acme-dns-account-label-03: dns-account-01 as the server does it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

import pytest

from challenges.base import Error, Fault, TxtAnswer
from challenges.dns_account_01 import DNS_ACCOUNT_01, DRAFT
from tests.acme_requests import Client, b64, ec_key, thumbprint
from tests.tokens import assert_tokens_are_random

URN = "urn:ietf:params:acme:error:"


@dataclass
class Zones:
    """TXT records by name."""

    records: dict[str, list[bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: Fault | None = None

    def txt(self, name):
        self.asked.append(name)
        if self.down is not None:
            raise self.down
        return TxtAnswer(name, tuple(self.records.get(name, ())), name)


@pytest.fixture
def zones():
    return Zones()


@pytest.fixture
def client(make_ca, zones):
    return Client(make_ca(parts={"network": zones, "challenges": {"dns-account-01": DNS_ACCOUNT_01}})).register()


@pytest.fixture
def challenge(client):
    (authorization,) = client.order("example.org").json["authorizations"]
    return client.challenge(authorization, "dns-account-01")


def label(account):
    return "_" + base64.b32encode(hashlib.sha256(account.encode()).digest()[:10]).decode().lower()


def digest(challenge, key):
    return b64(hashlib.sha256(f"{challenge['token']}.{thumbprint(key)}".encode()).digest()).encode()


def test_3_the_draft_is_named():
    assert DRAFT == "draft-ietf-acme-dns-account-label-03"


def test_3_1_the_token_is_256_bits_in_base64url_without_padding(client):
    assert_tokens_are_random(client, "dns-account-01")


def test_3_3_the_digest_at_the_accounts_own_label_proves_the_name(client, zones, challenge):
    name = f"{label(client.account)}._acme-challenge.example.org"
    zones.records[name] = [b"other", digest(challenge, client.key)]
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    assert zones.asked == [name]


@pytest.mark.parametrize(
    "case", ["no record", "wrong digest", "other key", "label of dns-01", "label of another account"]
)
def test_3_3_anything_else_makes_the_challenge_invalid(client, zones, challenge, case):
    right = digest(challenge, client.key)
    at = f"{label(client.account)}._acme-challenge.example.org"
    if case == "wrong digest":
        zones.records[at] = [right[:-1], right + b"=", right.lower()]
    elif case == "other key":
        zones.records[at] = [digest(challenge, ec_key())]
    elif case == "label of dns-01":
        zones.records["_acme-challenge.example.org"] = [right]
    elif case == "label of another account":
        zones.records[f"{label(client.account + 'x')}._acme-challenge.example.org"] = [right]
    shown = client.post(challenge["url"], {}).json
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "incorrectResponse")


def test_3_4_a_fault_of_the_dns_is_told_as_such(client, zones, challenge):
    zones.down = Fault(Error("dns", "SERVFAIL"), transient=False)
    shown = client.post(challenge["url"], {}).json
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "dns")
    assert shown["error"]["detail"]


def test_3_4_where_no_record_is_the_error_names_the_account_url_it_was_looked_for_by(client, challenge):
    shown = client.post(challenge["url"], {}).json
    assert client.account in shown["error"]["detail"]


def test_3_5_the_label_is_made_of_the_very_url_that_Location_gave_and_stays(client, zones, challenge):
    urls = {client.account}
    for payload in ({"contact": ["mailto:a@example.org"]}, {}):
        assert client.post(client.account, payload).status == 200
        urls.add(Client(client.ca, client.key).post("new-account", {"onlyReturnExisting": True}).location)
    assert urls == {client.account}
    client.post(challenge["url"], {})
    assert zones.asked == [f"{label(client.account)}._acme-challenge.example.org"]
