"""The contract of what the CA keeps for itself, for every store: mail, notices, CRLs, the audit chain."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from acme_server.federation.audit import GENESIS
from acme_server.model import Crl, Notice
from challenges.base import Mail
from tests.audit_chain import broken_link
from tests.store_values import LATER, NOW


def test_mail_stays_in_the_outbox_until_it_is_removed_or_its_challenge_ends(filled):
    mail = Mail("postmaster@example.org", "acme@ca.example", b"\xff\r\n")
    with filled.write() as transaction:
        for number in range(3):
            transaction.outbox.add(str(number), "c-z", mail)
        transaction.outbox.add("other", "d-z", mail)
        assert transaction.outbox.get("0") == ("c-z", mail)
        transaction.outbox.remove("0")
        assert transaction.outbox.get("0") is None
        transaction.outbox.remove_for("c-z")
        assert [transaction.outbox.get(id_) for id_ in ("1", "2")] == [None, None]
        assert transaction.outbox.get("other") == ("d-z", mail)


def test_a_crl_is_replaced_by_one_with_a_higher_number_only(store):
    crl = Crl("i", 1_780_315_200_000_000, b"der", NOW, LATER)
    with store.write() as transaction:
        assert transaction.crls.put(crl)
        assert not transaction.crls.put(replace(crl, der=b"same number"))
        assert not transaction.crls.put(replace(crl, number=1, der=b"old"))
        assert transaction.crls.get("i") == crl
        assert transaction.crls.put(replace(crl, number=crl.number + 1, der=b"new"))
        assert transaction.crls.get("i").der == b"new"


def test_notices_are_kept_in_order(filled):
    notices = [Notice("a", f"event {number}", "s", NOW) for number in range(3)]
    with filled.write() as transaction:
        for notice in notices:
            transaction.audit.notice(notice)
        assert transaction.audit.notices() == tuple(notices)


def test_the_audit_chain_holds_and_can_be_read_in_pieces(store):
    details = [None, {}, {"ü": [1, None, True, 1.5, {"a": "\0"}]}, json.loads('{"b": 1, "a": {"d": 2, "c": 3}}')]
    for number, detail in enumerate(details):
        with store.write() as transaction:
            at = NOW + timedelta(seconds=number, microseconds=999_999)
            transaction.audit.append("event", actor="server", subject=f"s/{number}", at=at, detail=detail)
    with store.read() as transaction:
        records = transaction.audit.records(0, 100)
        assert [record.number for record in records] == [1, 2, 3, 4]
        assert records[0].previous == GENESIS
        assert broken_link(records) is None
        assert transaction.audit.records(2, 1) == records[2:3]
        assert broken_link(records[2:], records[1].hash, 2) is None


def test_racing_appends_make_one_chain(open_store):
    stores = [open_store() for _ in range(4)]

    def append(number):
        with stores[number % 4].write() as transaction:
            transaction.audit.append("event", actor="server", subject=str(number), at=NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(60)))
    with stores[0].read() as transaction:
        records = transaction.audit.records(0, 1000)
    assert len(records) == 60
    assert broken_link(records) is None
