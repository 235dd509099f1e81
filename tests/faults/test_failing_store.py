"""A database that cannot be written: 503 with Retry-After and no other 5xx, nothing signed, nothing lost, and good again."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import ledger
from tests.faults.client import wait
from tests.faults.enrolment import Enrolment
from tests.faults.server import Ca
from tests.peers.xmpp_ica import command

Fault = Callable[[Ca], contextlib.AbstractContextManager[None]]


def locked(ca: Ca) -> contextlib.AbstractContextManager[None]:
    """Another process holds the database."""
    return ledger.locked(ca.database)


@contextlib.contextmanager
def full(ca: Ca) -> Iterator[None]:
    """No file of the server grows, neither database nor log: EFBIG, which is to SQLite what a full disk is."""
    worker = ca.worker()
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(worker, resource.RLIMIT_FSIZE, before)


def advance(enrolment: Enrolment, last: str) -> Enrolment:
    for step in enrolment.steps():
        if step == last:
            break
    return enrolment


@pytest.mark.parametrize("fault", [locked, full])
def test_a_store_that_cannot_be_written_is_a_503_and_everything_is_good_again_afterwards(ca: Ca, fault: Fault) -> None:
    ca.start()
    new, ordered, ready = ca.client(), ca.http_enrolment(), ca.http_enrolment(names=1)
    new.url("newAccount")
    advance(ordered, "order")
    advance(ready, "responded")
    wait(lambda: ready.client.read(ready.order or "")["status"] == "ready", "the validation")
    finalize = ready.client.read(ready.order or "")["finalize"]
    acts = {
        "newAccount": lambda: new.post(new.url("newAccount"), {}),
        "newOrder": lambda: ordered.client.post(ordered.client.url("newOrder"), {"identifiers": [DNS]}),
        "finalize": lambda: ready.client.post(finalize, {"csr": ready.request.csr}),
    }
    replies = {}

    with fault(ca):
        threads = [threading.Thread(target=lambda name=name: replies.update({name: acts[name]()})) for name in acts]
        for thread in threads:
            thread.start()
        reader = ca.client()
        assert reader.url("newNonce")  # what needs no write goes on
        for thread in threads:
            thread.join(30)

    assert {name: reply.status for name, reply in replies.items()} == dict.fromkeys(acts, 503)
    assert all(int(reply.headers["Retry-After"]) > 0 for reply in replies.values())
    assert acts["newAccount"]().status == 201
    for enrolment in (ordered, ready):
        enrolment.check_acknowledged()
        enrolment.run().check_issued()
    assert ca.faults() == []


DNS = {"type": "dns", "value": "elsewhere.example.org"}


@pytest.mark.parametrize("fault", [locked, full])
def test_what_the_workers_could_not_write_is_done_again_and_soon(ca: Ca, fault: Fault) -> None:
    ca.start()
    enrolment = ca.http_enrolment()
    ca.hosts.silent.add(enrolment.names[0])
    advance(enrolment, "responded")
    wait(lambda: enrolment.names[0] in ca.hosts.asked, "the validation to begin")

    with fault(ca):
        ca.hosts.silent.clear()
        time.sleep(7 if fault is locked else 1)  # longer than anybody waits for a lock

    enrolment.check_acknowledged()
    began = time.monotonic()
    enrolment.run().check_issued()
    assert time.monotonic() - began < 30
    assert ca.faults() == []


def test_the_server_ends_on_a_signal_though_nothing_can_be_written(ca: Ca) -> None:
    process = ca.start()
    ca.http_enrolment().run().check_issued()

    with full(ca):
        process.send(signal.SIGTERM)
        wait(lambda: not process.running, "the end", 20)

    assert process.status == 0
    ca.start()
    assert ca.faults() == []


def test_a_log_that_cannot_be_written_stops_nothing(ca: Ca) -> None:
    ca.start(log=Path("/dev/full"))

    ca.http_enrolment().run().check_issued()
    client = ca.client()
    client.url("newAccount")
    with ledger.locked(ca.database):
        assert client.post(client.url("newAccount"), {}).status == 503
    assert client.post(client.url("newAccount"), {}).status == 201


def test_a_database_that_is_not_there_is_told_at_the_start(ca: Ca, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden.db"
    ca.database.rename(hidden)
    try:
        with pytest.raises(AssertionError, match="does not exist"):
            ca.start()
    finally:
        hidden.rename(ca.database)


def test_a_database_that_may_only_be_read_is_told_at_the_start(ca: Ca) -> None:
    # Root may write everything, unless this one right is taken away.
    bound: list[str] = ["setpriv", "--bounding-set", "-dac_override", "--"] if os.geteuid() == 0 else []
    argv = [*bound, str(command()), "serve", "--config", str(ca.folder / "xmpp-ica.toml")]
    ca.database.chmod(0o444)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    finally:
        ca.database.chmod(0o600)

    assert done.returncode == 1
    assert f"{ca.database}: attempt to write a readonly database" in done.stderr
    assert "Traceback" not in done.stderr
