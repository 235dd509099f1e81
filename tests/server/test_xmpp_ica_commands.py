"""`xmpp-ica init`, `migrate`, and what `serve` says before it starts; and the log."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import acme_server
from acme_server.cli import main
from acme_server.config import load
from acme_server.store.sqlite import SqliteStore
from tests.audit_chain import broken_link

URL = ["--name", 'The "CA" \\ of Bücher', "--external-url", "https://ca.example:8443"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def made(tmp_path):
    done = run("init", tmp_path / "ca", *URL)
    assert done.exit_code == 0, done.output
    return tmp_path / "ca"


def test_init_makes_a_folder_that_holds_a_whole_ca(made):
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert files == {
        "xmpp-ica.toml",
        "xmpp-ica.db",
        *(f"ca/{name}" for name in ("root.pem", "root.key", "issuer.pem", "issuer.key")),
        *("tls/cert.pem", "tls/key.pem"),
    }
    config = load(made / "xmpp-ica.toml")
    assert (config.name, config.external_url, config.listen) == (URL[1], URL[3], "127.0.0.1:8443")
    assert config.mail is None


def test_init_lets_nobody_else_read_a_key_or_the_database(made):
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    for path in [*made.rglob("*.key"), made / "tls/key.pem", made / "xmpp-ica.db"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_init_records_who_made_the_ca(made):
    store = SqliteStore(made / "xmpp-ica.db")
    with store.read() as transaction:
        records = transaction.audit.records(0, 10)
    store.close()
    assert [record.event for record in records] == ["ca_created", "certificate_reserved", "certificate_issued"]
    assert all(record.actor.startswith("user/") for record in records)
    assert broken_link(records) is None


def test_init_takes_the_mail_options_together(tmp_path):
    done = run("init", tmp_path / "ca", *URL, "--mail-from", "acme@ca.example", "--smarthost", "127.0.0.1:25")
    assert done.exit_code == 0
    mail = load(tmp_path / "ca" / "xmpp-ica.toml").mail
    assert (mail.sender, mail.smarthost) == ("acme@ca.example", "127.0.0.1:25")
    for lonely in (["--mail-from", "acme@ca.example"], ["--smarthost", "127.0.0.1:25"]):
        assert run("init", tmp_path / "other", *URL, *lonely).exit_code == 2
    assert not (tmp_path / "other").exists()


def test_init_never_touches_a_folder_that_is_not_empty(made):
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    done = run("init", made, *URL)
    assert done.exit_code == 1
    assert "not empty" in done.output
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "wrong",
    [
        ["--external-url", "http://ca.example"],
        ["--external-url", "https://ca.example/"],
        ["--external-url", "https://192.0.2.1"],
        ["--external-url", "https://[::1]"],
        ["--external-url", "ca.example"],
        ["--listen", "nowhere"],
        ["--name", ""],
        ["--name", "x" * 49],
        ["--name", "a\nb"],
        ["--mail-from", "nobody", "--smarthost", "h:25"],
        ["--mail-from", "a@b.example", "--smarthost", "h"],
    ],
)
def test_init_with_a_wrong_option_says_so_and_leaves_nothing_that_a_right_one_stumbles_over(tmp_path, wrong):
    done = run("init", tmp_path / "ca", *URL, *wrong)
    assert done.exit_code in {1, 2}
    assert "Error" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert run("init", tmp_path / "ca", *URL).exit_code == 0


def test_the_database_of_this_version_needs_no_migration(made):
    done = run("migrate", "--config", made / "xmpp-ica.toml")
    assert (done.exit_code, "already" in done.output) == (0, True)


def test_migrate_brings_an_older_database_here_and_records_it(made):
    with contextlib.closing(sqlite3.connect(made / "xmpp-ica.db")) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        connection.execute("PRAGMA foreign_keys = OFF")
        for table in tables:
            connection.execute(f"DROP TABLE {table}")
    done = run("migrate", "--config", made / "xmpp-ica.toml")
    assert done.exit_code == 0, done.output
    store = SqliteStore(made / "xmpp-ica.db")
    with store.read() as transaction:
        (record,) = transaction.audit.records(0, 10)
    store.close()
    assert (record.event, record.detail) == ("database_migrated", {"from": None})


@pytest.mark.parametrize("command", ["migrate", "serve"])
def test_without_a_configuration_a_command_says_how_to_make_one(tmp_path, command):
    done = run(command, "--config", tmp_path / "missing.toml")
    assert done.exit_code == 1
    assert "xmpp-ica init" in done.output


def test_migrate_makes_no_database_where_there_is_none(made):
    (made / "xmpp-ica.db").unlink()
    assert run("migrate", "--config", made / "xmpp-ica.toml").exit_code == 1
    assert not (made / "xmpp-ica.db").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "xmpp-ica.db").unlink(), "xmpp-ica.db"),
        (lambda folder: (folder / "ca/issuer.key").chmod(0o644), "issuer.key"),
        (lambda folder: (folder / "ca/issuer.key").unlink(), "issuer.key"),
        (lambda folder: (folder / "ca/issuer.pem").write_text("rubbish"), "issuer.pem"),
        (lambda folder: (folder / "tls/cert.pem").unlink(), "cert.pem"),
        (lambda folder: (folder / "tls/cert.pem").write_text("rubbish"), "Error"),
        (lambda folder: (folder / "xmpp-ica.toml").write_text("x = 1"), "xmpp-ica.toml"),
    ],
)
def test_serve_says_once_and_to_a_person_what_keeps_it_from_starting(made, damage, said):
    damage(made)
    done = run("serve", "--config", made / "xmpp-ica.toml")
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert said in done.output
    assert "Traceback" not in done.output


LOG = """
from acme_server.log import configure_log
import structlog
configure_log()
structlog.get_logger().info("order_finalized", order="x", text='a "b"\\nc')
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("incident", incident="i")
"""


def test_the_log_is_one_line_an_event_on_standard_error():
    root = Path(acme_server.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", LOG], cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first.startswith("timestamp=20")
    assert "level=info event=order_finalized" in first
    assert "ZeroDivisionError" in second


def test_the_configuration_that_init_writes_says_where_its_settings_are_described(made):
    text = (made / "xmpp-ica.toml").read_text(encoding="utf-8")
    assert "docs/reference/xmpp-ica.md" in text
    assert json.loads(json.dumps(tomllib.loads(text))) == {
        "name": URL[1],
        "external_url": URL[3],
        "listen": "127.0.0.1:8443",
    }


def test_too_few_descriptors_are_told_before_anything_starts(made):
    script = 'ulimit -n 512 && exec "$0" serve --config "$1"'
    argv = ["bash", "-c", script, Path(sys.executable).parent / "xmpp-ica", made / "xmpp-ica.toml"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "LimitNOFILE" in done.stderr


def test_without_the_extra_the_command_says_what_to_install():
    script = "import sys; sys.modules['msgspec'] = None; from acme_server.entry import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "pip install 'xmpp-ica[server]'" in done.stderr
    assert "Traceback" not in done.stderr
