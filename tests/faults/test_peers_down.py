"""Mail, DNS and applicants' hosts that are down: it waits or it says why, and everybody else is served meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dns.message
import pytest

from tests.faults import ledger
from tests.faults.client import wait
from tests.faults.enrolment import Enrolment
from tests.faults.server import Ca
from tests.peers.dns import answer
from tests.validation.servers import nameserver


def test_a_mail_server_that_is_down_leaves_the_authorization_pending_and_gets_one_mail_when_it_is_back(ca: Ca) -> None:
    ca.start()
    ca.mail.down()
    enrolment = ca.mail_enrolment()
    try:
        for step in enrolment.steps():
            if step == "responded":
                break
        (authorization,) = enrolment.client.read(str(enrolment.order))["authorizations"]

        def mailed() -> dict[str, Any]:
            offered = enrolment.client.read(authorization)["challenges"]
            return next(challenge for challenge in offered if challenge["type"] == "email-01")

        wait(lambda: "error" in mailed(), "the first try to fail", 10)
        challenge = mailed()
        status = enrolment.client.read(authorization)["status"]
    finally:
        ca.mail.up()
    assert status == "pending"
    assert challenge["status"] == "processing"
    assert challenge["error"]["type"].endswith(":connection")

    enrolment.run().check_issued()
    assert ca.mail.count(enrolment.names[0]) == 1
    assert ledger.rows(ca.database, "SELECT id FROM outbox") == []
    assert ca.faults() == []


@contextlib.contextmanager
def served(ca: Ca) -> Iterator[list[float]]:
    """Other clients enrol all the while; how long each of them took, in seconds."""
    taken: list[float] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def enrol() -> None:
        try:
            while not stop.is_set():
                began = time.monotonic()
                ca.http_enrolment().run().check_issued()
                taken.append(time.monotonic() - began)
                stop.wait(0.5)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=enrol) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield taken
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert errors == []


def challenge_of(enrolment: Enrolment) -> tuple[str, dict[str, Any]]:
    """The authorization's status and its http-01 challenge."""
    enrolment.client.server.close()  # which the server has done, where nobody used it for a while
    client = enrolment.client
    document = client.read(client.read(str(enrolment.order))["authorizations"][0])
    (challenge,) = [part for part in document["challenges"] if part["type"] == "http-01"]
    return document["status"], challenge


@pytest.fixture
def half_deaf(make_ca: Callable[..., Ca]) -> Iterator[Ca]:
    """A CA whose name server never answers for names that begin with `deaf`."""
    ca = make_ca()

    def reply(query: dns.message.Message, _: str) -> list[bytes]:
        deaf = query.question[0].name.to_text().startswith("deaf")
        return [] if deaf else [answer(query.to_wire(), ca.names.records)]

    with nameserver(reply) as port:
        ca.configure(
            validation={"http_port": ca.hosts.port, "exempt": ["127.0.0.0/8"], "nameservers": [f"127.0.0.1:{port}"]}
        )
        ca.start()
        yield ca
        ca.hosts.silent.clear()
        ca.end()


@pytest.mark.long
def test_8_2_a_host_and_a_zone_that_do_not_answer_end_with_a_reason_and_hold_up_nobody(half_deaf: Ca) -> None:
    ca = half_deaf
    hanging, deaf = ca.http_enrolment(), ca.http_enrolment()
    deaf.names[:] = ["deaf.example.org"]
    ca.hosts.silent.add(hanging.names[0])
    for enrolment in (hanging, deaf):
        for step in enrolment.steps():
            if step == "responded":
                break

    with served(ca) as taken:
        wait(lambda: all(challenge_of(one)[0] == "invalid" for one in (hanging, deaf)), "both to end", 60, pause=1)

    assert len(taken) > 20
    assert max(taken) < 8  # of the many seconds that the others wait for
    kinds = [challenge_of(one)[1]["error"] for one in (hanging, deaf)]
    assert [kind["type"].rpartition(":")[2] for kind in kinds] == ["connection", "dns"]
    assert all(kind["detail"] for kind in kinds)
    for enrolment in (hanging, deaf):
        assert enrolment.client.read(str(enrolment.order))["status"] == "invalid"
    assert ca.faults() == []


def test_8_2_while_a_host_does_not_answer_others_are_served_and_its_late_answer_counts(ca: Ca) -> None:
    ca.start()
    hanging = ca.http_enrolment()
    ca.hosts.silent.add(hanging.names[0])
    for step in hanging.steps():
        if step == "responded":
            break

    with served(ca) as taken:
        wait(lambda: len(taken) >= 6, "the others", 8)

    assert challenge_of(hanging)[0] == "pending"
    ca.hosts.silent.clear()
    hanging.run().check_issued()


def test_8_2_a_zone_that_does_not_exist_ends_with_a_reason(ca: Ca) -> None:
    ca.start()
    enrolment = ca.http_enrolment()
    enrolment.names[:] = ["nowhere.example.net"]
    for step in enrolment.steps():
        if step == "responded":
            break
    wait(lambda: challenge_of(enrolment)[0] == "invalid", "the end", 10)

    error = challenge_of(enrolment)[1]["error"]
    assert error["type"].endswith(":dns")
    assert "nowhere.example.net" in error["detail"]
    assert enrolment.client.read(str(enrolment.order))["status"] == "invalid"


def test_8_2_a_host_that_is_back_before_the_last_try_is_believed(ca: Ca) -> None:
    ca.start()
    enrolment = ca.http_enrolment()
    name = enrolment.names[0]
    ca.names.records[name, "A"] = ["127.0.0.2"]  # where nobody listens
    for step in enrolment.steps():
        if step == "responded":
            break
    wait(lambda: ledger.rows(ca.database, "SELECT tries FROM jobs WHERE kind = 'validate'") == [(1,)], "the first try")
    ca.names.host(name)

    enrolment.run().check_issued()
