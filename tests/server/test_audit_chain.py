"""The audit chain of a CA that has worked: whoever changes, removes or inserts a record is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme_requests import Client, b64
from tests.audit_chain import broken_link


@pytest.fixture
def worked(ca):
    """A CA with records of many kinds."""
    client = Client(ca).register(contact=["mailto:ü@example.org".replace("ü", "u")])
    leaf = client.issue("example.org").leaf
    client.post("revoke-cert", {"certificate": b64(leaf.public_bytes(Encoding.DER)), "reason": 4})
    client.post("new-order", {"identifiers": [{"type": "dns", "value": "bücher.example"}]})
    client.post(client.account, {"status": "deactivated"})
    return ca


def test_what_the_ca_has_done_is_one_unbroken_chain_of_every_step(worked):
    assert worked.events() == [
        "account_created",
        "authorization_valid",
        "certificate_reserved",
        "certificate_issued",
        "certificate_revoked",
        "refused",
        "account_deactivated",
    ]
    assert broken_link(worked.audit()) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET at = at + 1 WHERE number = 4",
        "UPDATE audit SET event = 'certificate_lost' WHERE number = 4",
        "UPDATE audit SET actor = 'user/mallory' WHERE number = 4",
        "UPDATE audit SET subject = 'certificate/1' WHERE number = 4",
        "UPDATE audit SET detail = '{}' WHERE number = 4",
        "UPDATE audit SET previous = zeroblob(32) WHERE number = 4",
        "UPDATE audit SET hash = zeroblob(32) WHERE number = 4",
        "UPDATE audit SET number = 40 WHERE number = 7",
    ],
)
def test_a_changed_record_is_found(worked, statement):
    worked.change(statement)
    assert broken_link(worked.audit()) in {4, 40}


@pytest.mark.parametrize("number", [1, 2, 4, 6])
def test_a_removed_record_is_found_at_the_one_behind_it(worked, number):
    worked.change("DELETE FROM audit WHERE number = ?", number)
    assert broken_link(worked.audit()) == number + 1


@pytest.mark.parametrize("number", [2, 4, 6])
def test_a_removed_record_is_found_also_where_the_others_were_numbered_anew(worked, number):
    worked.change("DELETE FROM audit WHERE number = ?", number)
    for later in range(number + 1, 8):
        worked.change("UPDATE audit SET number = ? WHERE number = ?", later - 1, later)
    assert broken_link(worked.audit()) == number


def test_an_inserted_record_is_found_though_its_own_hash_is_right(worked):
    from acme_server.federation.audit import link_hash

    records = list(worked.audit())
    before = records[3]
    values = {"event": "x", "actor": "server", "subject": "s", "detail": {}}
    forged = replace(
        before, number=5, previous=before.hash, hash=link_hash(before.hash, 5, before.at, **values), **values
    )
    shifted = [replace(record, number=record.number + 1) for record in records[4:]]
    assert broken_link([*records[:4], forged, *shifted]) == 6


def test_two_records_that_changed_places_are_found(worked):
    records = list(worked.audit())
    records[2], records[3] = replace(records[3], number=3), replace(records[2], number=4)
    assert broken_link(records) == 3


def test_a_chain_that_was_cut_off_at_its_end_holds_as_the_documentation_says(worked):
    """It takes a head kept elsewhere to see that."""
    worked.change("DELETE FROM audit WHERE number > 4")
    assert broken_link(worked.audit()) is None


def test_a_record_says_who_what_and_when_in_whole_seconds(worked):
    first = worked.audit()[0]
    assert first.at == worked.clock()
    assert (first.actor, first.subject) == (first.subject, first.actor)
    assert first.actor.startswith("account/")
    worked.clock.advance(milliseconds=1500)
    Client(worked).register()
    last = worked.audit()[-1]
    assert last.at - first.at == timedelta(seconds=1)
    assert broken_link(worked.audit()) is None


def test_a_refusal_with_foreign_text_in_it_keeps_the_chain_whole(ca):
    client = Client(ca).register()
    for value in ("\0", "\u202e", "😀" * 30, '"', "\\", "a\nb", "e\u0301"):
        client.post("new-order", {"identifiers": [{"type": "dns", "value": value}, {"type": value, "value": value}]})
    assert ca.events().count("refused") == 7
    assert broken_link(ca.audit()) is None
