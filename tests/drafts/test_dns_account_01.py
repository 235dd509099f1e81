"""dns-account-01, draft-ietf-acme-dns-account-label-03: the label; the rest is dns-01."""

from __future__ import annotations

import pytest

from challenges.base import Identifier, Tools, TxtAnswer, Verdict
from challenges.dns_01 import expected
from challenges.dns_account_01 import DNS_ACCOUNT_01, DRAFT, label_of
from tests.challenges.parts import ACCOUNT_URL, CA, Network, Zone, make_task


def test_the_draft_is_named():
    assert DRAFT == "draft-ietf-acme-dns-account-label-03"


def test_the_label_is_that_of_the_drafts_own_example():
    assert label_of("https://example.com/acme/acct/ExampleAccount") == "_ujmmovf2vn55tgye"


def test_each_account_has_its_own_label_of_seventeen_characters():
    labels = {label_of(f"https://ca.example/acme/account/{number}") for number in range(100)}
    assert len(labels) == 100
    assert {len(label) for label in labels} == {17}
    assert all(label == label.lower() for label in labels)


@pytest.mark.parametrize("wildcard", [False, True])
def test_the_record_is_looked_for_at_both_labels(wildcard):
    task = make_task(wildcard=wildcard)
    name = f"{label_of(ACCOUNT_URL)}._acme-challenge.example.org"
    network = Network(TxtAnswer(name, (b"other", expected(task).encode()), name))
    assert DNS_ACCOUNT_01.validate(task, network).verdict is Verdict.VALID
    assert network.asked == [(name,)]


def test_what_the_client_of_one_account_publishes_proves_nothing_for_another():
    zone = Zone()
    ours, other = make_task(), make_task(account_url="https://ca.example/acme/account/other", thumbprint="A" * 43)
    responder = DNS_ACCOUNT_01.respond(other, Tools(dns=zone))
    assert responder.present() == {}
    name = zone.records[0][0]
    assert name != f"{label_of(ACCOUNT_URL)}._acme-challenge.example.org"
    assert DNS_ACCOUNT_01.validate(other, Network(zone.answer(name))).verdict is Verdict.VALID
    assert DNS_ACCOUNT_01.validate(ours, Network(zone.answer(name))).verdict is Verdict.INVALID
    responder.clean_up()
    assert zone.records == []


def test_without_an_account_there_is_no_label():
    with pytest.raises(ValueError, match="account's URL"):
        DNS_ACCOUNT_01.validate(make_task(account_url=""), Network(TxtAnswer("x", (), "x")))
    assert DNS_ACCOUNT_01.respond(make_task(account_url=""), Tools(dns=Zone())) is None


LONG = ".".join(["a" * 57] * 4)


@pytest.mark.parametrize(("name", "fits"), [(LONG[-219:], True), (LONG[-220:], False)])
def test_a_name_that_leaves_no_room_for_the_labels_is_not_offered(name, fits):
    assert (DNS_ACCOUNT_01.offer(Identifier("dns", name), CA, ACCOUNT_URL) is not None) is fits
