"""The Prosody adapter with a real Prosody: s2s only, for the host and its components, taken back when it is not served."""

from __future__ import annotations

import grp
import os
import stat
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.client.conftest import FOUR
from tests.client.pki import Pki, key_pem, pem
from tests.peers.prosody import prosody
from tests.peers.s2s import S2sStream
from xmpp_client.clock import Clock
from xmpp_client.config import ProsodyServer
from xmpp_client.errors import InstallError
from xmpp_client.lineage import Lineage, Meta
from xmpp_client.servers import Release, deploy
from xmpp_client.servers.prosody import Prosody

NOW = datetime(2026, 11, 23, tzinfo=UTC)
COMPONENTS = {"conference.example.org": "muc", "upload.example.org": "pubsub", "bücher.example.org": "muc"}


def release(state: Path, pki: Pki, names: tuple[str, ...] = FOUR) -> Release:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = pki.leaf(key.public_key(), names)
    lineage = Lineage(state, "example.org")
    files = {"privkey.pem": key_pem(key), "cert.pem": pem(leaf), "chain.pem": pem(pki.inter),
             "fullchain.pem": pem(leaf) + pem(pki.inter)}  # fmt: skip
    meta = Meta(names, NOW, NOW + timedelta(days=45), NOW, f"{leaf.serial_number:x}", "https://ca.test/", "")
    return Release(lineage, lineage.add(files, meta), leaf.public_bytes(Encoding.DER))


HURRIED = Clock(monotonic=lambda: time.monotonic() * 10)
"""Patience ends ten times as soon."""


def settings(folder: Path, port: int, **more) -> ProsodyServer:
    return ProsodyServer(
        folder=folder / "s2s", group="", pidfile=folder / "prosody.pid", address=f"127.0.0.1:{port}", **more
    )


def s2s_ssl(folder: Path) -> str:
    place = folder / "s2s" / "example.org"
    return f's2s_ssl = {{ certificate = "{place}/fullchain.pem", key = "{place}/privkey.pem" }}'


def test_one_setting_under_the_host_serves_all_names_and_leaves_other_hosts_alone(peer, tmp_path) -> None:
    pki = Pki()
    host = f'VirtualHost "other.test"\nVirtualHost "example.org"\n{s2s_ssl(tmp_path)}'
    with prosody(peer("prosody"), tmp_path, (), components=COMPONENTS, settings=host) as server, ExitStack() as streams:
        adapter = Prosody(settings(tmp_path, server.port))
        deploy(adapter, release(tmp_path / "state", pki))
        before = streams.enter_context(S2sStream(server.port, "bücher.example.org"))
        second = release(tmp_path / "state", pki)
        deploy(adapter, second)
        served = adapter.served(FOUR)
        assert set(served.values()) == {second.leaf}
        assert before.answers()
        with pytest.raises(InstallError):
            adapter.served(("other.test",))


def test_a_certificate_that_prosody_cannot_load_is_taken_back_and_the_old_one_served_again(peer, tmp_path) -> None:
    pki = Pki()
    host = f'VirtualHost "example.org"\n{s2s_ssl(tmp_path)}'
    with prosody(peer("prosody"), tmp_path, (), components=COMPONENTS, settings=host) as server:
        adapter = Prosody(settings(tmp_path, server.port))
        good, bad = release(tmp_path / "state", pki), release(tmp_path / "state", pki)
        deploy(adapter, good)
        (bad.version.path / "privkey.pem").write_bytes(good.version.pem("privkey.pem"))  # another certificate's key
        with pytest.raises(InstallError, match="does not serve the new certificate"):
            deploy(adapter, bad, HURRIED)
        assert set(adapter.served(FOUR).values()) == {good.leaf}


def test_the_first_files_stay_where_prosody_is_not_set_up_and_the_lines_to_add_are_told(peer, tmp_path) -> None:
    with prosody(peer("prosody"), tmp_path, ("example.org",)) as server:
        adapter = Prosody(settings(tmp_path, server.port))
        with pytest.raises(InstallError) as caught:
            deploy(adapter, release(tmp_path / "state", Pki(), ("example.org",)), HURRIED)
        assert s2s_ssl(tmp_path) in caught.value.hint
        assert "xmpp-cert install example.org" in caught.value.hint
        assert (tmp_path / "s2s" / "example.org" / "fullchain.pem").exists()


def test_files_have_their_mode_whatever_the_umask_and_older_keys_are_removed(tmp_path) -> None:
    adapter, pki = Prosody(replace(settings(tmp_path, 9), mode="0640")), Pki()
    for _ in range(4):
        adapter.install(release(tmp_path / "state", pki))
    place = tmp_path / "s2s" / "example.org"
    assert stat.S_IMODE((place / "privkey.pem").stat().st_mode) == 0o640
    assert stat.S_IMODE(place.stat().st_mode) == 0o750
    assert sorted(p.name for p in (tmp_path / "s2s").iterdir()) == [".example.org.3", ".example.org.4", "example.org"]


def test_whoever_is_in_the_group_can_read_the_files_by_the_default_settings_and_nobody_else(tmp_path) -> None:
    root = os.geteuid() == 0
    group = next(g for g in grp.getgrall() if g.gr_gid) if root else grp.getgrgid(os.getegid())
    with tempfile.TemporaryDirectory() as outside:
        Path(outside).chmod(0o755)  # as /etc/prosody is
        own = replace(settings(Path(outside), 9), group=group.gr_name)
        Prosody(own).install(release(tmp_path / "state", Pki()))
        key = Path(outside) / "s2s" / "example.org" / "privkey.pem"

        def read(gid: int) -> int:
            foreign = {"user": 65534, "group": gid, "extra_groups": []} if root else {}
            return subprocess.run(["cat", key], check=False, capture_output=True, **foreign).returncode

        assert read(group.gr_gid) == 0
        if root:
            assert read(65534 if group.gr_gid != 65534 else 65533) != 0


def test_the_same_version_again_goes_beside_the_files_in_use(tmp_path) -> None:
    adapter, one = Prosody(settings(tmp_path, 9)), release(tmp_path / "state", Pki())
    for expected in (".example.org.1", ".example.org.1.again", ".example.org.1"):
        adapter.install(one)
        assert (tmp_path / "s2s" / "example.org").readlink() == Path(expected)


@pytest.mark.parametrize("content", [None, "", "x", "0", "1", "-5", "999999999"])
def test_a_pidfile_that_names_no_process_of_prosody_gets_no_signal(tmp_path, content) -> None:
    if content is not None:
        (tmp_path / "prosody.pid").write_text(content)
    with pytest.raises(InstallError, match=r"prosody\.pid"):
        Prosody(settings(tmp_path, 9)).reload()


def test_a_group_that_is_not_there_changes_nothing(tmp_path) -> None:
    adapter = Prosody(replace(settings(tmp_path, 9), group="no-such-group"))
    with pytest.raises(InstallError, match="no group 'no-such-group'"):
        adapter.install(release(tmp_path / "state", Pki()))
    assert not (tmp_path / "s2s" / "example.org").exists()


def test_the_command_issues_installs_and_renews_into_a_running_prosody(peer, ca, site, tmp_path) -> None:
    host = f'VirtualHost "example.org"\n{s2s_ssl(tmp_path)}'
    with prosody(peer("prosody"), tmp_path, (), components=COMPONENTS, settings=host) as server:
        own = site(
            'server = "prosody"', "[certificate.mail]", 'reader = "maildir"', f'path = "{tmp_path / "Maildir"}"',
            "[certificate.prosody]", f'folder = "{tmp_path / "s2s"}"', 'group = ""',
            f'pidfile = "{tmp_path / "prosody.pid"}"', f'address = "127.0.0.1:{server.port}"',
        )  # fmt: skip
        for command in (["issue"], ["renew", "--force"]):
            done = own.run(*command)
            assert done.exit_code == 0, done.output
            assert "bücher.example.org" in done.output
            leaf = x509.load_pem_x509_certificate((own.live / "cert.pem").read_bytes())
            for name in ("example.org", *COMPONENTS):
                with S2sStream(server.port, name) as stream:
                    assert stream.leaf == leaf
