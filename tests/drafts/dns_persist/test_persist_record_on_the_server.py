"""draft-ietf-acme-dns-persist-02 §2 to §4.1: directory, challenge object and record, as the server has them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from acme_server.config import ConfigError, load
from challenges.dns_persist_01 import DRAFT
from challenges.persist_record import ANY_DOMAIN
from tests.acme_requests import Client
from tests.persist_lab import NAME, URN, answer, change_key, record, seconds


def test_1_the_draft_is_named():
    assert DRAFT == "draft-ietf-acme-dns-persist-02"


@pytest.mark.parametrize("value", ["0x10", "1e10", "-1", "+9", "2030-01-01", "9999999999.0", "٣", " ", ""])
def test_2_persistUntil_is_seconds_in_decimal_digits(client, zone, meta, value):
    zone.records = [record(client, meta, f"; persistUntil={value}")]
    shown, _ = answer(client)
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "malformed")


def test_3_1_and_3_2_directory_and_challenge_name_the_same_issuers(ca, client, meta):
    (authorization,) = client.order("example.org").json["authorizations"]
    challenge = client.challenge(authorization, "dns-persist-01")
    names = challenge["issuerDomainNames"]
    assert 1 <= len(names) <= 10
    assert all(re.fullmatch(r"(?=.{1,253}\Z)[a-z0-9-]+(\.[a-z0-9-]+)*", name) for name in names)
    assert 1 <= len(meta["issuerDomainNames"]) <= 10
    assert set(meta["issuerDomainNames"]) <= set(names) <= set(meta["caaIdentities"])
    assert "token" not in challenge


@pytest.mark.parametrize("count", [10, 11])
def test_3_1_and_3_2_more_than_ten_names_stop_the_start(tmp_path, count):
    path = tmp_path / "xmpp-ica.toml"
    names = [f"ca{number}.example" for number in range(count)]
    path.write_text(
        f'name = "CA"\nexternal_url = "https://ca.example"\nlisten = "127.0.0.1:443"\n[acme]\ncaa_identities = {names}\n'
    )
    if count > 10:
        with pytest.raises(ConfigError, match="caa_identities"):
            load(path)
    else:
        assert load(path).issuer_domain_names == tuple(names)


def test_3_2_the_directory_names_the_issuers(meta):
    assert meta["issuerDomainNames"]
    assert set(meta["issuerDomainNames"]) <= set(meta["caaIdentities"])


def test_4_1_the_directory_has_a_prefix_for_hashed_accounts_that_makes_a_url(ca, meta):
    assert re.fullmatch(re.escape(ca.url) + r"/[A-Za-z0-9/_.-]+/", meta["accountHashPrefix"])


@pytest.mark.parametrize("domain", ["example.org", ANY_DOMAIN])
def test_4_1_a_hash_by_the_present_key_for_the_domain_or_for_any_proves_the_name(client, zone, meta, domain):
    zone.records = [record(client, meta, domain=domain)]
    assert answer(client)[0]["status"] == "valid"
    assert zone.asked == [NAME]


def test_4_1_and_4_2_a_hash_by_any_former_key_still_proves_the_name(client, zone, meta):
    records = []
    for _ in range(3):
        records.append(record(client, meta))
        change_key(client)
    for number, old in enumerate(records):
        zone.records = [old]
        shown, order = answer(client)
        assert shown["status"] == "valid", number
        client.post(order.json["authorizations"][0], {"status": "deactivated"})


def test_4_1_a_record_of_another_issuer_is_not_taken(client, zone, meta):
    _, _, account = record(client, meta).partition(";")
    zone.records = [f"{issuer};{account}" for issuer in ("ca.other", "x.ca.example", "example", "")]
    shown, _ = answer(client)
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "unauthorized")


def test_4_1_a_record_without_accounturi_is_malformed(client, zone, meta):
    zone.records = [f"{meta['issuerDomainNames'][0]}; policy=wildcard"]
    shown, _ = answer(client)
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "malformed")


@pytest.mark.parametrize("name", ["sha-512", "sha-256-128", "SHA-256", "md5", "sha256"])
def test_4_1_the_hash_is_called_sha_256(client, zone, meta, name):
    good = record(client, meta)
    assert f"{meta['accountHashPrefix']}sha-256/" in good
    zone.records = [good.replace("/sha-256/", f"/{name}/")]
    shown, _ = answer(client)
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "malformed")
    zone.records = [good]
    assert answer(client)[0]["status"] == "valid"


@pytest.mark.parametrize("policy", ["WILDCARD", "Wildcard", "wildcards", "", "any"])
def test_4_1_a_policy_counts_in_any_case_and_an_unknown_one_not_at_all(client, zone, meta, policy):
    zone.records = [record(client, meta, f"; policy={policy}")]
    assert answer(client)[0]["status"] == "valid"
    wide = "valid" if policy.lower() == "wildcard" else "invalid"
    assert answer(client, "*.example.org")[0]["status"] == wide


@pytest.mark.parametrize(
    "change", [str.upper, str.swapcase, lambda uri: uri.replace("/sha", "//sha"), lambda uri: uri + "="]
)
def test_4_1_accounturi_is_compared_as_it_stands(client, zone, meta, change):
    issuer, _, account = record(client, meta).partition("; accounturi=")
    zone.records = [f"{issuer}; accounturi={change(account)}"]
    assert answer(client)[0]["status"] == "invalid"


def test_4_1_a_key_of_another_account_proves_nothing(ca, client, zone, meta):
    other = Client(ca).register()
    zone.records = [record(client, meta, key=other.key), record(other, meta)]
    shown, _ = answer(client)
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "unauthorized")


def test_4_1_a_plain_account_url_proves_nothing(client, zone, meta):
    zone.records = [f"{meta['issuerDomainNames'][0]}; accounturi={client.account}"]
    assert answer(client)[0]["status"] == "invalid"


def test_4_1_the_authorization_ends_with_persistUntil_and_no_certificate_is_made_after_it(ca, client, zone, meta):
    zone.records = [record(client, meta, f"; persistUntil={seconds(hours=5)}")]
    shown, order = answer(client)
    assert shown["status"] == "valid"
    (authorization,) = order.json["authorizations"]
    assert datetime.fromisoformat(client.post(authorization).json["expires"]) <= datetime(2026, 6, 1, 17, tzinfo=UTC)
    ca.clock.advance(hours=5, seconds=1)
    assert client.post(authorization).json["status"] == "expired"
    assert client.finalize(order).problem == "orderNotReady"
    assert answer(client)[0]["error"]["type"] == URN + "unauthorized"
    assert ca.rows("SELECT count(*) FROM certificates") == [(0,)]
