"""The contract of `acme_server.store`, for every store: durable, all or nothing, compare-and-set, leases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event as Signal

import pytest

from acme_server.model import JobKind
from acme_server.states import AccountStatus, AuthorizationStatus, CertificateStatus, ChallengeStatus, Event
from challenges.base import Identifier
from tests.store_values import LATER, NAME, NOW, SECOND, account, authorization, certificate, order


def test_what_was_written_is_read_again_by_every_process(filled, open_store):
    for store in (filled, open_store()):
        with store.read() as transaction:
            assert transaction.accounts.get("a") == account()
            assert transaction.accounts.by_thumbprint("thumbprint of a") == account()
            assert transaction.authorizations.get("z") == authorization()
            assert transaction.authorizations.of_challenge("d-z") == authorization()
            assert transaction.orders.get("o") == order()
            assert transaction.orders.names_waiting("z") == ("b.example.org", "example.org")


def test_what_is_not_there_is_none(store):
    with store.read() as transaction:
        assert transaction.accounts.get("x") is None
        assert transaction.accounts.by_thumbprint("x") is None
        assert transaction.orders.get("x") is None
        assert transaction.orders.names_waiting("x") == ()
        assert transaction.authorizations.get("x") is None
        assert transaction.authorizations.of_challenge("x") is None
        assert transaction.certificates.get("x") is None
        assert transaction.jobs.get(JobKind.CRL, "x") is None
        assert transaction.outbox.get("x") is None
        assert transaction.crls.get("x") is None
        assert transaction.audit.records(0, 10) == ()
        assert transaction.audit.notices() == ()


def test_an_exception_undoes_all_of_a_transaction(filled, open_store):
    def interrupted():
        with filled.write() as transaction:
            transaction.accounts.add(account("b"))
            transaction.audit.append("x", actor="server", subject="s", at=NOW)
            transaction.orders.fail("o", {"type": "x"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for store in (filled, open_store()):
        with store.read() as transaction:
            assert transaction.accounts.get("b") is None
            assert transaction.audit.records(0, 1) == ()
            assert transaction.orders.get("o").error is None


def test_what_a_read_has_written_is_not_there(filled):
    with filled.read() as transaction:
        transaction.accounts.add(account("b"))
    with filled.read() as transaction:
        assert transaction.accounts.get("b") is None


def test_a_read_sees_one_state_and_not_what_is_written_meanwhile(filled, open_store):
    other = open_store()
    with filled.read() as transaction:
        assert transaction.orders.get("o").error is None
        with other.write() as writing:
            writing.orders.fail("o", {"type": "x"})
        assert transaction.orders.get("o").error is None
    with filled.read() as transaction:
        assert transaction.orders.get("o").error == {"type": "x"}


def test_nothing_is_seen_before_the_transaction_has_ended(filled, open_store):
    other = open_store()
    with filled.write() as transaction:
        transaction.orders.fail("o", {"type": "x"})
        with other.read() as reading:
            assert reading.orders.get("o").error is None


def test_a_transaction_inside_another_in_one_thread_is_read_only_or_waits_in_vain(filled):
    """Handlers read, then write: a read within a read must not disturb the outer one."""
    with filled.read() as outer:
        with filled.read() as inner:
            assert inner.orders.get("o") == outer.orders.get("o")
        assert outer.orders.get("o") == order()


def test_a_key_has_one_account(filled):
    with filled.write() as transaction:
        assert not transaction.accounts.add(account("b", thumbprint="thumbprint of a"))
    with filled.read() as transaction:
        assert transaction.accounts.get("b") is None


def test_an_account_is_saved_if_its_status_is_the_one_that_was_read(filled):
    gone = account(status=AccountStatus.DEACTIVATED, contact=())
    with filled.write() as transaction:
        assert transaction.accounts.save(gone, AccountStatus.VALID)
        assert not transaction.accounts.save(account(), AccountStatus.VALID)
        assert transaction.accounts.get("a") == gone


def test_an_order_starts_once_and_ends_once(filled):
    with filled.write() as transaction:
        assert transaction.orders.start("o", b"csr", NOW)
        assert not transaction.orders.start("o", b"another", LATER)
        transaction.certificates.reserve(certificate())
        assert transaction.orders.finish("o", "1f")
        assert not transaction.orders.finish("o", "1f")
        assert not transaction.orders.fail("o", {"type": "x"})
        found = transaction.orders.get("o")
    assert (found.csr, found.processing_since, found.certificate, found.error) == (b"csr", NOW, "1f", None)
    with filled.read() as transaction:
        assert transaction.orders.names_waiting("z") == ()


def test_an_order_that_failed_neither_starts_nor_finishes(filled):
    with filled.write() as transaction:
        assert transaction.orders.fail("o", {"type": "ü"})
        assert not transaction.orders.fail("o", {"type": "y"})
        assert not transaction.orders.start("o", b"csr", NOW)
        assert not transaction.orders.finish("o", "1f")
        assert transaction.orders.get("o").error == {"type": "ü"}


def test_an_authorization_moves_from_the_status_that_was_read_and_no_other(filled):
    read = authorization()
    with filled.write() as transaction:
        until = LATER + 30 * SECOND
        valid = transaction.authorizations.advance(read, Event.PROVED, expires=until, assurance="mail")
        assert valid is AuthorizationStatus.VALID
        assert transaction.authorizations.advance(read, Event.REFUTED) is None
        found = transaction.authorizations.get("z")
        assert (found.status, found.expires, found.assurance) == (AuthorizationStatus.VALID, until, "mail")
        transaction.authorizations.advance(found, Event.DEACTIVATED)
        found = transaction.authorizations.get("z")
        assert (found.status, found.expires, found.assurance) == (AuthorizationStatus.DEACTIVATED, until, "mail")


def test_when_caa_was_looked_up_is_kept_until_it_is_looked_up_again(filled):
    with filled.write() as transaction:
        assert transaction.authorizations.get("z").caa_checked_at is None
        transaction.authorizations.advance(authorization(), Event.PROVED, caa_checked_at=NOW)
        found = transaction.authorizations.get("z")
        assert found.caa_checked_at == NOW
        transaction.authorizations.caa_checked("z", LATER)
        transaction.authorizations.caa_checked("unknown", NOW)
        assert transaction.authorizations.of_challenge("c-z").caa_checked_at == LATER
        transaction.authorizations.advance(found, Event.DEACTIVATED)
        assert transaction.authorizations.get("z").caa_checked_at == LATER


def test_a_challenge_is_saved_if_nobody_has_since_it_was_read(filled):
    read = authorization().challenges[0]
    one = replace(read, status=ChallengeStatus.PROCESSING, thumbprint="t", state={"x": [1]}, error={"type": "e"})
    with filled.write() as transaction:
        assert transaction.authorizations.save(one)
        assert not transaction.authorizations.save(replace(read, state={"lost": True}))
        (found, _) = transaction.authorizations.of_challenge("c-z").challenges
        assert found == replace(one, revision=1)
        assert transaction.authorizations.save(replace(found, validated_at=NOW, status=ChallengeStatus.VALID))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, True),
        ({"account_id": "b"}, False),
        ({"identifier": Identifier("dns", "www.example.org")}, False),
        ({"identifier": Identifier("ip", "example.org")}, False),
        ({"subdomains": True}, False),
        ({"status": AuthorizationStatus.PENDING}, False),
        ({"status": AuthorizationStatus.DEACTIVATED}, False),
        ({"expires": NOW}, False),
        ({"expires": NOW + SECOND}, True),
    ],
)
def test_an_authorization_is_used_again_for_exactly_its_account_name_and_kind_while_it_lasts(filled, changes, found):
    with filled.write() as transaction:
        transaction.accounts.add(account("b"))
        values = {"status": AuthorizationStatus.VALID, "challenges": ()} | changes
        transaction.authorizations.add(authorization("y", **values))
        again = transaction.authorizations.reusable("a", NAME, subdomains=False, until=NOW)
    assert again == ("y" if found else None)


def test_of_several_authorizations_the_one_that_lasts_longest_is_used(filled):
    with filled.write() as transaction:
        for days in (3, 9, 5):
            values = {"status": AuthorizationStatus.VALID, "challenges": (), "expires": NOW + timedelta(days=days)}
            transaction.authorizations.add(authorization(str(days), **values))
        assert transaction.authorizations.reusable("a", NAME, subdomains=False, until=NOW) == "9"


def test_a_serial_is_reserved_once_then_issued_or_orphaned_and_never_both(filled):
    with filled.write() as transaction:
        for serial in ("1f", "2f"):
            transaction.certificates.reserve(certificate(serial))
        assert transaction.certificates.get("1f") == certificate()
        assert transaction.certificates.issue("1f", b"der")
        assert not transaction.certificates.issue("1f", b"again")
        assert transaction.certificates.orphan("o", NOW) == ("2f",)
        assert transaction.certificates.orphan("o", NOW) == ()
        assert not transaction.certificates.issue("2f", b"der")
        first, second = (transaction.certificates.get(serial) for serial in ("1f", "2f"))
    assert (first.status, first.der, first.revoked_at) == (CertificateStatus.ISSUED, b"der", None)
    assert (second.status, second.der, second.revoked_at) == (CertificateStatus.ORPHAN, None, NOW)


def test_a_serial_cannot_be_reserved_twice(filled):
    with pytest.raises(Exception, match="UNIQUE"), filled.write() as transaction:  # noqa: PT012
        transaction.certificates.reserve(certificate())
        transaction.certificates.reserve(certificate())


def test_orphans_of_the_ca_itself_are_those_without_an_order(filled):
    with filled.write() as transaction:
        transaction.certificates.reserve(certificate("1f"))
        transaction.certificates.reserve(certificate("2f", None, account_id=None))
        assert transaction.certificates.orphan(None, NOW) == ("2f",)
        assert transaction.certificates.orphan("another", NOW) == ()


def test_a_certificate_is_revoked_once_and_listed_until_it_expires(filled):
    with filled.write() as transaction:
        for serial in ("1f", "2f", "3f"):
            transaction.certificates.reserve(certificate(serial))
            transaction.certificates.issue(serial, b"der")
        transaction.certificates.reserve(certificate("4f", issuer_id="another"))
        assert transaction.certificates.revoke("1f", NOW, 4)
        assert not transaction.certificates.revoke("1f", LATER, 1)
        assert transaction.certificates.revoke("2f", NOW + SECOND, None)
        assert transaction.certificates.revoke("4f", NOW, None)
        listed = (("1f", NOW, 4), ("2f", NOW + SECOND, None))
        assert transaction.certificates.revoked("i", LATER) == listed
        assert transaction.certificates.revoked("i", LATER + SECOND) == ()


def test_racing_transactions_change_an_order_once(open_store, filled):
    stores = [filled, *(open_store() for _ in range(3))]

    def start(number):
        with stores[number % 4].write() as transaction:
            return transaction.orders.start("o", str(number).encode(), NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(start, range(32))) == 1


def test_a_thread_that_writes_is_waited_for(filled):
    entered, go_on = Signal(), Signal()

    def slow():
        with filled.write() as transaction:
            entered.set()
            go_on.wait(5)
            transaction.orders.fail("o", {"type": "slow"})

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        entered.wait(5)
        go_on.set()
        with filled.write() as transaction:
            assert not transaction.orders.fail("o", {"type": "fast"})
        first.result()
