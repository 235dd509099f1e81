"""`kill -9` at random moments under load: what was acknowledged stays, and everything that was begun comes to an end."""

from __future__ import annotations

import random
import threading
import time
from typing import Self

import pytest

from tests.faults import ledger
from tests.faults.client import GONE
from tests.faults.enrolment import Enrolment
from tests.faults.server import Ca

CLIENTS = 4
LONGEST = 0.6
"""Seconds between a server's start and its end, at most."""


class Load:
    """Several clients that enrol again and again, whatever happens to the server, until they are told to stop."""

    def __init__(self, ca: Ca) -> None:
        self.done: list[Enrolment] = []
        self.errors: list[BaseException] = []
        self._ca = ca
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._enrol, args=(number,)) for number in range(CLIENTS)]

    def _enrol(self, number: int) -> None:
        try:
            while not self._stop.is_set():
                mail = number == 0
                enrolment = self._ca.mail_enrolment() if mail else self._ca.http_enrolment(names=1 + number % 2)
                self._to_the_end(enrolment)
                self.done.append(enrolment)
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            self.errors.append(error)

    @staticmethod
    def _to_the_end(enrolment: Enrolment) -> None:
        deadline = time.monotonic() + 300
        while True:
            try:
                enrolment.run()
            except GONE:
                assert time.monotonic() < deadline, "no server came back"
                enrolment.client.server.close()
                time.sleep(0.02)
            else:
                return

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(100)
        assert not any(thread.is_alive() for thread in self._threads)


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_nothing_acknowledged_is_lost_and_nothing_is_stuck_after_kills_at_random(ca: Ca, kills: int) -> None:
    chance = random.Random(kills)
    ca.start()
    with Load(ca) as load:
        for _ in range(kills):
            time.sleep(chance.uniform(0, LONGEST))
            ca.restart()

    assert load.errors == []
    assert len(load.done) >= CLIENTS
    for enrolment in load.done:
        enrolment.client.server.close()  # it led to a server that has ended since
        enrolment.check_issued()
        enrolment.check_acknowledged()
        for url, body in enrolment.client.taken:
            assert enrolment.client.send(url, body).kind == "badNonce"
        enrolment.client.server.close()
    assert ca.faults() == []
    issued = ledger.rows(ca.database, "SELECT count(*) FROM certificates WHERE status = 'issued' AND order_id NOT NULL")
    assert issued >= [(len(load.done),)]
