"""RFC 8657 §3 to §5, through the whole CA: accounts and methods, by records as an owner would write them."""

from __future__ import annotations

import pytest

from acme_server.urls import Urls
from acme_server.validation.caa import Property
from acme_server.validation.caa_lookup import CaaLookup
from tests.acme_requests import URN, Client, ec_key
from tests.open_challenge import OpenChallenge, opened
from tests.peers import ROOT


class Records:
    """Implements `CaaRecords`; what stands at example.org."""

    value = ""

    def caa(self, name: str, deadline: float) -> tuple[Property, ...]:
        return (Property(0, "issue", self.value.encode()),) if name == "example.org" else ()


@pytest.fixture
def records():
    return Records()


@pytest.fixture
def ca(make_ca, records):
    types = opened(OpenChallenge("email-01"), OpenChallenge("xmpp-01"), OpenChallenge("dns-01"))
    return make_ca(parts={"challenges": types, "caa": CaaLookup(records, ("ca.example",))})


@pytest.fixture
def client(ca):
    return Client(ca).register()


def proved(client, method="dns-01"):
    """The order, after it was proved by the method; and its status."""
    order = client.order("example.org")
    for url in order.json["authorizations"]:
        client.post(client.challenge(url, method)["url"], {})
    shown = client.post(order.location).json
    return order, shown["status"] if shown["status"] == "ready" else shown["error"]["type"].removeprefix(URN)


def test_3_1_the_url_of_the_acme_account_is_recognised_and_no_other_account_gets_in(ca, client, records):
    records.value = f"ca.example; accounturi={client.account}"
    assert proved(client)[1] == "ready"
    assert proved(Client(ca).register())[1] == "caa"


def test_3_1_a_change_of_its_key_leaves_the_account_the_same(client, records):
    records.value = f"ca.example; accounturi={client.account}"
    new = ec_key()
    assert client.post("key-change", client.key_change(new)).status == 200
    client.key = new
    assert proved(client)[1] == "ready"


@pytest.mark.parametrize("method", ["email-01", "xmpp-01"])
@pytest.mark.parametrize("prefix", ["", "ca-"])
def test_4_the_method_that_proved_the_name_must_be_listed_by_either_of_its_names(client, records, method, prefix):
    records.value = f"ca.example; validationmethods=http-01,{prefix}{method}"
    assert proved(client)[1] == "caa"
    assert proved(client, method)[1] == "ready"


@pytest.mark.parametrize(
    "value",
    ["ca.example; accounturi=https://ca.example/acme/account/other", "ca.example; validationmethods=http-01", ";"],
)
def test_5_5_what_the_owner_has_forbidden_since_the_proof_is_not_signed_for(ca, client, records, value):
    records.value = f"ca.example; accounturi={client.account}; validationmethods=dns-01"
    order, status = proved(client)
    assert status == "ready"
    records.value = value
    ca.clock.advance(hours=8)
    client.finalize(order)
    assert client.post(order.location).json["error"]["type"] == URN + "caa"
    assert ca.rows("SELECT count(*) FROM certificates") == [(0,)]


def test_5_5_what_the_owner_has_not_changed_is_signed_for(ca, client, records):
    records.value = f"ca.example; accounturi={client.account}; validationmethods=dns-01"
    order, _ = proved(client)
    ca.clock.advance(hours=8)
    assert client.finalize(order).json["status"] == "valid"


def test_5_4_account_urls_have_an_authority_and_are_each_an_accounts_own():
    urls = {Urls(base, base).account(id_) for base in ("https://a.example", "https://b.example") for id_ in ("x", "y")}

    assert len(urls) == 4
    assert all(url.startswith(("https://a.example/", "https://b.example/")) for url in urls)


def test_5_2_the_reference_says_which_parameters_are_supported_and_who_checks_dnssec():
    page = (ROOT / "docs" / "reference" / "xmpp-ica.md").read_text(encoding="utf-8")
    section = page.partition("\n## CAA\n")[2].partition("\n## ")[0]

    assert all(f"`{word}`" in section for word in ("accounturi", "validationmethods", "issuewild"))
    assert "DNSSEC" in section
