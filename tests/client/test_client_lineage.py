"""The lineage on disk: one symlink, never half a pair, whatever step fails."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from xmpp_client import durable
from xmpp_client.errors import BusyError, StateError
from xmpp_client.lineage import PEM_FILES, Lineage, Meta

NOW = datetime(2026, 11, 23, tzinfo=UTC)
META = Meta(("example.org",), NOW, NOW + timedelta(days=45), NOW + timedelta(days=30), "2a", "https://ca.test/", "xmpp")


def files(mark: str = "x", size: int = 1) -> dict[str, bytes]:
    return {name: f"{name} {mark}".encode() * size for name in PEM_FILES}


@pytest.fixture
def lineage(tmp_path) -> Lineage:
    return Lineage(tmp_path, "example.org")


def test_versions_count_up_and_the_live_link_is_relative(lineage) -> None:
    assert lineage.current() is None
    for number in (1, 2, 3):
        version = lineage.add(files(str(number)), META)
        lineage.switch(version)
        assert lineage.live.readlink() == Path(f"../archive/example.org/{number}")
        assert lineage.current() == version
        assert (lineage.live / "privkey.pem").read_bytes() == files(str(number))["privkey.pem"]
    assert [version.number for version in lineage.versions()] == [1, 2, 3]
    assert lineage.versions()[0].meta == META


def test_rolling_back_is_switching_and_new_versions_still_count_up(lineage) -> None:
    first, second = lineage.add(files("1"), META), lineage.add(files("2"), META)
    lineage.switch(second)
    lineage.switch(first)
    assert lineage.current() == first
    assert lineage.add(files("3"), META).number == 3


def test_modes_are_right_whatever_the_umask(lineage) -> None:
    before = os.umask(0)
    try:
        version = lineage.add(files(), META)
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in version.path.iterdir()}
    assert modes == {**dict.fromkeys([*PEM_FILES, "meta.json"], 0o644), "privkey.pem": 0o600}
    assert stat.S_IMODE(version.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(lineage.archive.stat().st_mode) == 0o700


@pytest.mark.parametrize("room", [0, 10, 5000, 10_500, 13_000, 20_050])
def test_a_full_disk_leaves_the_old_pair_and_no_remains(lineage, room) -> None:
    """Files may not grow beyond `room` octets: each file of the new version is cut somewhere."""
    lineage.switch(lineage.add(files("old"), META))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(StateError, match="cannot be kept"):
            lineage.add(files("new", 2000), META)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert lineage.current() == lineage.versions()[0]
    assert [p.name for p in lineage.archive.iterdir()] == ["1"]
    assert lineage.add(files("new"), META).number == 2


def _dies_at(state: Path, step: int) -> None:
    """Add and switch, but be killed at the given call of fsync, as a power cut would."""
    count = [0]
    real = os.fsync

    def fsync(handle: int) -> None:
        count[0] += 1
        if count[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        real(handle)

    os.fsync = fsync
    own = Lineage(state, "example.org")
    own.switch(own.add(files("new"), META))


@pytest.mark.parametrize("step", range(1, 11))
def test_a_kill_at_any_step_leaves_a_whole_pair_and_the_next_run_goes_on(lineage, tmp_path, step) -> None:
    lineage.switch(lineage.add(files("old"), META))
    process = multiprocessing.get_context("spawn").Process(target=_dies_at, args=(tmp_path, step))
    process.start()
    process.join(30)
    assert process.exitcode in (0, -signal.SIGKILL)
    live = {name: (lineage.live / name).read_bytes() for name in PEM_FILES}
    assert live in (files("old"), files("new"))
    version = lineage.add(files("next"), META)
    lineage.switch(version)
    assert lineage.current() == version
    assert not (lineage.archive / ".new").exists()


def test_a_live_link_that_is_not_ours_is_said_so(lineage) -> None:
    lineage.live.mkdir(parents=True)
    with pytest.raises(StateError, match="not our symlink"):
        lineage.current()


@pytest.mark.parametrize("number", ["0", "01", "../1", "x", "7", "", "1" * 20])
def test_a_version_that_is_not_there_is_said_so(lineage, number) -> None:
    lineage.add(files(), META)
    with pytest.raises(StateError, match="no version"):
        lineage.version(number)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"version": 2}', b"\xff", META.to_bytes().replace(b"2026-11-23T00:00:00Z", b"soon"),
     META.to_bytes().replace(b'"serial"', b'"cereal"')],
)  # fmt: skip
def test_a_damaged_meta_is_said_so(lineage, content) -> None:
    version = lineage.add(files(), META)
    (version.path / "meta.json").write_bytes(content)
    with pytest.raises(StateError, match=r"meta\.json cannot be used"):
        lineage.version("1")


def test_meta_is_plain_json_for_other_programs() -> None:
    plain = json.loads(META.to_bytes())
    assert plain["not_after"] == "2027-01-07T00:00:00Z"
    assert Meta.from_bytes(META.to_bytes()) == META


def test_marks_are_kept(lineage) -> None:
    version = lineage.add(files(), META)
    assert not version.marked("installed")
    version.mark("installed", NOW)
    assert version.marked("installed")


def test_the_lock_is_one_process_s(tmp_path) -> None:
    path = tmp_path / "lock"
    with durable.lock(path), pytest.raises(BusyError, match="another xmpp-cert"), durable.lock(path):
        pass
    with durable.lock(path):
        pass


def test_nothing_is_written_through_a_symlink(tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("dear")
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "link", b"x", 0o600)
    (tmp_path / ".file.new").symlink_to(victim)
    durable.replace(tmp_path / "file", b"x", 0o600)
    assert victim.read_text() == "dear"
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"), durable.lock(tmp_path / "lock"):
        pass
