"""draft-ietf-acme-dns-persist-02 §4.2 to §9: what a validation reads, for what it counts, and until when."""

from __future__ import annotations

import pytest

from challenges.base import Error, Fault
from tests.acme_requests import Client
from tests.peers import ROOT
from tests.persist_lab import NAME, URN, answer, build, record, seconds


def test_4_2_issuers_are_compared_without_regard_to_case(client, zone, meta):
    issuer = meta["issuerDomainNames"][0]
    zone.records = [record(client, meta).replace(issuer, issuer.upper(), 1)]
    assert answer(client)[0]["status"] == "valid"


def test_4_2_deactivation_ends_it_at_once(ca, client, zone, meta):
    """Also for a validation that was begun before: the account's status counts when the DNS has answered."""
    zone.fault = Fault(Error("dns", "no answer"), transient=True)
    answer(client)
    client.post(client.account, {"status": "deactivated"})
    zone.fault, zone.records = None, [record(client, meta)]
    for _ in range(3):
        ca.clock.advance(seconds=30)
        ca.work_off()
    assert "authorization_valid" not in ca.events()


def test_4_2_every_validation_reads_the_dns_anew(client, zone, meta):
    zone.records = [record(client, meta)]
    shown, order = answer(client)
    assert shown["status"] == "valid"
    client.post(order.json["authorizations"][0], {"status": "deactivated"})
    zone.records = [record(client, meta, f"; persistUntil={seconds(days=-1)}")]
    assert answer(client)[0]["status"] == "invalid"
    zone.records = [record(client, meta).replace(meta["issuerDomainNames"][0], "other.example", 1)]
    assert answer(client)[0]["status"] == "invalid"
    zone.records = []
    assert answer(client)[0]["status"] == "invalid"
    assert len(zone.asked) == 4


def test_4_5_account_urls_and_the_prefix_are_made_of_external_url_alone_and_that_is_documented(
    ca, make_ca, client, meta
):
    again = make_ca(ca.database.parent)  # the same server, started again
    assert client.send("GET", f"{ca.url}/directory").json["meta"]["accountHashPrefix"] == meta["accountHashPrefix"]
    found = Client(again, client.key).post("new-account", {"onlyReturnExisting": True})
    assert found.location == client.account
    told = (ROOT / "docs" / "reference" / "conformance.md").read_text(encoding="utf-8").splitlines()
    assert any("accountHashPrefix" in line and "external_url" in line and "§4.5" in line for line in told)


def test_5_1_a_wildcard_needs_the_policy(client, zone, meta):
    zone.records = [record(client, meta)]
    assert answer(client, "*.example.org")[0]["status"] == "invalid"
    zone.records = [record(client, meta, "; policy=WildCard")]
    assert answer(client, "*.example.org")[0]["status"] == "valid"


def test_6_1_and_6_2_names_below_need_the_policy_and_are_below(client, zone, meta):
    below = {"type": "dns", "value": "a.b.example.org", "ancestorDomain": "example.org"}
    zone.records = [record(client, meta)]
    assert answer(client, below)[0]["status"] == "invalid"
    zone.records = [record(client, meta, "; policy=wildcard")]
    shown, order = answer(client, below)
    assert shown["status"] == "valid"
    assert client.finalize(order).json["status"] == "valid"
    for name in ("notexample.org", "example.org", "example.net"):
        identifier = {"type": "dns", "value": name, "ancestorDomain": "example.org"}
        assert client.post("new-order", {"identifiers": [identifier]}).problem == "rejectedIdentifier"


def test_7_4_a_record_for_a_name_that_is_not_ours_is_not_looked_at(client, zone, meta):
    zone.records = [record(client, meta).replace(meta["issuerDomainNames"][0], "ca.other", 1)]
    shown, _ = answer(client)
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "unauthorized")


def test_7_8_1_what_the_resolver_cannot_vouch_for_proves_nothing(ca, client, zone, meta):
    """A resolver that validates DNSSEC says SERVFAIL where the signatures are broken: a fault, whatever it holds."""
    zone.records = [record(client, meta)]
    zone.fault = Fault(Error("dns", "the answer was SERVFAIL"), transient=True)
    shown, order = answer(client)
    assert shown["status"] == "processing"
    for _ in range(3):
        ca.clock.advance(seconds=30)
        ca.work_off()
    assert client.post(order.json["authorizations"][0]).json["status"] == "invalid"


def test_7_9_the_proof_lasts_as_long_as_the_server_has_configured(make_ca, zone):
    ca = build(make_ca, zone, acme={"authorization_reuse": 3600 * 24})
    client = Client(ca).register()
    meta = client.send("GET", f"{ca.url}/directory").json["meta"]
    zone.records = [record(client, meta, f"; persistUntil={seconds(days=900)}")]
    _, order = answer(client)
    assert client.post(order.json["authorizations"][0]).json["expires"] == "2026-06-02T12:00:00Z"


@pytest.mark.parametrize("seconds_ago", [1, 3600, 10**9])
def test_7_10_a_record_whose_time_is_over_proves_nothing(client, zone, meta, seconds_ago):
    zone.records = [record(client, meta, f"; persistUntil={seconds() - seconds_ago}")]
    shown, _ = answer(client)
    assert (shown["status"], shown["error"]["type"]) == ("invalid", URN + "unauthorized")


def test_7_11_a_record_that_was_taken_away_fails_the_next_validation(ca, client, zone, meta):
    zone.records = [record(client, meta)]
    assert answer(client)[0]["status"] == "valid"
    zone.records = []
    ca.clock.advance(days=30)
    shown, _ = answer(client)
    assert (shown["status"], bool(shown["error"])) == ("invalid", True)


def test_9_1_a_record_fits_into_one_string_of_255_octets(client, meta):
    assert len(record(client, meta, f"; policy=wildcard; persistUntil={seconds(days=900)}")) <= 255


@pytest.mark.parametrize("name", ["EXAMPLE.org", "Example.ORG"])
def test_9_2_names_are_asked_for_in_their_normal_form(client, zone, meta, name):
    zone.records = [record(client, meta)]
    assert answer(client, name)[0]["status"] == "valid"
    assert zone.asked == [NAME]
    assert client.post("new-order", {"identifiers": [{"type": "dns", "value": "example.org."}]}).status == 400


def test_9_3_1_failed_validations_are_limited_by_account_and_name(make_ca, zone):
    client = Client(build(make_ca, zone, limits={"failed_validations_per_name": "2/1h"})).register()
    for _ in range(2):
        assert answer(client)[0]["status"] == "invalid"
    (authorization,) = client.order("example.org").json["authorizations"]
    reply = client.post(client.challenge(authorization, "dns-persist-01")["url"], {})
    assert (reply.status, reply.problem) == (429, "rateLimited")
    assert len(zone.asked) == 2
