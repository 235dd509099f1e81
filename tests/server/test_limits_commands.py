"""`xmpp-ica limit`: exceptions and pauses that a running server heeds at once; errors say what there is."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from acme_server.cli import main
from acme_server.limits import Limit
from tests.acme_requests import Client

CONFIG = 'name = "CA"\nexternal_url = "https://ca.example"\nlisten = "127.0.0.1:443"\n[limits]\n'
LIMITS = {"new_orders_per_account": "2/1h", "certificates_per_domain": "1/7d", "failed_validations_per_name": "1/1h"}


@pytest.fixture
def ca(make_ca, monkeypatch):
    made = make_ca(limits=LIMITS)
    monkeypatch.setattr("acme_server.clock.utc_now", made.clock)
    limits = "".join(f'{name} = "{value}"\n' for name, value in LIMITS.items())
    (made.database.parent / "xmpp-ica.toml").write_text(CONFIG + limits)
    return made


@pytest.fixture
def run(ca):
    def run(*arguments, status=0):
        # The configuration goes with each subcommand.
        command = ["limit", arguments[0], "--config", ca.database.parent / "xmpp-ica.toml", *arguments[1:]]
        done = CliRunner().invoke(main, [str(word) for word in command])
        assert done.exit_code == status, done.output
        return done.output

    return run


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def account(client):
    """Its id; the commands are given the URL, for an id may begin with a dash."""
    return client.account.rpartition("/")[2]


def new_order(client, *names):
    return client.post("new-order", {"identifiers": [{"type": "dns", "value": name} for name in names]})


def last(ca):
    record = ca.audit()[-1]
    assert record.actor.startswith("user/")
    return record.event, record.subject, record.detail


def test_list_tells_the_limits_the_exceptions_and_who_is_near_one(run, client, account):
    for _ in range(2):
        client.order("example.org")
    run("exempt", "new_accounts_per_address", "2001:db8:1:2::3")
    run("pause", "evil.example")
    told = run("list")
    assert "new_orders_per_account  2 in 1 hour" in told
    assert "exempt  new_accounts_per_address  2001:db8:1::/48" in told
    assert "paused  evil.example" in told
    facts = json.loads(run("list", "--json"))
    assert {row["limit"] for row in facts["limits"]} == set(Limit)
    assert facts["limits"][1] == {"limit": "new_orders_per_account", "text": "2 in 1 hour", "count": 2, "seconds": 3600}
    assert [(row["exception"], row["subject"]) for row in facts["exceptions"]] == [
        ("exempt", "2001:db8:1::/48"),
        ("paused", "evil.example"),
    ]


def test_list_shows_what_is_used_by_the_clock(ca, run, client, account):
    for _ in range(2):
        client.order("example.org")
    (near,) = json.loads(run("list", "--json"))["near"]
    assert near == {"limit": "new_orders_per_account", "subject": account, "used": 2, "count": 2, "rested_in": 3600}
    assert f"near  new_orders_per_account  {account}  2 of 2" in run("list")
    ca.clock.advance(minutes=30)
    assert json.loads(run("list", "--json"))["near"] == []


def test_whoever_is_exempt_is_not_counted_until_reset(ca, run, client, account):
    run("exempt", "new_orders_per_account", client.account)
    assert last(ca) == ("limit_exempted", "limit/new_orders_per_account", {"subject": account})
    for _ in range(5):
        client.order("example.org")
    assert ca.rows("SELECT free_at FROM limits WHERE subject = ?", account) == [(None,)]
    run("reset", "new_orders_per_account", client.account)
    assert last(ca) == ("limit_reset", "limit/new_orders_per_account", {"subject": account})
    for _ in range(2):
        client.order("example.org")
    assert new_order(client, "example.org").problem == "rateLimited"


def test_a_reset_gives_everything_back(ca, run, client, account):
    client.issue("a.example.org")
    assert new_order(client, "b.example.org").problem == "rateLimited"
    run("reset", "certificates_per_domain", "example.org")
    client.issue("b.example.org")
    authorization = new_order(Client(ca).register(), "c.example.net").json["authorizations"][0]
    assert authorization


def test_a_failing_name_is_reset_by_account_and_name(ca, run, client, account):
    def fail():
        authorization = client.order("example.net").json["authorizations"][0]
        return client.post(client.challenge(authorization, "http-01")["url"], {})

    assert fail().json["status"] == "invalid"
    assert fail().problem == "rateLimited"
    run("reset", "failed_validations_per_name", client.account, "Example.net")
    run("reset", "new_orders_per_account", client.account)
    assert fail().json["status"] == "invalid"


def test_a_set_of_names_that_is_reset_is_renewed_all_the_same(ca, run, client, account):
    client.issue("a.example.org")
    run("reset", "certificates_per_names", client.account, "A.example.org")
    assert new_order(client, "a.example.org").status == 201


def test_an_exempt_domain_and_an_exempt_set_of_names_are_not_counted(ca, run, client, account):
    run("exempt", "certificates_per_domain", "example.org")
    client.issue("a.example.org")
    client.issue("b.example.org")
    run("exempt", "certificates_per_names", client.account, "a.example.net,b.example.net")
    assert ca.rows("SELECT subject FROM limits WHERE name = 'certificates_per_names' AND exception = 'exempt'") == [
        (f"{account} a.example.net,b.example.net",)
    ]


def test_an_exempt_account_may_fail(ca, run, client, account):
    run("exempt", "failed_validations_per_name", client.account, "example.net")
    for _ in range(2):
        authorization = client.order("example.net").json["authorizations"][0]
        reply = client.post(client.challenge(authorization, "http-01")["url"], {})
        assert reply.json["status"] == "invalid"


@pytest.mark.parametrize("subject", [["example.org"], ["a.example.org"], ["--account"]])
def test_a_pause_stops_orders_authorizations_and_finalize_until_it_ends(ca, run, client, account, subject):
    order = client.ready("a.example.org")
    words = subject if subject != ["--account"] else ["--account", account]
    chosen = words[0] if len(words) == 1 else f"account/{account}"
    run("pause", *words)
    assert last(ca) == ("orders_paused", "limit/paused", {"subject": chosen})
    replies = [
        new_order(client, "b.example.com", "x.a.example.org"),
        client.finalize(order),
        client.post("new-authz", {"identifier": {"type": "dns", "value": "x.a.example.org"}}),
    ]
    for reply in replies:
        assert reply.problem == "rateLimited"
        assert f"paused {chosen}" in reply.json["detail"]
        assert reply.headers["Retry-After"] == "86400"
    run("resume", *words)
    assert last(ca)[0] == "orders_resumed"
    assert client.finalize(order).json["status"] == "valid"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["exempt", "new_orders_per_account", "nobody"], "there is no account 'nobody'"),
        (["exempt", "new_accounts_per_address", "example.org"], "'example.org' is not an IP address"),
        (["exempt", "new_accounts_per_address", "2001:db8::/32"], "write 2001:db8::/48"),
        (["exempt", "new_accounts_per_address", "192.0.2.0/24"], "write 192.0.2.0"),
        (["exempt", "certificates_per_domain", "a.example.org"], "write example.org"),
        (["exempt", "certificates_per_domain", "a_b"], "cannot be certified"),
        (["exempt", "certificates_per_names", "ACCOUNT"], "wants an account and its names"),
        (["exempt", "failed_validations_per_name", "ACCOUNT", "a.example", "b.example"], "one name"),
        (["reset", "new_accounts_per_address", "192.0.2.1"], "there are: 127.0.0.1"),
        (["reset", "changes_per_account", "ACCOUNT"], "there is none"),
        (["resume", "example.net"], "example.net is not paused; there are: example.org"),
        (["pause", "example.org"], "example.org is paused already"),
        (["pause", "a b"], "cannot be certified"),
        (["pause", "--account", "x"], "there is no account 'x'"),
        (["pause", "--account", "https://elsewhere.example/acme/account/x"], "not the URL of an account here"),
    ],
)
def test_an_error_says_what_would_be_right_and_changes_nothing(ca, run, client, words, told):
    run("pause", "example.org")
    before = ca.rows("SELECT * FROM limits"), len(ca.audit())
    assert told in run(*[client.account if word == "ACCOUNT" else word for word in words], status=1)
    assert before == (ca.rows("SELECT * FROM limits"), len(ca.audit()))


@pytest.mark.parametrize(
    "words",
    [
        ["exempt", "orders", "x"],
        ["exempt", "new_orders_per_account"],
        ["pause"],
        ["pause", "a.example", "--account", "x"],
    ],
)
def test_a_wrong_command_line_is_status_2(run, words):
    assert run(*words, status=2).startswith(f"Usage: main limit {words[0]} ")


def test_what_is_exempt_already_is_told_to_be(run):
    for status in (0, 1):
        told = run("exempt", "certificates_per_domain", "juliet@example.org", status=status)
    assert "exempt from certificates_per_domain already" in told
    run("exempt", "certificates_per_domain", "192.0.2.1")
    run("pause", "juliet@example.org")
    run("pause", "192.0.2.1")
