"""One process of the server dies, or all are told to end: the service goes on, or the end is an orderly one."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.faults import ledger
from tests.faults.client import GONE, wait
from tests.faults.server import Ca


def test_a_worker_process_that_dies_is_replaced_and_orders_go_on(ca: Ca) -> None:
    process = ca.start()
    enrolment = ca.http_enrolment()
    for step in enrolment.steps():
        if step == "order":
            break
    worker = ca.worker()

    os.kill(worker, signal.SIGKILL)

    def back() -> bool:
        with contextlib.suppress(*GONE):
            enrolment.run()
        return enrolment.chain is not None

    wait(back, "the certificate")
    enrolment.check_issued()
    assert process.running
    assert ca.worker() != worker
    assert ca.faults() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_on_a_signal_after_the_request_under_way(ca: Ca, number: signal.Signals) -> None:
    process = ca.start()
    client = ca.client()
    client.url("newAccount")
    worker, replies = ca.worker(), []

    def ask() -> None:
        replies.append(client.post(client.url("newAccount"), {}))

    request = threading.Thread(target=ask)
    with ledger.locked(ca.database):
        request.start()
        time.sleep(1)  # the request waits for the database
        process.send(number)
        time.sleep(1)
        assert process.running
    request.join(20)

    assert [reply.status for reply in replies] == [201]
    wait(lambda: not process.running, "the end", 20)
    assert process.status == 0
    assert not Path(f"/proc/{worker}/exe").exists()
    assert ledger.rows(ca.database, "SELECT ref FROM jobs WHERE owner IS NOT NULL") == []
    ca.start()
    kid = replies[0].headers["Location"]
    client.account.kid = kid
    client.server.close()
    assert client.read(kid)["status"] == "valid"


def test_the_server_ends_in_time_though_a_host_does_not_answer(ca: Ca) -> None:
    process = ca.start()
    enrolment = ca.http_enrolment()
    ca.hosts.silent.add(enrolment.names[0])
    for step in enrolment.steps():
        if step == "responded":
            break
    wait(lambda: enrolment.names[0] in ca.hosts.asked, "the validation")
    enrolment.client.server.close()

    process.send(signal.SIGTERM)

    wait(lambda: not process.running, "the end", 20)
    assert process.status == 0
    ca.hosts.silent.clear()
    ca.start()
    enrolment.run().check_issued()
    assert ca.faults() == []
