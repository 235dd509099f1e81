"""`xmpp-ica eab`: keys for external account binding are made, listed and revoked, and the audit chain says by whom."""

from __future__ import annotations

import base64
import json
import os
import pwd

import pytest
from click.testing import CliRunner

from acme_server.cli import common, main
from acme_server.cli.eab import new_key
from acme_server.store.sqlite import SqliteStore
from tests.acme_requests import Client, binding
from tests.in_process import EXTERNAL_URL


@pytest.fixture
def folder(_copies):
    """A CA with a configuration file, and nothing running."""
    folder = _copies()
    config = f'name = "Test CA"\nexternal_url = "{EXTERNAL_URL}"\nlisten = "127.0.0.1:443"\n'
    (folder / "xmpp-ica.toml").write_text(config)
    return folder


@pytest.fixture
def eab(folder):
    def run(command, *arguments):
        return CliRunner().invoke(main, ["eab", command, "--config", str(folder / "xmpp-ica.toml"), *arguments])

    return run


def audit(folder):
    store = SqliteStore(folder / "xmpp-ica.db")
    with store.read() as transaction:
        records = transaction.audit.records(0, 100)
    store.close()
    return records


def made(eab, *arguments):
    done = eab("create", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_a_key_that_was_made_binds_an_account(eab, folder, make_ca):
    key = made(eab)
    mac_key = base64.urlsafe_b64decode(key["key"] + "=")
    assert len(mac_key) == 32
    ca = make_ca(folder, acme={"external_account_required": True})
    client = Client(ca)
    bound = binding(client.key, client.url("new-account"), key["kid"], mac_key)
    account = client.register(externalAccountBinding=bound).account
    (listed,) = json.loads(eab("list", "--json").output)
    assert listed["account"] == account.rpartition("/")[2]
    assert listed["account"] in eab("list").output


def test_create_prints_what_the_clients_want(eab):
    lines = eab("create").output.splitlines()
    kid, key = (line.partition(": ")[2] for line in lines[:2])
    rest = "\n".join(lines[2:])
    for client in ("certbot", "lego", "acme.sh"):
        assert client in rest
    assert rest.count(kid) == rest.count(key) == 3
    assert f"--server {EXTERNAL_URL}/directory" in rest


def test_a_key_does_not_look_like_an_option():
    octets = iter([bytes(12), b"\xf8" + bytes(31), b"\xfb" + bytes(31), b"\x04" + bytes(31)])
    kid, text, key = new_key(lambda _: next(octets))
    assert kid == "00" * 12
    assert (text[0], key) == ("B", b"\x04" + bytes(31))


def test_each_key_is_another(eab):
    keys = [made(eab) for _ in range(3)]
    assert len({key["kid"] for key in keys}) == len({key["key"] for key in keys}) == 3


def test_list_shows_labels_and_states_and_no_key(eab):
    first, second = made(eab, "--label", "Bücher e.V."), made(eab)
    assert eab("revoke", second["kid"]).exit_code == 0
    told = eab("list").output
    lines = {line.split()[0]: line for line in told.splitlines()}
    assert lines[first["kid"]].endswith("unused  Bücher e.V.")
    assert lines[second["kid"]].split()[2] == "revoked"
    listed = {each["kid"]: each for each in json.loads(eab("list", "--json").output)}
    assert [listed[each["kid"]]["label"] for each in (first, second)] == ["Bücher e.V.", ""]
    assert [listed[each["kid"]]["revoked"] is None for each in (first, second)] == [True, False]
    assert {each["account"] for each in listed.values()} == {None}
    for each in (first, second):
        assert each["key"] not in told + json.dumps(listed)


def test_list_of_no_keys_is_empty(eab):
    assert (eab("list").output, json.loads(eab("list", "--json").output)) == ("", [])


def test_each_command_that_changes_something_is_in_the_audit_chain_without_the_key(eab, folder):
    key = made(eab, "--label", "somebody")
    eab("list")
    eab("revoke", key["kid"])
    records = audit(folder)
    assert [record.event for record in records] == ["external_key_created", "external_key_revoked"]
    for record in records:
        assert record.actor.startswith("user/")
        assert record.subject == f"external-key/{key['kid']}"
        assert record.detail["label"] == "somebody"
        assert key["key"] not in json.dumps(record.detail)


def test_revoke_says_what_it_cannot_do(eab, folder):
    missing = eab("revoke", "nobody")
    assert (missing.exit_code, "eab list" in missing.output) == (1, True)
    key = made(eab)
    assert eab("revoke", key["kid"]).exit_code == 0
    again = eab("revoke", key["kid"])
    assert (again.exit_code, "before" in again.output) == (1, True)
    assert len(audit(folder)) == 2


@pytest.mark.parametrize("label", ["a\nb", "\x1b[31m", "x" * 201, "\ud800"])
def test_a_label_that_is_not_one_short_line_is_refused(eab, folder, label):
    assert eab("create", "--label", label).exit_code == 2
    assert audit(folder) == ()


@pytest.mark.parametrize("command", [["create"], ["list"], ["revoke", "k"]])
def test_without_a_database_or_a_configuration_a_command_says_so(eab, folder, command):
    (folder / "xmpp-ica.db").unlink()
    done = eab(*command)
    assert (done.exit_code, "xmpp-ica init" in done.output) == (1, True)
    assert not (folder / "xmpp-ica.db").exists()
    (folder / "xmpp-ica.toml").unlink()
    assert eab(*command).exit_code == 1


def test_who_made_a_key_is_recorded_as_the_kernel_knows_it(eab, folder, monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(variable, "mallory\n")
    made(eab)
    assert audit(folder)[-1].actor.startswith(f"user/{pwd.getpwuid(os.getuid()).pw_name}")
    assert "mallory" not in audit(folder)[-1].actor


@pytest.mark.parametrize(
    ("login", "actor"),
    [("0\n", "user/USER (root)"), ("4294967295", "user/USER"), (str(2**31 - 9), f"user/USER ({2**31 - 9})")],
)
def test_whoever_became_another_user_is_recorded_with_the_one_who_logged_in(tmp_path, monkeypatch, login, actor):
    (tmp_path / "loginuid").write_text(login)
    monkeypatch.setattr(common, "_LOGIN", tmp_path / "loginuid")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 8)
    assert common.actor() == actor.replace("USER", str(2**31 - 8))
    monkeypatch.setattr(common, "_LOGIN", tmp_path / "absent")
    assert common.actor() == f"user/{2**31 - 8}"


@pytest.mark.parametrize("where", [["eab", "revoke"], ["limit", "pause"], ["approve", "example.org"]])
def test_an_argument_that_is_not_utf_8_is_refused_in_words(folder, where):
    done = CliRunner().invoke(main, [*where, "--config", str(folder / "xmpp-ica.toml"), "\udcff@example.org"])
    assert done.exit_code == 2
    assert "not UTF-8" in done.output
    assert "Traceback" not in done.output
