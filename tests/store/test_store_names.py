"""The store's contract: approvals of names, and authorizations and orders by what they are for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from challenges.base import Identifier
from tests.store_values import NOW, account, authorization, certificate, order

NAME = Identifier("dns", "example.org")


def test_an_approval_is_for_a_name_and_one_account(store):
    with store.write() as transaction:
        for id_ in ("a", "b"):
            transaction.accounts.add(account(id_))
        assert transaction.approvals.approve("big.example", "a", NOW)
        assert not transaction.approvals.approve("big.example", "a", NOW + timedelta(days=1))
    with store.read() as transaction:
        assert transaction.approvals.of_account("a") == ("big.example",)
        assert transaction.approvals.of_account("b") == ()
        assert transaction.approvals.all() == (("big.example", "a", NOW),)
    with store.write() as transaction:
        assert transaction.approvals.withdraw("big.example", "a")
        assert not transaction.approvals.withdraw("big.example", "a")
        assert transaction.approvals.all() == ()


@pytest.mark.parametrize("kind", ["pending", "reusable"])
def test_authorizations_are_found_by_exactly_what_they_are_for(store, kind):
    with store.write() as transaction:
        transaction.accounts.add(account("a"))
        transaction.accounts.add(account("b"))
        made = authorization("one", account_id="a", identifier=NAME, subdomains=False, expires=NOW + timedelta(days=1))
        transaction.authorizations.add(made)
        if kind == "reusable":
            from acme_server.states import Event

            assert transaction.authorizations.advance(made, Event.PROVED)
    with store.read() as transaction:

        def find(which=kind, account_id="a", identifier=NAME, subdomains=False, until=NOW):
            found = getattr(transaction.authorizations, which)
            return found(account_id, identifier, subdomains=subdomains, until=until)

        assert find() == "one"
        assert find(which="reusable" if kind == "pending" else "pending") is None
        assert find(account_id="b") is None
        assert find(subdomains=True) is None
        assert find(until=NOW + timedelta(days=1)) is None
        for identifier in (Identifier("jid", "example.org"), Identifier("dns", "*.example.org")):
            assert find(identifier=identifier) is None


def test_the_orders_that_replace_a_certificate_are_found_by_its_name(store):
    with store.write() as transaction:
        transaction.accounts.add(account("a"))
        transaction.authorizations.add(authorization(account_id="a"))
        for id_, replaces in (("x", "AQ.AQ"), ("y", None), ("z", "AQ.Ag")):
            transaction.orders.add(order(id_, replaces=replaces, not_before=NOW, not_after=NOW + timedelta(days=1)))
    with store.read() as transaction:
        assert transaction.orders.replacing("AQ.AQ", NOW, 9) == ("x",)
        assert transaction.orders.replacing("AQ", NOW, 9) == ()
        read = transaction.orders.get("x")
    assert (read.replaces, read.not_before, read.not_after) == ("AQ.AQ", NOW, NOW + timedelta(days=1))


def test_of_the_orders_that_replace_a_certificate_those_that_can_still_live_are_found_and_no_more_than_asked_for(store):
    soon = NOW + timedelta(hours=1)
    with store.write() as transaction:
        transaction.accounts.add(account("a"))
        transaction.authorizations.add(authorization(account_id="a"))
        for id_, expires in (("expired", NOW), ("open", soon), ("begun", NOW), ("done", NOW), ("failed", soon)):
            transaction.orders.add(order(id_, replaces="AQ.AQ", expires=expires))
        for id_ in ("begun", "done"):
            assert transaction.orders.start(id_, b"csr", NOW)
        transaction.certificates.reserve(certificate("1f", "done"))
        assert transaction.orders.finish("done", "1f")
        assert transaction.orders.fail("failed", {"type": "x"})
    with store.read() as transaction:
        assert sorted(transaction.orders.replacing("AQ.AQ", NOW, 9)) == ["begun", "done", "open"]
        assert sorted(transaction.orders.replacing("AQ.AQ", soon, 9)) == ["begun", "done"]
        assert len(transaction.orders.replacing("AQ.AQ", NOW, 2)) == 2
