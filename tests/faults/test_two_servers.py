"""Two `serve` on one database, under one URL: what one has taken the other does not, and nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from tests.faults import ledger
from tests.faults.client import AcmeClient, Reply, wait
from tests.faults.enrolment import Enrolment, HttpProof
from tests.faults.server import Ca

ROUNDS = 8


@pytest.fixture
def ports(ca: Ca) -> tuple[int, int]:
    ca.start()
    return ca.port, ca.start_another()


def at_once(*acts: Callable[[], Reply]) -> list[Reply]:
    """The replies to requests sent at one moment, in the order of `acts`."""
    together = threading.Barrier(len(acts))
    replies: dict[int, Reply] = {}

    def act(number: int) -> None:
        together.wait(20)
        replies[number] = acts[number]()

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    return [replies[number] for number in range(len(acts))]


def pair(ca: Ca, ports: Sequence[int]) -> list[AcmeClient]:
    """One account's clients, one for each server."""
    first = ca.client(ports[0])
    clients = [first, *(AcmeClient(ca.client(port).server, first.account) for port in ports[1:])]
    for client in clients:
        client.url("newNonce")
    return clients


def registered(ca: Ca, ports: Sequence[int]) -> list[AcmeClient]:
    clients = pair(ca, ports)
    clients[0].account.kid = clients[0].post(clients[0].url("newAccount"), {}).good().headers["Location"]
    return clients


def test_6_5_a_nonce_of_one_server_is_good_at_the_other_and_at_both_together_once(
    ca: Ca, ports: tuple[int, int]
) -> None:
    one, other = registered(ca, ports)
    url = str(one.account.kid)
    for _ in range(ROUNDS):
        body = one.signed(url, None)

        replies = at_once(lambda body=body: one.send(url, body), lambda body=body: other.send(url, body))

        assert sorted(reply.status for reply in replies) == [200, 400]
        assert [reply.kind for reply in replies if reply.status == 400] == ["badNonce"]
    body = one.signed(url, None)
    assert other.send(url, body).status == 200


def test_7_3_one_key_has_one_account_though_it_asks_both_at_once(ca: Ca, ports: tuple[int, int]) -> None:
    for _ in range(ROUNDS):
        clients = pair(ca, (*ports, *ports))
        bodies = [(client, client.url("newAccount"), client.signed(client.url("newAccount"), {})) for client in clients]

        replies = at_once(*(lambda ask=ask: ask[0].send(*ask[1:]) for ask in bodies))

        assert sorted(reply.status for reply in replies) == [200, 200, 200, 201]
        assert len({reply.headers["Location"] for reply in replies}) == 1
    assert ca.faults() == []


def test_7_4_one_order_gives_one_certificate_though_both_are_asked_to_finalize(ca: Ca, ports: tuple[int, int]) -> None:
    for _ in range(ROUNDS):
        clients = registered(ca, ports)
        enrolment = ca.http_enrolment(clients[0])
        for step in enrolment.steps():
            if step == "responded":
                break
        order = str(enrolment.order)
        wait(lambda order=order, one=clients[0]: one.read(order)["status"] == "ready", "the validation")
        url, payload = clients[0].read(order)["finalize"], {"csr": enrolment.request.csr}
        bodies = [(client, url, client.signed(url, payload)) for client in clients]

        replies = at_once(*(lambda ask=ask: ask[0].send(*ask[1:]) for ask in bodies))

        assert {reply.status for reply in replies} <= {200, 403}
        assert 200 in {reply.status for reply in replies}
        enrolment.run().check_issued()
        made = "SELECT status FROM certificates WHERE order_id = ?"
        assert ledger.rows(ca.database, made, order.rpartition("/")[2]) == [("issued",)]
    assert ca.faults() == []


def test_8_2_a_challenge_answered_at_both_is_validated_and_ends_once(ca: Ca, ports: tuple[int, int]) -> None:
    one, other = registered(ca, ports)
    enrolment = ca.http_enrolment(one)
    for step in enrolment.steps():
        if step == "order":
            break
    document = one.read(one.read(str(enrolment.order))["authorizations"][0])
    (challenge,) = [part for part in document["challenges"] if part["type"] == HttpProof.type]
    enrolment.proof.prepare(challenge, one.account)

    replies = at_once(*(lambda client=client: client.post(challenge["url"], {}) for client in (one, other)))

    assert {reply.status for reply in replies} <= {200, 400}
    enrolment.run().check_issued()
    ended = "SELECT count(*) FROM audit WHERE event = 'authorization_valid' AND detail LIKE ?"
    assert ledger.rows(ca.database, ended, f"%{enrolment.names[0]}%") == [(1,)]
    assert ca.faults() == []


def test_both_serve_a_load_and_what_one_began_the_other_ends(ca: Ca, ports: tuple[int, int]) -> None:
    def enrol(number: int) -> None:
        clients = registered(ca, ports if number % 2 else ports[::-1])
        enrolment: Enrolment = ca.http_enrolment(clients[0])
        for turn, _ in enumerate(enrolment.steps()):
            enrolment.client = clients[turn % 2]
        enrolment.check_issued()
        done.append(enrolment)

    done: list[Enrolment] = []
    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == len(threads)
    assert ca.faults() == []


@pytest.mark.long
def test_what_a_server_has_left_is_ended_by_the_other_one(ca: Ca) -> None:
    ca.start("Finalizer._reserve:after")
    survivor = ca.client(ca.start_another())
    enrolment = ca.http_enrolment()
    with pytest.raises(OSError):  # noqa: PT011 - whatever the end of a connection looks like
        enrolment.run()

    enrolment.client = AcmeClient(survivor.server, enrolment.client.account)
    enrolment.run().check_issued()
    assert ca.faults() == []
