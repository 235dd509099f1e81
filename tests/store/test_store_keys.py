"""The contract of `acme_server.store`: keys of accounts, keys for their binding, blocked keys, shapes, lists by owner."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from acme_server.model import ExternalAccountKey, OrderIdentifier
from acme_server.states import AccountStatus, AuthorizationStatus
from tests.store_values import LATER, NAME, NOW, SECOND, account, authorization, certificate, order

KEY = ExternalAccountKey("k", bytes(range(32)), "für ü", NOW)
BINDING = {"protected": "p", "payload": "ü", "signature": "s"}


def test_an_external_key_is_read_again_as_it_was_written_by_every_process(filled, open_store):
    with filled.write() as transaction:
        assert transaction.external_keys.add(KEY)
    for store in (filled, open_store()):
        with store.read() as transaction:
            assert transaction.external_keys.get("k") == KEY
            assert transaction.external_keys.all() == (KEY,)
            assert transaction.external_keys.of_account("a") is None


def test_an_external_key_does_not_show_its_octets():
    assert "mac_key" not in repr(KEY)


def test_an_external_key_that_is_not_there_is_none(store):
    with store.write() as transaction:
        assert transaction.external_keys.get("x") is None
        assert transaction.external_keys.of_account("x") is None
        assert transaction.external_keys.all() == ()
        assert not transaction.external_keys.revoke("x", NOW)
        assert not transaction.external_keys.bind("x", "a", BINDING)


def test_a_kid_has_one_external_key(store):
    with store.write() as transaction:
        assert transaction.external_keys.add(KEY)
        assert not transaction.external_keys.add(replace(KEY, mac_key=b"other", label="other"))
        assert transaction.external_keys.get("k") == KEY


def test_an_external_key_binds_one_account_once(filled):
    bound = replace(KEY, account_id="a", binding=BINDING)
    with filled.write() as transaction:
        transaction.accounts.add(account("b"))
        transaction.external_keys.add(KEY)
        assert transaction.external_keys.bind("k", "a", BINDING)
        assert not transaction.external_keys.bind("k", "b", BINDING)
        assert not transaction.external_keys.bind("k", "a", {})
        assert transaction.external_keys.get("k") == bound
        assert transaction.external_keys.of_account("a") == bound
        assert transaction.external_keys.of_account("b") is None


def test_a_revoked_external_key_binds_nothing_and_one_that_has_bound_keeps_its_account(filled):
    with filled.write() as transaction:
        for kid in ("k", "l"):
            transaction.external_keys.add(replace(KEY, kid=kid))
        assert transaction.external_keys.bind("k", "a", BINDING)
        for kid in ("k", "l"):
            assert transaction.external_keys.revoke(kid, LATER)
            assert not transaction.external_keys.revoke(kid, LATER + SECOND)
        assert not transaction.external_keys.bind("l", "a", BINDING)
        bound = transaction.external_keys.of_account("a")
    assert bound == replace(KEY, account_id="a", binding=BINDING, revoked_at=LATER)


def test_racing_processes_use_an_external_key_once(filled, open_store):
    with filled.write() as transaction:
        transaction.external_keys.add(KEY)
        for number in range(8):
            transaction.accounts.add(account(str(number)))
    stores = [filled, open_store()]

    def bind(number):
        with stores[number % 2].write() as transaction:
            return transaction.external_keys.bind("k", str(number), BINDING)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(bind, range(8))).count(True) == 1


def test_external_keys_are_listed_by_their_age(store):
    with store.write() as transaction:
        for kid, seconds in (("c", 2), ("b", 1), ("a", 2)):
            transaction.external_keys.add(replace(KEY, kid=kid, created_at=NOW + seconds * SECOND))
        assert [key.kid for key in transaction.external_keys.all()] == ["b", "a", "c"]


def test_a_key_is_blocked_once_and_for_every_process(store, open_store):
    with store.write() as transaction:
        assert not transaction.blocked_keys.blocked(b"\1" * 32)
        assert transaction.blocked_keys.block(b"\1" * 32, NOW, "for a reason")
        assert not transaction.blocked_keys.block(b"\1" * 32, LATER, "for another")
    for each in (store, open_store()):
        with each.read() as transaction:
            assert transaction.blocked_keys.blocked(b"\1" * 32)
            assert not transaction.blocked_keys.blocked(b"\1" * 31 + b"\2")


def test_a_shape_that_has_passed_is_known_to_every_process(store, open_store):
    with store.write() as transaction:
        assert not transaction.linted_shapes.known("s")
        transaction.linted_shapes.passed("s", NOW)
        transaction.linted_shapes.passed("s", LATER)
    for each in (store, open_store()):
        with each.read() as transaction:
            assert transaction.linted_shapes.known("s")
            assert not transaction.linted_shapes.known("S")


def test_an_account_gets_another_key_if_it_still_has_the_one_that_was_read(filled):
    new = account(thumbprint="new", jwk='{"new":1}')
    with filled.write() as transaction:
        assert transaction.accounts.rekey(new, "thumbprint of a")
        assert not transaction.accounts.rekey(account(thumbprint="late"), "thumbprint of a")
        assert transaction.accounts.get("a") == transaction.accounts.by_thumbprint("new") == new
        assert transaction.accounts.by_thumbprint("thumbprint of a") is None


@pytest.mark.parametrize("status", [AccountStatus.DEACTIVATED, AccountStatus.REVOKED])
def test_an_account_that_has_ended_gets_no_other_key(filled, status):
    with filled.write() as transaction:
        assert transaction.accounts.save(account(status=status), AccountStatus.VALID)
        assert not transaction.accounts.rekey(account(thumbprint="new"), "thumbprint of a")
        assert transaction.accounts.get("a") == account(status=status)


def test_another_key_changes_nothing_else_of_an_account(filled):
    with filled.write() as transaction:
        changed = account(thumbprint="new", jwk="{1}", contact=(), terms_agreed_at=None, created_at=LATER)
        assert transaction.accounts.rekey(changed, "thumbprint of a")
        assert transaction.accounts.get("a") == account(thumbprint="new", jwk="{1}")


def test_racing_processes_change_an_accounts_key_once(filled, open_store):
    stores = [filled, open_store()]

    def rekey(number):
        with stores[number % 2].write() as transaction:
            return transaction.accounts.rekey(account(thumbprint=f"new {number}"), "thumbprint of a")

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(rekey, range(8)))
    assert won.count(True) == 1
    with filled.read() as transaction:
        assert transaction.accounts.get("a").thumbprint == f"new {won.index(True)}"


def test_the_orders_of_an_account_come_in_pages_by_their_ids(filled):
    with filled.write() as transaction:
        transaction.accounts.add(account("b"))
        for id_ in ("Q", "_", "q", "-", "1"):
            transaction.orders.add(order(id_))
        transaction.orders.add(order("of b", account_id="b"))
        listed = [transaction.orders.of_account("a", after, 2) for after in ("", "1", "_", "q")]
        assert listed == [("-", "1"), ("Q", "_"), ("o", "q"), ()]
        assert transaction.orders.of_account("b", "", 9) == ("of b",)
        assert transaction.orders.of_account("c", "", 9) == ()


def test_an_order_that_ended_by_an_error_is_not_in_its_accounts_list(filled):
    with filled.write() as transaction:
        transaction.orders.add(order("p"))
        transaction.orders.fail("o", {"type": "x"})
        assert transaction.orders.of_account("a", "", 9) == ("p",)


def test_the_pending_authorizations_of_an_account_that_has_ended_are_deactivated(filled):
    valid = {"status": AuthorizationStatus.VALID, "challenges": ()}
    with filled.write() as transaction:
        transaction.accounts.add(account("b"))
        transaction.authorizations.add(authorization("valid", **valid))
        transaction.authorizations.add(authorization("of b", account_id="b", challenges=()))
        assert transaction.authorizations.end_pending("a") == 1
        assert transaction.authorizations.end_pending("a") == 0
        statuses = {id_: transaction.authorizations.get(id_).status for id_ in ("z", "valid", "of b")}
    assert statuses == {
        "z": AuthorizationStatus.DEACTIVATED,
        "valid": AuthorizationStatus.VALID,
        "of b": AuthorizationStatus.PENDING,
    }


def test_the_certificates_of_a_key_are_found_while_they_can_be_revoked(filled):
    other = {"spki_sha256": b"\2" * 32}
    with filled.write() as transaction:
        for serial, changes in (("1", {}), ("2", {}), ("3", other), ("4", {"not_after": NOW - SECOND}), ("5", {})):
            transaction.certificates.reserve(certificate(serial, **changes))
        transaction.certificates.issue("1", b"der")
        transaction.certificates.revoke("5", NOW, 4)
        found = transaction.certificates.of_key(b"\1" * 32, NOW)
        assert [each.serial for each in found] == ["1", "2"]
        assert found[0] == transaction.certificates.get("1")
        assert transaction.certificates.of_key(b"\3" * 32, NOW) == ()


def test_values_of_an_order_that_are_optional_are_kept(filled):
    asked = order("p", not_before=NOW, not_after=LATER, replaces="1f", identifiers=(OrderIdentifier(NAME, "z"),))
    with filled.write() as transaction:
        transaction.orders.add(asked)
        assert transaction.orders.get("p") == asked
        assert transaction.orders.replacing("1f", NOW, 9) == ("p",)
        assert transaction.orders.replacing("2f", NOW, 9) == ()
