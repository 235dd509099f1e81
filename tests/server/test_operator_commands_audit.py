"""`xmpp-ica audit verify`: the chain of a CA that has worked, whole and broken in every way; and what its status says."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from acme_server.cli import main
from acme_server.federation.audit import link_hash
from acme_server.federation.verification import PAGE, Head, verify
from tests.acme_requests import Client
from tests.in_process import NOW
from tests.peers.xmpp_ica import command

CONFIG = 'name = "Test CA"\nexternal_url = "https://ca.example"\nlisten = "127.0.0.1:443"\n'


def run(ca, *arguments):
    config = ca.database.with_name("xmpp-ica.toml")
    config.write_text(CONFIG)
    done = CliRunner().invoke(main, ["audit", "verify", "--config", str(config), *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def worked(ca):
    """A CA whose chain has seven records."""
    client = Client(ca).register()
    client.issue("example.org")
    for value in ("bücher.example", "a_b.example"):
        client.post("new-order", {"identifiers": [{"type": "dns", "value": value}]})
    client.post(client.account, {"status": "deactivated"})
    assert len(ca.audit()) == 7
    return ca


def head_of(ca, number=7):
    (found,) = ca.rows("SELECT hash FROM audit WHERE number = ?", number)
    return f"{number}:{found[0].hex()}"


def rewrite(ca, first):
    """What somebody does who may write the database and knows the code: every hash from `first` on is made anew."""
    records = ca.audit()
    previous = records[first - 2].hash
    for record in records[first - 1 :]:
        made = link_hash(previous, record.number, record.at, record.event, record.actor, record.subject, record.detail)
        ca.change("UPDATE audit SET previous = ?, hash = ? WHERE number = ?", previous, made, record.number)
        previous = made


def test_a_chain_that_holds_is_told_with_its_length_its_time_and_its_head(worked):
    done = run(worked)
    assert done.exit_code == 0
    assert "holds: 7 records, 2026-06-01 12:00:00 to 2026-06-01 12:00:00 UTC" in done.output
    assert f"Head: {head_of(worked)}\n" in done.output
    told = json.loads(run(worked, "--json").stdout)
    at = "2026-06-01T12:00:00Z"
    expected = {"holds": True, "records": 7, "first_at": at, "last_at": at, "head": head_of(worked), "broken": None}
    assert told == expected


@pytest.mark.parametrize(
    ("statement", "number", "said"),
    [
        ("UPDATE audit SET at = at + 1 WHERE number = 4", 4, "it was changed"),
        ("UPDATE audit SET event = 'certificate_lost' WHERE number = 4", 4, "it was changed"),
        ("UPDATE audit SET actor = 'user/mallory' WHERE number = 4", 4, "it was changed"),
        ("UPDATE audit SET subject = 'certificate/1' WHERE number = 4", 4, "it was changed"),
        ("UPDATE audit SET detail = '{}' WHERE number = 4", 4, "it was changed"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE number = 4", 4, "its hash is not that of what it says"),
        ("UPDATE audit SET previous = zeroblob(32) WHERE number = 4", 4, "neither the hash of record 3 nor its own"),
        ("UPDATE audit SET number = 40 WHERE number = 7", 40, "records 7 ff. are missing"),
        ("DELETE FROM audit WHERE number = 1", 2, "record 1 is missing before it"),
        ("DELETE FROM audit WHERE number = 4", 5, "record 4 is missing before it"),
        ("DELETE FROM audit WHERE number IN (4, 5)", 6, "records 4 ff. are missing"),
        ("DELETE FROM audit", 1, "no record at all"),
        # What a reader of text, of JSON or of time would stumble over, or each would read in another way.
        ("UPDATE audit SET at = at + 0.5 WHERE number = 4", 4, "not a whole number"),
        ("UPDATE audit SET at = 'now' WHERE number = 4", 4, "not a whole number"),
        ("UPDATE audit SET at = 1 << 60 WHERE number = 4", 4, "its time is none"),
        ("UPDATE audit SET event = CAST(x'ff' AS TEXT) WHERE number = 4", 4, "neither text nor JSON"),
        ("UPDATE audit SET detail = '' WHERE number = 4", 4, "neither text nor JSON"),
        ("UPDATE audit SET detail = '[1]' WHERE number = 4", 4, "not written as this server writes it"),
        ("UPDATE audit SET detail = printf('%.*c', 99999, '[') WHERE number = 4", 4, "neither text nor JSON"),
        ("UPDATE audit SET detail = ' ' || detail WHERE number = 4", 4, "not written as this server writes it"),
        ("UPDATE audit SET detail = '{\"order\":0,' || substr(detail, 2) WHERE number = 4", 4, "not written as this"),
    ],
)
def test_the_first_broken_link_is_named_and_what_is_wrong_with_it(worked, statement, number, said):
    worked.change(statement)
    done = run(worked)
    assert done.exit_code == 1
    assert f"BROKEN at record {number}: " in done.output
    assert said in done.output
    told = json.loads(run(worked, "--json").stdout)
    assert (told["holds"], told["broken"]["number"]) == (False, number)
    # What still holds is told too, so that one knows what can be relied on.
    assert told["records"] == (told["head"] is not None and int(told["head"].split(":")[0]))


def test_a_record_put_in_is_found_though_its_own_hash_is_right(worked):
    for number in (7, 6, 5):
        worked.change("UPDATE audit SET number = ? WHERE number = ?", number + 1, number)
    before = worked.audit()[3]
    made = link_hash(before.hash, 5, NOW, "e", "server", "s", {})
    values = (5, int(NOW.timestamp()), "e", "server", "s", "{}", before.hash, made)
    worked.change("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)
    report = verify(worked.store)
    assert (report.records, report.broken.number) == (5, 6)


def test_a_record_written_behind_another_one_is_told_from_one_that_was_changed(worked):
    record = worked.audit()[3]
    other = link_hash(bytes(32), 4, record.at, record.event, record.actor, record.subject, record.detail)
    worked.change("UPDATE audit SET previous = zeroblob(32), hash = ? WHERE number = 4", other)
    assert "written behind another record 3" in verify(worked.store).broken.problem


@pytest.mark.parametrize("number", [0, -5])
def test_a_record_put_in_before_the_first_one_is_found(worked, number):
    worked.change(
        "INSERT INTO audit SELECT ?, at, 'x', actor, subject, detail, previous, hash FROM audit LIMIT 1", number
    )
    report = verify(worked.store)
    assert (report.records, report.broken.number) == (0, number)
    assert "begins with record 1" in report.broken.problem


def test_a_chain_that_was_cut_off_holds_without_a_head_and_is_found_with_it(worked):
    kept = head_of(worked)
    worked.change("DELETE FROM audit WHERE number > 4")
    assert run(worked).exit_code == 0
    done = run(worked, "--head", kept)
    assert done.exit_code == 1
    assert "BROKEN at record 5" in done.output
    assert "cut off" in done.output


def test_a_chain_written_anew_holds_without_a_head_and_is_found_with_it(worked):
    kept = head_of(worked)
    worked.change("UPDATE audit SET actor = 'user/mallory' WHERE number = 4")
    rewrite(worked, 4)
    assert run(worked).exit_code == 0
    done = run(worked, "--head", kept)
    assert (done.exit_code, "BROKEN at record 7" in done.output) == (1, True)
    assert "written anew" in done.output


def test_a_head_from_earlier_is_a_link_of_the_chain_that_has_grown(worked):
    for number in (1, 4, 7):
        assert run(worked, "--head", head_of(worked, number)).exit_code == 0
    Client(worked).register()
    assert run(worked, "--head", head_of(worked, 7).upper()).exit_code == 0
    assert str(verify(worked.store).head) == head_of(worked, 8)


@pytest.mark.parametrize("head", ["", "7", f"0:{'0' * 64}", f"7:{'0' * 63}", f"7:{'g' * 64}", f" 7:{'0' * 64}"])
def test_a_head_that_is_none_is_refused_with_the_status_of_a_wrong_command_line(worked, head):
    assert run(worked, "--head", head).exit_code == 2


def test_a_chain_that_cannot_be_read_is_not_called_broken(worked):
    worked.change("UPDATE alembic_version SET version_num = '0000'")
    done = run(worked)
    assert (done.exit_code, "xmpp-ica migrate" in done.output) == (2, True)
    worked.database.with_name("xmpp-ica.toml").write_text("x")
    missing = CliRunner().invoke(main, ["audit", "verify", "--config", "/missing.toml"])
    assert (missing.exit_code, "xmpp-ica init" in missing.output) == (2, True)


def test_a_damaged_database_is_told_and_not_called_a_broken_chain(worked):
    fill(worked, 200)
    worked.change("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(worked.database.read_bytes())
    start = content.index(b"s/100") // 4096 * 4096
    content[start : start + 4096] = b"\xff" * 4096
    worked.database.write_bytes(content)
    done = run(worked)
    assert (done.exit_code, "malformed" in done.output) == (2, True)


def fill(ca, count):
    with ca.store.write() as transaction:
        for number in range(count):
            transaction.audit.append("event", actor="server", subject=f"s/{number}", at=NOW, detail={"n": number})


def test_it_works_beside_a_server_that_writes_and_copies_its_log_back(worked):
    fill(worked, 2 * PAGE)
    seen = []

    def between_two_pages(done):
        seen.append(done)
        fill(worked, 1)
        with contextlib.closing(sqlite3.connect(worked.database, timeout=0)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy  # a transaction that reads would have kept the log from being cut

    report = verify(worked.store, progress=between_two_pages)
    assert seen == [PAGE, 2 * PAGE]
    assert (report.records, report.broken) == (7 + 2 * PAGE + 2, None)


def test_a_break_is_found_on_whatever_page_it_is(worked):
    fill(worked, 2 * PAGE)
    for number in (2 * PAGE + 1, 2 * PAGE, PAGE + 1, PAGE):
        worked.change("UPDATE audit SET subject = 'x' WHERE number = ?", number)
        assert verify(worked.store).broken.number == number


def test_the_head_is_read_as_it_is_written():
    head = Head(12, bytes(range(32)))
    assert Head.parse(str(head)) == head


def test_as_a_process_its_status_is_the_answer_also_where_nobody_reads_it(worked):
    run(worked)  # writes the configuration
    argv = [command(), "audit", "verify", "--config", worked.database.with_name("xmpp-ica.toml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert head_of(worked) in done.stdout
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: standard output: No space left on device\n")


def test_on_a_terminal_progress_is_shown_and_not_in_the_answer(worked):
    run(worked)
    fill(worked, 2 * PAGE)
    script = "import pty, sys, os; status = pty.spawn(sys.argv[1:]); sys.exit(os.waitstatus_to_exitcode(status))"
    argv = [command(), "audit", "verify", "--config", worked.database.with_name("xmpp-ica.toml")]
    done = subprocess.run(
        [sys.executable, "-c", script, *argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert b"100%" in done.stdout
    assert head_of(worked, 7 + 2 * PAGE).encode() in done.stdout
