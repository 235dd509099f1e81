"""Installing: the steps that every server shares, the `files` adapter with its hook, and the handshake."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.client.pki import Pki, key_pem, pem
from xmpp_client.config import FilesServer
from xmpp_client.errors import InstallError
from xmpp_client.lineage import Lineage, Meta
from xmpp_client.servers import Release, deploy
from xmpp_client.servers.files import Files, address_of, run
from xmpp_client.servers.starttls import served_leaf

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = ("example.org", "xn--bcher-kva.example.org")
PKI = Pki()


@pytest.fixture
def release(tmp_path) -> Release:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = PKI.leaf(key.public_key(), NAMES)
    lineage = Lineage(tmp_path / "state", "example.org")
    files = {"privkey.pem": key_pem(key), "cert.pem": pem(leaf), "chain.pem": pem(PKI.inter),
             "fullchain.pem": pem(leaf) + pem(PKI.inter)}  # fmt: skip
    meta = Meta(NAMES, NOW, NOW + timedelta(days=45), NOW, "2a", "https://ca.test/", "")
    version = lineage.add(files, meta)
    lineage.switch(version)
    return Release(lineage, version, leaf.public_bytes(Encoding.DER))


class FakeServer:
    """Serves what the test says; tells what was done to it."""

    def __init__(self, *served, reloads: bool = True) -> None:
        self.done: list[str] = []
        self._served = list(served)
        self._reloads = reloads

    def advice(self, release: Release) -> str:
        return "look"

    def install(self, release: Release):
        self.done.append("install")
        return lambda: self.done.append("undo")

    def reload(self) -> None:
        self.done.append("reload")
        if not self._reloads:
            raise InstallError("it is not running")

    def served(self, names):
        answer = self._served.pop(0) if len(self._served) > 1 else self._served[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def test_a_server_that_serves_it_after_a_while_is_left_in_peace(release, frozen) -> None:
    good = dict.fromkeys(NAMES, release.leaf)
    server = FakeServer(InstallError("not yet"), {**good, NAMES[1]: b"old"}, good)
    deploy(server, release, frozen.clock())
    assert server.done == ["install", "reload"]


@pytest.mark.parametrize(
    ("served", "text"),
    [
        ({NAMES[0]: b"old"}, r"another certificate for example\.org, xn--bcher-kva"),
        (InstallError("no handshake"), "no handshake"),
    ],
)
def test_a_server_that_does_not_serve_it_gets_the_old_files_back(release, frozen, served, text) -> None:
    server = FakeServer(served)
    with pytest.raises(InstallError, match=text):
        deploy(server, release, frozen.clock())
    assert server.done == ["install", "reload", "undo", "reload"]
    assert frozen.seconds == pytest.approx(15.0)


def test_a_server_that_cannot_be_reloaded_gets_the_old_files_back_and_both_reasons_are_told(release, frozen) -> None:
    server = FakeServer(None, reloads=False)
    with pytest.raises(InstallError, match="it is not running; the old files are back, but: it is not running"):
        deploy(server, release, frozen.clock())
    assert server.done == ["install", "reload", "undo", "reload"]


def test_ctrl_c_while_looking_puts_the_old_files_back(release, frozen) -> None:
    server = FakeServer(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        deploy(server, release, frozen.clock())
    assert server.done == ["install", "reload", "undo"]


def files(tmp_path: Path, *hook: str, **more) -> FilesServer:
    return FilesServer(fullchain=tmp_path / "full.pem", privkey=tmp_path / "key.pem", hook=hook, **more)


HOOK = """
import json, os, sys
told = json.load(open(os.environ["RENEWED_JSON"]))
json.dump([sys.argv[1:], os.environ["RENEWED_LINEAGE"], os.environ["RENEWED_DOMAINS"], told], open("{out}", "w"))
"""


def test_the_files_are_copied_and_the_hook_gets_what_other_clients_give(release, tmp_path) -> None:
    out = tmp_path / "out.json"
    settings = files(tmp_path, sys.executable, "-c", HOOK.format(out=out), "$(touch /tmp/no); *")
    deploy(Files(settings), release)
    assert (tmp_path / "key.pem").read_bytes() == release.version.pem("privkey.pem")
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o640
    words, lineage, domains, told = json.loads(out.read_text())
    assert words == ["$(touch /tmp/no); *"]  # no shell saw it
    assert lineage == str(release.lineage.live)
    assert domains.split() == told["domains"] == list(NAMES)


def test_a_hook_that_leaves_a_daemon_behind_is_over_when_it_has_ended_itself(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("xmpp_client.servers.files.HOOK_TIMEOUT", 5.0)
    out = tmp_path / "pid"
    start = f"import subprocess; p = subprocess.Popen(['sleep', '600']); open('{out}', 'w').write(str(p.pid))"
    try:
        run((sys.executable, "-W", "ignore", "-c", start), {})
    finally:
        os.kill(int(out.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("hook", "text"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('\\x1b[31mno')"), r"status 1: \W*31mno"),
        (("/nonexistent/hook",), "could not be run"),
    ],
)
def test_a_hook_that_fails_gets_the_old_copies_back(release, tmp_path, hook, text) -> None:
    (tmp_path / "key.pem").write_text("old key")
    with pytest.raises(InstallError, match=text) as caught:
        deploy(Files(files(tmp_path, *hook)), release)
    assert "\x1b" not in str(caught.value)
    assert (tmp_path / "key.pem").read_text() == "old key"
    assert not (tmp_path / "full.pem").exists()


def test_copies_that_cannot_be_written_leave_what_was_there(release, tmp_path) -> None:
    (tmp_path / "full.pem").write_text("old")
    settings = FilesServer(fullchain=tmp_path / "full.pem", privkey=tmp_path / "none" / "key.pem")
    with pytest.raises(InstallError, match="cannot be written"):
        deploy(Files(settings), release)
    assert (tmp_path / "full.pem").read_text() == "old"


@pytest.mark.parametrize("kind", ["owner", "group"])
def test_an_owner_that_is_not_there_is_named(release, tmp_path, kind) -> None:
    with pytest.raises(InstallError, match=f"no {kind} 'nobody-at-all'"):
        deploy(Files(files(tmp_path, **{kind: "nobody-at-all"})), release)


@pytest.mark.parametrize(
    ("text", "address"),
    [("localhost:5269", ("localhost", 5269)), ("[::1]:5269", ("::1", 5269)), ("::1:5269", ("::1", 5269))],
)
def test_addresses_may_be_ipv6(text, address) -> None:
    assert address_of(text) == address


STREAM = b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
FEATURES = (
    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
)


def scripted(*answers: bytes) -> tuple[int, list[bytes], threading.Thread]:
    """A server that reads once and answers once, in turn, then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.settimeout(5)
            for answer in answers:
                heard.append(connection.recv(4096))
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], heard, thread


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ((STREAM + b"<stream:features/>",), "offers xn--bcher-kva.example.org no STARTTLS"),
        ((STREAM + b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",), "no STARTTLS"),
        ((STREAM + FEATURES, b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), "refuses STARTTLS"),
        ((STREAM + FEATURES, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), "no handshake"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "no handshake"),
        ((b"",), "ended the stream"),
        ((STREAM + b" " * 70_000,), "ended the stream"),
    ],
)  # fmt: skip
def test_6120_5_4_a_server_that_does_not_come_to_tls_is_told(answers, text) -> None:
    port, heard, thread = scripted(*answers)
    with pytest.raises(InstallError, match=text):
        served_leaf("127.0.0.1", port, "xn--bcher-kva.example.org", 5.0)
    thread.join(10)
    assert 'to="bücher.example.org"'.encode() in heard[0]  # XMPP speaks U-labels


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(InstallError, match=r"no handshake with 127\.0\.0\.1:9"):
        served_leaf("127.0.0.1", 9, "example.org", 2.0)


def put_symlink(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def put_fifo(path: Path, secret: Path) -> None:
    os.mkfifo(path)


def put_folder(path: Path, secret: Path) -> None:
    path.mkdir()


def put_too_much(path: Path, secret: Path) -> None:
    path.write_bytes(b"x" * (1024 * 1024 + 1))


@pytest.mark.parametrize("put", [put_symlink, put_fifo, put_folder, put_too_much])
def test_an_old_copy_that_is_no_plain_file_is_neither_read_nor_replaced(release, tmp_path, put) -> None:
    (tmp_path / "full.pem").write_bytes(b"old")
    secret = tmp_path / "secret"
    secret.write_bytes(b"of root's")
    put(tmp_path / "key.pem", secret)
    before = (tmp_path / "key.pem").lstat()
    with pytest.raises(InstallError, match=r"key\.pem"):
        Files(files(tmp_path)).install(release)
    assert (tmp_path / "key.pem").lstat().st_ino == before.st_ino
    assert (tmp_path / "full.pem").read_bytes() == b"old"
