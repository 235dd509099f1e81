"""`kill -9` at each step of an order leaves neither an unrecorded certificate nor a stuck order.

The process group dies as by a power cut: before and after every COMMIT of an issuance, before and after the signature,
and after every answer. Then another server starts on what is left, and everything acknowledged is there and goes on.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.faults import ledger
from tests.faults.client import GONE
from tests.faults.enrolment import Enrolment
from tests.faults.server import Ca
from tests.peers.process import until

HTTP_PLACES = (
    "new_account",
    "new_order",
    "_respond",
    "Validator._write",
    "finalize",
    "Finalizer._reserve",
    "signature",
    "Finalizer._record",
)
"""Every place of an issuance by http-01 where something becomes durable, and the signature."""
MAIL_PLACES = ("_respond", "Workers._claim", "MailGateway.__call__", "_respond#2")
"""What is different in one by email-01."""
START_PLACES = ("CrlPublisher.ensure", "CrlPublisher._published")


def points(*places: str) -> list[str]:
    return [f"{place}:{when}" for place in places for when in ("before", "after")]


def interrupted(ca: Ca, point: str, enrolment: Enrolment) -> None:
    """The server runs until it ends itself at the point, or all is done."""
    process = ca.start(point)
    with contextlib.suppress(*GONE):
        enrolment.run()
    until(lambda: not process.running, f"the end at {point}")
    ca.kill()  # collects it


def check_after(ca: Ca, enrolment: Enrolment) -> None:
    """A new server finds everything that was acknowledged, takes nothing twice, and brings the order to its end."""
    taken = list(enrolment.client.taken)
    enrolment.client.server.close()
    ca.start()
    for url, body in taken:
        assert enrolment.client.send(url, body).kind == "badNonce"
    enrolment.check_acknowledged()
    enrolment.run()
    enrolment.check_issued()
    assert ca.faults() == []


@pytest.mark.parametrize("point", points(*HTTP_PLACES))
def test_an_order_by_http_01_survives_a_kill_at(ca: Ca, point: str) -> None:
    enrolment = ca.http_enrolment(names=2) if "Validator" in point else ca.http_enrolment()
    orphans = len(ledger.rows(ca.database, "SELECT serial FROM certificates WHERE status = 'orphan'"))

    interrupted(ca, point, enrolment)

    check_after(ca, enrolment)
    left = 1 if point in ("Finalizer._reserve:after", *points("signature"), "Finalizer._record:before") else 0
    orphaned = ledger.rows(ca.database, "SELECT der FROM certificates WHERE status = 'orphan'")
    assert orphaned[orphans:] == [(None,)] * left


@pytest.mark.parametrize("point", points(*MAIL_PLACES))
def test_an_order_by_email_01_survives_a_kill_at(ca: Ca, point: str) -> None:
    enrolment = ca.mail_enrolment()

    interrupted(ca, point, enrolment)

    check_after(ca, enrolment)
    # A mail that was handed over, and that we had no time to strike out, may be sent again: the one case of two.
    assert ca.mail.count(enrolment.names[0]) in ({1, 2} if point == "MailGateway.__call__:before" else {1})


@pytest.mark.parametrize("point", points(*START_PLACES))
def test_a_kill_while_the_first_crl_is_made(ca: Ca, point: str) -> None:
    with ledger.reading(ca.database) as connection:  # as in a CA that has never run
        connection.execute("ROLLBACK")
        connection.execute("DELETE FROM crls")
        connection.execute("DELETE FROM jobs WHERE kind = 'crl'")

    interrupted(ca, point, ca.http_enrolment())

    ca.start()
    assert ca.faults() == []


@pytest.mark.parametrize("kind", ["http", "mail"])
def test_a_kill_after_each_answer(ca: Ca, kind: str) -> None:
    ca.start()
    enrolment = ca.http_enrolment() if kind == "http" else ca.mail_enrolment()
    killed_after: set[str] = set()

    while enrolment.chain is None:
        for step in enrolment.steps():
            if step not in killed_after:
                killed_after.add(step)
                ca.restart()
                enrolment.client.server.close()
                enrolment.check_acknowledged()
                break

    assert killed_after >= {"account", "order", "responded", "finalized", "issued"}
    enrolment.check_issued()
    assert ca.faults() == []


def test_a_kill_while_the_applicants_host_does_not_answer(ca: Ca) -> None:
    ca.start()
    enrolment = ca.http_enrolment()
    ca.hosts.silent.add(enrolment.names[0])
    for step in enrolment.steps():
        if step == "responded":
            break
    until(lambda: enrolment.names[0] in ca.hosts.asked, "the validation to begin")
    ca.kill()
    ca.hosts.silent.clear()

    check_after(ca, enrolment)
    assert ca.hosts.asked.count(enrolment.names[0]) == 2


def test_a_kill_while_the_mail_is_in_the_outbox(ca: Ca) -> None:
    ca.mail.down()
    ca.start()
    enrolment = ca.mail_enrolment()
    try:
        for step in enrolment.steps():
            if step == "responded":
                break
        until(lambda: ledger.rows(ca.database, "SELECT tries FROM jobs WHERE kind = 'mail'") == [(1,)], "a first try")
        ca.kill()
    finally:
        ca.mail.up()

    check_after(ca, enrolment)
    assert ca.mail.count(enrolment.names[0]) == 1


def test_no_place_was_forgotten(ca: Ca, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    ca.start(f"trace={trace}")
    ca.http_enrolment(names=2).run().check_issued()
    ca.mail_enrolment().run().check_issued()
    ca.end()

    passed = {line.partition(":")[0].partition("#")[0] for line in trace.read_text().splitlines()}
    known = {place.partition("#")[0] for place in (*HTTP_PLACES, *MAIL_PLACES, *START_PLACES)}
    # None of them writes anything that somebody waits for.
    assert passed - known <= {"Workers.stop", "_own_certificate", "StoredShapes.passed"}
    assert {place.partition("#")[0] for place in (*HTTP_PLACES, *MAIL_PLACES)} <= passed
