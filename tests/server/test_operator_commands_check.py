"""`xmpp-ica check`: what monitoring is told of a CA that is well, and of one in each kind of trouble."""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import subprocess
import sys
from datetime import timedelta

import pytest
from click.testing import CliRunner

from acme_server.cli import main
from acme_server.cli.check import examine
from acme_server.federation import health
from acme_server.federation.health import Level
from acme_server.issuance.own import OwnCertificate
from acme_server.issuance.profiles import PROFILES
from acme_server.model import Crl, Job, JobKind
from acme_server.states import CertificateStatus
from acme_server.store import sqlite
from challenges.base import Mail
from tests.acme_requests import Client
from tests.in_process import NOW
from tests.peers.xmpp_ica import command
from tests.store_values import authorization, certificate

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
OK, WARNING, CRITICAL = Level
CHECKS = {"issuer", "root", "tls", "crl", "space", "nonces", "database", "jobs", "orders", "unissued", "mail", "clock"}


@pytest.fixture
def well(ca):
    """A CA that serves: with a CRL, a certificate of its own, an account and what it has issued."""
    own = OwnCertificate(ca.store, ca.application.publisher.issuer, PROFILES["tls"], ca.config.pki, secrets.token_bytes)
    tls = ca.config.tls
    own.make("ca.example", ca.config.path(tls.certificate), ca.config.path(tls.key), ca.clock(), "server")
    Client(ca).register().issue("example.org")
    ca.work_off()
    return ca


def seen(ca, **later):
    """By check: what is found after some time in which nothing happened."""
    findings = examine(ca.config, ca.clock() + timedelta(**later))
    told = {finding.check: finding for finding in findings}
    assert len(told) == len(findings)
    return told


def troubles(ca, **later):
    return {name: finding.level for name, finding in seen(ca, **later).items() if finding.level > OK}


def test_of_a_ca_that_is_well_everything_is_fine(well):
    assert set(seen(well)) == CHECKS
    assert troubles(well) == {}


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ({"days": 1}, {}),
        ({"days": 1, "minutes": 4}, {}),
        # Nobody has made a new CRL when it was due.
        ({"days": 1, "minutes": 6}, {"jobs": WARNING}),
        ({"days": 1, "hours": 2}, {"jobs": CRITICAL}),
        ({"days": 4}, {"jobs": CRITICAL, "crl": WARNING}),
        ({"days": 7}, {"jobs": CRITICAL, "crl": CRITICAL}),
        ({"days": 40}, {"jobs": CRITICAL, "crl": CRITICAL, "tls": WARNING}),
        ({"days": 45}, {"jobs": CRITICAL, "crl": CRITICAL, "tls": CRITICAL}),
        ({"minutes": -4}, {"clock": WARNING}),
        ({"hours": -1}, {"clock": CRITICAL}),
    ],
)
def test_what_becomes_of_a_ca_that_nobody_serves(well, later, expected):
    assert troubles(well, **later) == expected


@pytest.mark.parametrize(
    ("damage", "check", "level", "said"),
    [
        (lambda f: (f / "xmpp-ica.db").rename(f / "moved"), "database", CRITICAL, "put the newest copy back"),
        (lambda f: (f / "xmpp-ica.db").write_bytes(b"rubbish" * 999), "database", CRITICAL, "not a database"),
        (lambda f: (f / "xmpp-ica.db").chmod(0o644), "rights", WARNING, "chmod 600"),
        (lambda f: (f / "xmpp-ica.db-nonces").unlink(), "nonces", WARNING, "no file of nonces"),
        (lambda f: (f / "xmpp-ica.db-nonces").chmod(0o640), "nonces", WARNING, "chmod 600"),
        (lambda f: (f / "xmpp-ica.db-nonces").write_bytes(b"short"), "nonces", WARNING, "cut off"),
        (lambda f: (f / "ca/issuer.key").unlink(), "issuer", CRITICAL, "issuer.key: No such file"),
        (lambda f: (f / "ca/issuer.key").chmod(0o644), "issuer", CRITICAL, "chmod 600"),
        (lambda f: (f / "ca/issuer.pem").write_text("rubbish"), "issuer", CRITICAL, "issuer.pem"),
        (lambda f: (f / "ca/root.pem").unlink(), "issuer", CRITICAL, "root.pem"),
        (lambda f: (f / "tls/cert.pem").unlink(), "tls", CRITICAL, "cert.pem"),
        (lambda f: (f / "tls/cert.pem").write_text("rubbish"), "tls", CRITICAL, "cannot be used"),
        (lambda f: (f / "tls/key.pem").write_text("rubbish"), "tls", CRITICAL, "cannot be used"),
        (lambda f: (f / "tls/key.pem").write_bytes((f / "ca/issuer.key").read_bytes()), "tls", CRITICAL, "not the key"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_all_the_others_are_looked_at_too(well, damage, check, level, said):
    well.store.close()
    damage(well.database.parent)
    found = seen(well)
    assert (found[check].level, said in found[check].text) == (level, True), found[check]
    assert {name for name, finding in found.items() if finding.level > OK} == {check}


def test_a_database_of_another_version_is_critical(well):
    well.change("UPDATE alembic_version SET version_num = '0000'")
    assert "xmpp-ica migrate" in seen(well)["database"].text
    assert troubles(well) == {"database": CRITICAL}


def test_a_database_that_cannot_be_written_is_critical(well, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    with contextlib.closing(sqlite3.connect(well.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "locked" in seen(well)["database"].text
        assert troubles(well) == {"database": CRITICAL}
    assert troubles(well) == {}


def test_a_value_that_no_version_writes_is_critical_and_no_traceback(well):
    well.change("UPDATE jobs SET kind = 'dance'")
    assert troubles(well) == {"database": CRITICAL}


def test_an_audit_record_without_a_time_is_left_to_the_command_that_verifies(well):
    well.change("UPDATE audit SET at = 'x'")
    assert "xmpp-ica audit verify" in seen(well)["clock"].text


def test_an_order_that_does_not_end_is_named(well):
    ((order_id,),) = well.rows("SELECT id FROM orders")
    well.change("UPDATE orders SET certificate = NULL")
    assert troubles(well, minutes=9) == {}
    assert troubles(well, minutes=11) == {"orders": WARNING}
    assert order_id in seen(well, minutes=11)["orders"].text
    assert troubles(well, minutes=61) == {"orders": CRITICAL}
    well.change("UPDATE orders SET error = '{}'")
    assert troubles(well, minutes=61) == {}


def test_a_serial_that_was_reserved_and_never_issued_is_named_until_it_has_expired(well):
    with well.store.write() as transaction:
        transaction.certificates.reserve(certificate("abc", None, account_id=None, not_after=NOW + 2 * DAY))
    assert troubles(well, minutes=9) == {}
    assert troubles(well, minutes=11) == {"unissued": WARNING}
    assert "abc" in seen(well, minutes=11)["unissued"].text
    with well.store.write() as transaction:
        transaction.certificates.orphan(None, NOW + HOUR)
    # It is on the CRL now: somebody shall look once, and then it is known.
    assert troubles(well, hours=2) == {"unissued": WARNING}
    assert "1 of earlier interruptions" in seen(well, days=1, hours=2)["unissued"].text
    assert "interruptions" not in seen(well, days=3)["unissued"].text


def test_mail_that_nobody_takes_and_mail_that_nobody_sends_is_told(well):
    account = well.rows("SELECT id FROM accounts")[0][0]
    with well.store.write() as transaction:
        transaction.authorizations.add(authorization(account_id=account))
        transaction.outbox.add("m", "c-z", Mail("postmaster@example.org", "acme@ca.example", b""))
        transaction.jobs.add(Job(JobKind.MAIL, "m", due=NOW, tries=7), NOW)
    assert seen(well)["mail"].text == "1 mail in the outbox"
    well.change("UPDATE jobs SET tries = 8 WHERE kind = 'mail'")
    assert troubles(well) == {"mail": WARNING}
    assert "smarthost" in seen(well)["mail"].text
    well.change("DELETE FROM jobs WHERE kind = 'mail'")
    assert "without a job" in seen(well)["mail"].text


@pytest.mark.parametrize(
    ("judged", "level"),
    [
        (health.issuer(NOW + 365 * DAY, NOW), OK),
        (health.issuer(NOW + 364 * DAY, NOW), WARNING),
        (health.issuer(NOW + 90 * DAY, NOW), WARNING),
        (health.issuer(NOW + 89 * DAY, NOW), CRITICAL),
        (health.issuer(NOW - DAY, NOW), CRITICAL),
        (health.root(NOW + 730 * DAY, NOW), OK),
        (health.root(NOW + 729 * DAY, NOW), WARNING),
        (health.root(NOW + 179 * DAY, NOW), CRITICAL),
        # Ninety days, ten, six: whoever made it renews it when a third is left.
        (health.web_certificate(NOW - 60 * DAY, NOW + 30 * DAY, NOW), OK),
        (health.web_certificate(NOW - 70 * DAY, NOW + 20 * DAY, NOW), WARNING),
        (health.web_certificate(NOW - 88 * DAY, NOW + 2 * DAY, NOW), CRITICAL),
        (health.web_certificate(NOW - 340 * DAY, NOW + 30 * DAY, NOW), OK),
        (health.web_certificate(NOW - 4 * DAY, NOW + 2 * DAY, NOW), OK),
        (health.web_certificate(NOW - 5 * DAY, NOW + DAY, NOW), WARNING),
        (health.web_certificate(NOW - 6 * DAY, NOW + 12 * HOUR, NOW), CRITICAL),
        (health.web_certificate(NOW + MINUTE, NOW + 90 * DAY, NOW), CRITICAL),
        (health.crl(None, NOW), CRITICAL),
        (health.crl(Crl("i", 1, b"", NOW - 3 * DAY, NOW + 4 * DAY), NOW), OK),
        (health.crl(Crl("i", 1, b"", NOW - 4 * DAY, NOW + 3 * DAY), NOW), WARNING),
        (health.crl(Crl("i", 1, b"", NOW - 7 * DAY, NOW), NOW), CRITICAL),
        (health.space(500 << 20), OK),
        (health.space((500 << 20) - 1), WARNING),
        (health.space((100 << 20) - 1), CRITICAL),
        (health.clock(NOW + timedelta(seconds=5), NOW), OK),
        (health.clock(NOW + timedelta(seconds=6), NOW), WARNING),
        (health.clock(NOW + timedelta(minutes=6), NOW), CRITICAL),
        (health.clock(None, NOW), WARNING),
        (health.jobs([], NOW), OK),
        # Late, but somebody is at it; the lease has run out; due later.
        (health.jobs([Job(JobKind.ISSUE, "o", NOW - HOUR, 0, "1-2-3", NOW + MINUTE)], NOW), OK),
        (health.jobs([Job(JobKind.ISSUE, "o", NOW - 6 * MINUTE, 0, "1-2-3", NOW)], NOW), WARNING),
        (health.jobs([Job(JobKind.ISSUE, "o", NOW + DAY)], NOW), OK),
        (health.jobs([Job(JobKind.CRL, "i", NOW + MINUTE, 3)], NOW), WARNING),
        (health.jobs([Job(JobKind.CRL, "i", NOW + MINUTE, 2)], NOW), OK),
        (health.jobs([Job(JobKind.VALIDATE, "c", NOW + MINUTE, 9)], NOW), OK),
        (health.jobs([Job(JobKind.MAIL, "m", NOW + MINUTE, 9)], NOW), OK),
        (health.mail([]), OK),
        (health.mail([None]), WARNING),
    ],
)
def test_what_is_fine_what_wants_a_look_and_what_wants_it_now(judged, level):
    assert judged.level is level, judged
    assert judged.text


def test_many_are_counted_and_a_few_are_named():
    orders = [(f"order-{number}", NOW - 20 * MINUTE) for number in range(1000)]
    text = health.orders(orders, NOW).text
    assert text.startswith("1000 or more orders in processing for up to 20 minutes: order-0, order-1, ")
    assert "order-4 and 995 more" in text
    assert "order-5" not in text
    orphans = [
        certificate(f"{number:x}", status=CertificateStatus.ORPHAN, revoked_at=NOW - 2 * DAY) for number in range(7)
    ]
    assert "7 of earlier interruptions" in health.unissued(orphans, NOW).text


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A CA as `init` leaves it, which has not served yet."""
    folder = tmp_path_factory.mktemp("operator") / "ca"
    arguments = ["init", str(folder), "--name", "Test CA", "--external-url", "https://ca.example"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    return folder


def test_the_first_line_is_the_worst_and_the_status_says_how_bad(made):
    done = CliRunner().invoke(main, ["check", "--config", str(made / "xmpp-ica.toml")])
    first, *lines = done.stdout.splitlines()
    assert (done.exit_code, first.startswith("xmpp-ica critical: no CRL was ever published")) == (2, True)
    assert "[2 of 12 checks found something]" in first
    assert [line.split()[0] for line in lines] == ["critical", "warning"] + ["ok"] * 10
    assert {line.split()[1] for line in lines} == CHECKS


def test_as_json_it_says_the_same(made):
    done = CliRunner().invoke(main, ["check", "--json", "--config", str(made / "xmpp-ica.toml")])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["level"]) == (2, "critical")
    assert {finding["check"] for finding in told["findings"]} == CHECKS
    assert [finding["level"] for finding in told["findings"]] == ["critical", "warning"] + ["ok"] * 10


def test_where_the_configuration_cannot_be_read_nothing_is_known(tmp_path):
    done = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "missing.toml")])
    assert (done.exit_code, "xmpp-ica init" in done.output) == (3, True)


HEAVY = ("sqlalchemy", "alembic", "flask", "granian", "requests", "rich", "structlog", "publicsuffixlist", "dns")
LOADED = """
import sys
from acme_server.entry import main
try:
    main()
finally:
    print(*(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


def test_as_a_process_it_is_light_and_changes_nothing(made):
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    argv = ["check", "--config", made / "xmpp-ica.toml"]
    done = subprocess.run([command(), *argv], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, *argv], capture_output=True, text=True, timeout=60, check=False
    )
    assert loaded.returncode == 2
    assert set(loaded.stderr.split()).isdisjoint(HEAVY)
