"""Prosody as our tests start it: it serves what lies in its folder, and a reload changes that without closing a stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.peers.prosody import Prosody, prosody
from tests.peers.s2s import S2sStream
from tests.peers.tls import write_tls_files

HOSTS = ("example.org", "bücher.example.org")


def put(server: Prosody, host: str, folder: Path) -> None:
    """A new certificate for the host."""
    folder.mkdir()
    files = write_tls_files(folder, host.encode("idna").decode())
    (server.certificates / f"{host}.crt").write_bytes(files.certificate.read_bytes())
    (server.certificates / f"{host}.key").write_bytes(files.key.read_bytes())


def test_5_a_reload_serves_the_new_certificate_and_keeps_the_stream_that_was_open(
    peer: Callable[[str], Path], tmp_path: Path
) -> None:
    with prosody(peer("prosody"), tmp_path, HOSTS, components={"rooms.example.org": "muc"}) as server:
        put(server, "example.org", tmp_path / "first")
        server.reload()
        with S2sStream(server.port, "example.org") as before:
            put(server, "example.org", tmp_path / "second")
            server.reload()

            with S2sStream(server.port, "example.org") as after:
                assert after.leaf.serial_number != before.leaf.serial_number
            assert before.answers()


def test_5_a_host_of_unicode_letters_is_asked_for_in_them(peer: Callable[[str], Path], tmp_path: Path) -> None:
    with prosody(peer("prosody"), tmp_path, HOSTS) as server:
        put(server, "bücher.example.org", tmp_path / "files")
        server.reload()
        with S2sStream(server.port, "bücher.example.org") as stream:
            assert "xn--bcher-kva.example.org" in stream.leaf.subject.rfc4514_string()
