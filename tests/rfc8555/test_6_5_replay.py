"""RFC 8555 §6.5: a nonce is ours, fresh, and taken once: by threads, by processes, and across restarts."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acme_server.errors import BadNonce, Malformed
from acme_server.protocol import nonces
from acme_server.protocol.nonces import Nonces, boot_id
from tests.acme_requests import REMOVED, Client, b64, flattened

BOOT = bytes(32)


@pytest.fixture
def client(ca):
    return Client(ca).register()


def test_6_5_a_request_sent_again_is_badNonce_and_the_refusal_brings_a_good_one(ca, client):
    body = flattened(client.key, client.header("new-order"), {"identifiers": [{"type": "dns", "value": "example.org"}]})
    assert client.deliver("new-order", body).status == 201
    again = client.deliver("new-order", body)
    assert (again.status, again.problem) == (400, "badNonce")
    assert ca.rows("SELECT count(*) FROM orders") == [(1,)]
    assert client.post(client.account, None, nonce=again.headers["Replay-Nonce"]).status == 200


def test_6_5_one_nonce_in_a_hundred_parallel_posts_is_taken_once(ca, client):
    payload = {"identifiers": [{"type": "dns", "value": "example.org"}]}
    header = client.header("new-order")
    bodies = [flattened(client.key, header | {"n": number}, payload) for number in range(100)]
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda body: Client(ca, client.key).deliver("new-order", body), bodies))
    assert sorted(reply.status for reply in replies) == [201] + [400] * 99
    assert {reply.problem for reply in replies if reply.status == 400} == {"badNonce"}
    assert ca.rows("SELECT count(*) FROM orders") == [(1,)]


@pytest.mark.parametrize("nonce", [b64(bytes(24)), b64(b"x" * 24), b64(b"x"), b64(b"x" * 1000), ""])
def test_6_5_a_nonce_that_is_none_of_ours_is_badNonce(client, nonce):
    reply = client.post(client.account, None, nonce=nonce)
    assert (reply.status, reply.problem) == (400, "badNonce")


def test_6_5_a_nonce_with_one_bit_changed_is_badNonce(client):
    nonce = client.nonce()
    for at in (0, 8, 12, 30):
        changed = nonce[:at] + ("A" if nonce[at] != "A" else "B") + nonce[at + 1 :]
        assert client.post(client.account, None, nonce=changed).problem == "badNonce"


def test_6_5_a_request_without_a_nonce_is_badNonce(client):
    reply = client.post(client.account, None, nonce=REMOVED)
    assert (reply.status, reply.problem) == (400, "badNonce")


@pytest.mark.parametrize("nonce", [None, 1, ["a"], "a b", "a=", "a+b/", "é", "A", "AB"])
def test_6_5_2_a_nonce_that_is_not_base64url_is_malformed(client, nonce):
    reply = client.post(client.account, None, nonce=nonce)
    assert (reply.status, reply.problem) == (400, "malformed")


def test_6_5_a_request_that_is_refused_for_its_signature_spends_no_nonce(client):
    header = client.header(client.account)
    forged = flattened(Client(client.ca).key, header, None)
    assert client.deliver(client.account, forged).problem == "unauthorized"
    assert client.deliver(client.account, flattened(client.key, header, None)).status == 200


def test_6_5_every_reply_to_a_POST_brings_another_nonce(ca, client):
    """Client.deliver looks for one in every reply of every test; here that they differ, refusals included."""
    replies = [
        client.post(client.account),
        client.post("new-order", {}),
        client.post("order/x"),
        client.deliver("new-order", b"rubbish"),
        client.deliver("new-order", b"", "text/plain"),
        client.deliver(f"{ca.url}/nothing/here", b""),
        client.deliver(f"{ca.url}/pki/x.crl", b""),
        client.deliver("new-order", b"x" * 70_000),
    ]
    assert len({reply.headers["Replay-Nonce"] for reply in replies}) == len(replies)


def test_6_5_a_nonce_is_good_and_a_spent_one_spent_after_a_restart(ca, make_ca, client):
    fresh = client.nonce()
    body = flattened(client.key, client.header(client.account), None)
    assert client.deliver(client.account, body).status == 200
    after = Client(make_ca(Path(ca.config.directory)), client.key)
    after.account = client.account
    assert after.deliver(client.account, body).problem == "badNonce"
    assert after.post(client.account, None, nonce=fresh).status == 200


@pytest.fixture
def pair(tmp_path):
    """Two on one file, as two processes have it."""
    made = [Nonces(tmp_path / "nonces", BOOT) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def test_6_5_what_one_process_gives_out_another_takes_once(pair):
    one, other = pair
    nonce = one.new()
    other.redeem(nonce)
    for each in pair:
        with pytest.raises(BadNonce, match="used"):
            each.redeem(nonce)
    assert len({each.new() for each in pair * 50}) == 100


PROCESS = """
import sys
from pathlib import Path
from acme_server.errors import BadNonce
from acme_server.protocol.nonces import Nonces
nonces = Nonces(Path(sys.argv[1]), bytes(32))
print("ready", flush=True)
for nonce in sys.stdin.read().split():
    try:
        nonces.redeem(nonce)
        print(nonce)
    except BadNonce:
        pass
"""


def test_6_5_processes_that_race_for_the_same_nonces_take_each_of_them_once(tmp_path):
    path = tmp_path / "nonces"
    mine = Nonces(path, BOOT)
    good = [mine.new() for _ in range(2000)]
    argv = [sys.executable, "-c", PROCESS, str(path)]
    root = Path(nonces.__file__).parents[2]
    racers = [
        subprocess.Popen(argv, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(3) as pool:
        outputs = list(pool.map(lambda racer: racer.communicate("\n".join(good), timeout=60)[0], racers))
    taken = [nonce for output in outputs for nonce in output.split()]
    assert sorted(taken) == sorted(good)
    mine.close()


def test_6_5_after_a_reboot_nothing_from_before_is_good(tmp_path):
    before = Nonces(tmp_path / "nonces", BOOT)
    nonce = before.new()
    before.close()
    after = Nonces(tmp_path / "nonces", b"\1" * 32)
    with pytest.raises(BadNonce, match="not one"):
        after.redeem(nonce)
    after.redeem(after.new())
    after.close()


def test_6_5_a_nonce_is_good_until_a_window_of_newer_ones_is_out(tmp_path, monkeypatch):
    monkeypatch.setattr(nonces, "WINDOW", 64)
    monkeypatch.setattr(nonces, "_SIZE", 72 + 8)
    few = Nonces(tmp_path / "nonces", BOOT)
    old, kept = few.new(), few.new()
    for _ in range(63):
        few.new()
    with pytest.raises(BadNonce, match="too old"):
        few.redeem(old)
    few.redeem(kept)
    with pytest.raises(BadNonce):
        few.redeem(kept)
    few.close()


def test_6_5_the_file_of_the_nonces_is_its_owners_alone_and_no_link(tmp_path):
    Nonces(tmp_path / "nonces", BOOT).close()
    assert (tmp_path / "nonces").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "nonces")
    with pytest.raises(OSError, match="link"):
        Nonces(tmp_path / "link", BOOT)


@pytest.mark.parametrize("nonce", ["=", "A", "ü", " "])
def test_6_5_2_redeeming_what_is_no_base64url_is_malformed(pair, nonce):
    with pytest.raises(Malformed):
        pair[0].redeem(nonce)


def test_6_5_the_name_of_a_boot_is_the_same_for_all_processes_of_it():
    assert boot_id() == boot_id()
    assert len(boot_id()) == 32


def test_6_5_where_the_system_does_not_name_a_boot_no_nonce_outlives_its_process(tmp_path, monkeypatch):
    monkeypatch.setattr(nonces, "Path", lambda _: tmp_path / "missing")
    assert boot_id() != boot_id()
