"""The contract of what operators read, for every store: all serials, the chain as it lies, what has not ended."""

from __future__ import annotations

from datetime import timedelta

from acme_server.federation.audit import GENESIS, read_record
from acme_server.model import Job, JobKind
from challenges.base import Mail
from tests.store_values import LATER, NOW, SECOND, certificate, order


def test_serials_are_read_page_by_page_in_the_order_of_their_texts(filled):
    with filled.write() as transaction:
        for serial in ("b", "1f", "a0", "a"):
            transaction.certificates.reserve(certificate(serial))
        assert [found.serial for found in transaction.certificates.page("", 3)] == ["1f", "a", "a0"]
        assert transaction.certificates.page("a0", 3) == (certificate("b"),)
        assert transaction.certificates.page("b", 3) == ()


def test_of_the_unissued_the_issued_and_the_expired_are_none(filled):
    with filled.write() as transaction:
        transaction.certificates.reserve(certificate("3", "gone"))
        transaction.certificates.orphan("gone", NOW)
        transaction.certificates.reserve(certificate("2", None))
        transaction.certificates.reserve(certificate("1"))
        transaction.certificates.issue("1", b"der")
        transaction.certificates.reserve(certificate("0", not_after=LATER - SECOND))
        assert [found.serial for found in transaction.certificates.unissued(LATER, 9)] == ["2", "3"]
        assert [found.serial for found in transaction.certificates.unissued(NOW, 2)] == ["0", "2"]


def test_of_the_orders_in_processing_the_oldest_comes_first(filled):
    with filled.write() as transaction:
        for number, name in enumerate(("fails", "new", "old", "older")):
            transaction.orders.add(order(name))
            assert transaction.orders.start(name, b"csr", NOW - number * SECOND)
        transaction.orders.fail("fails", {})
        assert transaction.orders.processing(NOW - SECOND, 9) == (
            ("older", NOW - 3 * SECOND),
            ("old", NOW - 2 * SECOND),
        )
        assert len(transaction.orders.processing(NOW + SECOND, 9)) == 3
        assert len(transaction.orders.processing(NOW + SECOND, 1)) == 1


def test_the_first_jobs_are_those_that_are_due_first_whoever_holds_them(store):
    jobs = [Job(JobKind.ISSUE, str(number), NOW + timedelta(minutes=5 - number), number) for number in range(5)]
    with store.write() as transaction:
        for job in jobs:
            transaction.jobs.add(job, NOW)
        (held,) = transaction.jobs.claim(jobs, "me", NOW + timedelta(minutes=1), LATER)
        assert transaction.jobs.first(2) == (held, jobs[3])


def test_each_mail_in_the_outbox_says_how_often_it_was_tried_if_anything_would_send_it(filled):
    with filled.write() as transaction:
        assert transaction.outbox.tries() == ()
        for mail_id in ("1", "2"):
            transaction.outbox.add(mail_id, "c-z", Mail("postmaster@example.org", "acme@ca.example", b""))
        transaction.jobs.add(Job(JobKind.MAIL, "1", NOW, 3), NOW)
        transaction.jobs.add(Job(JobKind.VALIDATE, "2", NOW, 5), NOW)
        assert sorted(transaction.outbox.tries(), key=str) == [3, None]


def test_the_chain_as_it_lies_is_the_chain_as_it_is_read(store):
    with store.write() as transaction:
        assert transaction.audit.newest() is None
        for number in range(3):
            transaction.audit.append("ü", actor="server", subject=str(number), at=NOW, detail={"ü": [number]})
        rows = transaction.audit.stored(0, 9)
        assert tuple(map(read_record, rows)) == transaction.audit.records(0, 9)
        assert (rows[0].previous, rows[0].event) == (GENESIS, "ü".encode())
        assert transaction.audit.stored(1, 1) == rows[1:2]
        assert transaction.audit.newest() == rows[2]
