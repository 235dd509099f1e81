"""`xmpp-ica approve`: high-value names and the accounts that may have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from acme_server.cli import main
from acme_server.model import Account
from acme_server.states import AccountStatus
from acme_server.store.sqlite import SqliteStore
from tests.audit_chain import broken_link

URL = "https://ca.example:8443"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    done = CliRunner().invoke(main, ["init", str(tmp_path / "ca"), "--name", "CA", "--external-url", URL])
    assert done.exit_code == 0, done.output
    store = SqliteStore(tmp_path / "ca" / "xmpp-ica.db")
    with store.write() as transaction:
        for id_, status in (("one", AccountStatus.VALID), ("gone", AccountStatus.DEACTIVATED)):
            transaction.accounts.add(Account(id_, f"thumbprint of {id_}", "{}", status, (), None, NOW))
    store.close()
    return tmp_path / "ca"


@pytest.fixture
def run(folder):
    def run(*arguments):
        return CliRunner().invoke(main, ["approve", "--config", str(folder / "xmpp-ica.toml"), *arguments])

    return run


def listed(run):
    return [(row["name"], row["account"]) for row in json.loads(run("--list", "--json").output)]


@pytest.mark.parametrize("account", ["one", f"{URL}/acme/account/one"])
def test_an_approval_is_given_shown_and_taken_back(run, account):
    done = run("Jabber.ORG", account)
    assert (done.exit_code, done.output) == (0, f"jabber.org: approved for {URL}/acme/account/one\n")
    assert "approved already" in run("jabber.org", account).output
    assert listed(run) == [("jabber.org", f"{URL}/acme/account/one")]
    assert "jabber.org" in run("--list").output
    assert run("jabber.org", account, "--withdraw").output.startswith("jabber.org: withdrawn for")
    assert "withdrawn already" in run("jabber.org", account, "--withdraw").output
    assert listed(run) == []


def test_it_prints_json(run):
    shown = {"name": "jabber.org", "account": f"{URL}/acme/account/one"}
    assert json.loads(run("jabber.org", "one", "--json").output) == shown | {"state": "approved", "new": True}
    assert json.loads(run("jabber.org", "one", "--json").output) == shown | {"state": "approved", "new": False}
    assert json.loads(run("jabber.org", "one", "--json", "--withdraw").output)["state"] == "withdrawn"


def test_a_name_that_needs_no_approval_is_approved_all_the_same_and_the_person_told(run):
    done = run("example.org", "one")
    assert (done.exit_code, "needs none" in done.output) == (0, True)
    assert "needs none" not in run("muc.jabber.org", "one").output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["jabber.org"], 2),
        (["--list", "jabber.org"], 2),
        (["--list", "jabber.org", "one"], 2),
        (["jabber.org", "nobody"], 1),
        (["jabber.org", "gone"], 1),
        (["jabber.org", "https://other.example/acme/account/one"], 1),
        (["j\u00e4bber.org", "one"], 1),
        (["*.jabber.org", "one"], 1),
        (["jabber.org.", "one"], 1),
    ],
)
def test_what_cannot_be_approved_is_said(run, arguments, code):
    assert run(*arguments).exit_code == code
    assert listed(run) == []


def test_each_change_is_in_the_audit_chain_and_nothing_else(run, folder):
    for arguments in ([], [], ["--withdraw"], ["--withdraw"]):
        run("jabber.org", "one", *arguments)
    store = SqliteStore(folder / "xmpp-ica.db")
    with store.read() as transaction:
        records = transaction.audit.records(0, 100)
    store.close()
    ours = [record for record in records if record.event.startswith("name_")]
    assert [record.event for record in ours] == ["name_approved", "name_approval_withdrawn"]
    assert {(record.subject, record.detail["name"]) for record in ours} == {("account/one", "jabber.org")}
    assert all(record.actor.startswith("user/") for record in ours)
    assert broken_link(records) is None
