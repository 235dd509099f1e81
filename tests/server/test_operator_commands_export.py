"""`xmpp-ica export certificates`: every serial there is, for whoever keeps books; and a file that is whole or not there."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.cli import main
from acme_server.federation.export import PAGE, certificates, is_live, to_json
from acme_server.states import CertificateStatus
from challenges.base import Identifier
from tests.acme_requests import Client, b64
from tests.in_process import NOW
from tests.peers.xmpp_ica import command
from tests.store_values import LATER, SECOND, certificate

CONFIG = 'name = "Test CA"\nexternal_url = "https://ca.example"\nlisten = "127.0.0.1:443"\n'


def argv(ca, *arguments):
    config = ca.database.with_name("xmpp-ica.toml")
    config.write_text(CONFIG)
    return ["export", "certificates", "--config", str(config), *map(str, arguments)]


def run(ca, *arguments):
    done = CliRunner().invoke(main, argv(ca, *arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def worked(ca):
    """A CA with a live certificate, a revoked one, a reserved serial and an orphan, a day apart each."""
    client = Client(ca).register()
    client.issue("example.org", "conference.example.org")
    ca.clock.advance(days=1)
    leaf = client.issue("b.example").leaf
    ca.clock.advance(days=1)
    client.post("revoke-cert", {"certificate": b64(leaf.public_bytes(Encoding.DER)), "reason": 4})
    kept = {"account_id": None, "not_after": NOW + timedelta(days=45)}
    with ca.store.write() as transaction:
        transaction.certificates.reserve(certificate("2", "gone", created_at=ca.clock(), **kept))
        transaction.certificates.orphan("gone", ca.clock())
        transaction.certificates.reserve(certificate("1", None, created_at=ca.clock(), **kept))
    return ca


def test_each_serial_is_one_line_in_the_order_of_the_serials(worked):
    told = lines(run(worked).stdout)
    assert [line["serial"] for line in told] == sorted(row[0] for row in worked.rows("SELECT serial FROM certificates"))
    assert sorted(line["status"] for line in told) == ["issued", "issued", "orphan", "reserved"]
    assert run(worked).stdout == run(worked).stdout


def test_a_line_says_what_the_certificate_says_and_what_the_ca_knows_of_it(worked):
    line = next(line for line in lines(run(worked).stdout) if len(line["identifiers"]) == 2 and line["der"])
    der = base64.b64decode(line["der"], validate=True)
    leaf = x509.load_der_x509_certificate(der)
    assert int(line["serial"], 16) == leaf.serial_number
    assert line["sha256"] == hashlib.sha256(der).hexdigest()
    assert line["tbs_sha256"] == hashlib.sha256(leaf.tbs_certificate_bytes).hexdigest()
    for name in ("not_before", "not_after"):
        assert line[name] == f"{getattr(leaf, name.replace('not_', 'not_valid_') + '_utc'):%Y-%m-%dT%H:%M:%SZ}"
    names = ["example.org", "conference.example.org"]
    assert line["identifiers"] == [{"type": "dns", "value": name} for name in names]
    ((account, order),) = worked.rows("SELECT account_id, id FROM orders WHERE certificate = ?", line["serial"])
    assert (line["account"], line["order"], line["profile"]) == (account, order, "xmpp")
    assert (line["status"], line["created_at"]) == ("issued", "2026-06-01T12:00:00Z")
    assert (line["revoked_at"], line["reason"]) == (None, None)


def test_a_revocation_and_an_interrupted_issuance_are_told(worked):
    told = lines(run(worked).stdout)
    revoked = next(line for line in told if line["reason"])
    assert (revoked["revoked_at"], revoked["reason"], revoked["status"]) == ("2026-06-03T12:00:00Z", 4, "issued")
    orphan = next(line for line in told if line["status"] == "orphan")
    assert (orphan["revoked_at"], orphan["reason"], orphan["der"]) == ("2026-06-03T12:00:00Z", None, None)
    assert orphan["sha256"] is None
    reserved = next(line for line in told if line["status"] == "reserved")
    assert (reserved["revoked_at"], reserved["der"], reserved["account"]) == (None, None, None)


@pytest.mark.parametrize(
    ("since", "count"),
    [
        ("2026-06-01", 4),
        ("2026-06-01T12:00:00", 4),
        ("2026-06-01T12:00:01", 3),
        # Revoked since, though made before.
        ("2026-06-03T12:00:00Z", 3),
        ("2026-06-03T12:00:01Z", 0),
    ],
)
def test_since_takes_what_was_made_or_revoked_at_that_time_or_later(worked, since, count):
    assert len(lines(run(worked, "--since", since).stdout)) == count


def test_a_since_that_is_no_time_is_refused(worked):
    assert run(worked, "--since", "yesterday").exit_code == 2


@pytest.mark.parametrize(
    ("changes", "live"),
    [
        ({}, True),
        ({"not_before": NOW + SECOND}, False),
        ({"not_after": NOW}, True),
        ({"not_after": NOW - SECOND}, False),
        ({"revoked_at": NOW}, False),
        ({"status": CertificateStatus.RESERVED, "der": None}, False),
        ({"status": CertificateStatus.ORPHAN, "der": None, "revoked_at": NOW}, False),
    ],
)
def test_live_is_what_was_issued_is_not_revoked_and_is_in_its_period(changes, live):
    values = {"status": CertificateStatus.ISSUED, "der": b"der", "not_before": NOW, "not_after": LATER} | changes
    assert is_live(certificate(**values), NOW) is live


def test_live_leaves_out_all_the_others(worked):
    told = list(certificates(worked.store, live_at=worked.clock()))
    assert [line["identifiers"][0]["value"] for line in told] == ["example.org"]
    assert list(certificates(worked.store, live_at=NOW + timedelta(days=60))) == []
    assert list(certificates(worked.store, live_at=worked.clock(), since=worked.clock())) == []


def test_a_name_in_any_script_is_one_line_of_utf_8(worked):
    with worked.store.write() as transaction:
        user = (Identifier("jid", "jürg\u2028@example.org"),)
        transaction.certificates.reserve(certificate("3", None, account_id=None, identifiers=user))
    done = run(worked)
    assert done.stdout_bytes.count(b"\n") == 5
    assert "jürg".encode() in done.stdout_bytes


def fill(ca, count):
    with ca.store.write() as transaction:
        for number in range(count):
            transaction.certificates.reserve(certificate(f"a{number:06}", None, account_id=None))


def test_many_are_read_page_by_page_beside_a_server_that_writes(ca):
    fill(ca, 2 * PAGE)
    found = []
    for record in certificates(ca.store):
        found.append(record["serial"])
        if len(found) % PAGE == 1:
            with contextlib.closing(sqlite3.connect(ca.database, timeout=0)) as connection:
                busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert not busy  # a transaction that reads would have kept the log from being cut
    assert found == [f"a{number:06}" for number in range(2 * PAGE)]


def test_a_file_is_for_its_owner_alone_and_replaces_the_last_one(worked, tmp_path):
    output = tmp_path / "certificates.jsonl"
    output.write_text("the last one")
    output.chmod(0o644)
    done = run(worked, "--output", output)
    assert (done.exit_code, done.stdout) == (0, f"4 serials written to {output}\n")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert output.read_text(encoding="utf-8") == run(worked).stdout
    assert list(tmp_path.iterdir()) == [output]


def test_where_reading_fails_half_way_the_last_file_stays_as_it_was(worked, tmp_path):
    output = tmp_path / "certificates.jsonl"
    output.write_text("the last one")
    arguments = argv(worked, "--output", output)
    worked.change("UPDATE certificates SET identifiers = '[' WHERE serial = '2'")
    assert CliRunner().invoke(main, arguments).exit_code == 1
    assert output.read_text() == "the last one"
    assert list(tmp_path.iterdir()) == [output]


def link_to_a_file(path):
    path.with_name("elsewhere").write_text("its content")
    path.symlink_to("elsewhere")


def link_to_nothing(path):
    path.symlink_to("nothing")


@pytest.mark.parametrize("make", [os.mkfifo, link_to_a_file, link_to_nothing])
def test_what_is_no_file_of_its_own_is_never_replaced(worked, tmp_path, make):
    """As root, a rename onto /dev/null or /dev/stdout would be the end of it: the tests have devices of their own."""
    output = tmp_path / "output"
    make(output)
    before = {path.name: (path.lstat().st_ino, path.lstat().st_mode) for path in tmp_path.iterdir()}
    done = run(worked, "--output", output)
    assert (done.exit_code, str(output) in done.output) == (1, True)
    assert {path.name: (path.lstat().st_ino, path.lstat().st_mode) for path in tmp_path.iterdir()} == before


def test_a_folder_that_is_not_there_is_told(worked, tmp_path):
    done = run(worked, "--output", tmp_path / "missing" / "file")
    assert (done.exit_code, "No such file" in done.output) == (1, True)


def test_a_database_that_cannot_be_read_leaves_no_file(worked, tmp_path):
    worked.change("UPDATE alembic_version SET version_num = '0000'")
    done = run(worked, "--output", tmp_path / "x")
    assert (done.exit_code, "xmpp-ica migrate" in done.output) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_has_seen_enough_ends_it_without_a_word(ca):
    fill(ca, 3 * PAGE)
    with subprocess.Popen([command(), *argv(ca)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith('{"serial": "a000000"')
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 1


def test_a_full_disk_is_told(worked):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [command(), *argv(worked)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (1, "Error: standard output: No space left on device\n")


def test_no_value_that_identifies_a_person_is_in_it():
    told = to_json(certificate(der=b"der", status=CertificateStatus.ISSUED))
    members = "serial status identifiers profile account order issuer created_at not_before not_after revoked_at reason"
    assert list(told) == [*members.split(), "sha256", "tbs_sha256", "spki_sha256", "der"]
