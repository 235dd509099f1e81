"""The command from end to end against the fake CA."""

from __future__ import annotations

import json
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from challenges.mail_code import format_code
from challenges.transports.mail import ChallengeMail, compose, parse
from tests.client.conftest import FOUR
from tests.client.fake_ca import Answer
from tests.client.pki import pem
from xmpp_client.cli import terminal
from xmpp_client.clock import SYSTEM
from xmpp_client.config import load
from xmpp_client.issuance import Workbench, issue
from xmpp_client.lineage import Lineage


def test_issue_proves_four_names_with_one_mail_and_keeps_the_lineage(ca, site) -> None:
    own = site()
    done = own.run("issue")
    assert done.exit_code == 0, done.output
    assert [mail.to for mail in ca.mails] == ["postmaster@example.org"]
    sent = ca.orders["1"]["payload"]
    assert sent["profile"] == "xmpp"
    assert sent["identifiers"] == [
        {"type": "dns", "value": "example.org"},
        {"type": "dns", "value": "conference.example.org", "ancestorDomain": "example.org"},
        {"type": "dns", "value": "upload.example.org", "ancestorDomain": "example.org"},
        {"type": "dns", "value": "xn--bcher-kva.example.org", "ancestorDomain": "example.org"},
    ]
    assert own.live.readlink() == Path("../archive/example.org/1")
    assert {p.name for p in own.live.iterdir()} == {
        "privkey.pem",
        "cert.pem",
        "chain.pem",
        "fullchain.pem",
        "meta.json",
    }
    assert stat.S_IMODE((own.live / "privkey.pem").stat().st_mode) == 0o600
    assert (own.live / "fullchain.pem").read_bytes() == ca.certificates["1"]
    assert (own.live / "chain.pem").read_bytes() == pem(ca.pki.inter)


def test_issue_by_http_01_where_only_a_webroot_is_configured(ca, site, tmp_path) -> None:
    done = site(f'webroot = "{tmp_path / "www"}"').run("issue")
    assert done.exit_code == 0, done.output
    assert len(ca.authorizations) == 4  # http-01 cannot speak for names below, so no ancestorDomain was sent
    assert not (tmp_path / "www" / ".well-known").exists()  # cleaned up


def test_issue_twice_does_nothing_the_second_time(ca, site) -> None:
    own = site()
    own.run("issue")
    count = len(ca.requests)
    again = own.run("issue")
    assert (again.exit_code, len(ca.requests)) == (0, count)
    assert "nothing is due: example.org" in again.output


def test_renew_with_nothing_due_makes_no_request_and_can_say_so_by_its_status(ca, site) -> None:
    own = site()
    own.run("issue")
    count = len(ca.requests)
    assert own.run("renew").exit_code == 0
    told = own.run("renew", "--exit-code", "--quiet")
    assert (told.exit_code, told.output) == (3, "")
    assert len(ca.requests) == count


def test_renew_force_makes_a_second_version_with_a_new_key(ca, site) -> None:
    own = site()
    own.run("issue")
    first = (own.live / "privkey.pem").read_bytes()
    done = own.run("renew", "--force")
    assert done.exit_code == 0, done.output
    assert own.live.readlink().name == "2"
    assert (own.live / "privkey.pem").read_bytes() != first
    assert len(ca.accounts) == 1


def test_renew_replaces_what_is_due_and_what_was_revoked_and_what_has_other_names(ca, site) -> None:
    ca.certify = lambda csr, names: (
        pem(ca.pki.leaf(csr.public_key(), names, start=ca.pki.now - timedelta(days=31))) + pem(ca.pki.inter)
    )
    own = site()
    own.run("issue")
    ca.certify = ca.usual_chain
    due = own.run("renew")
    assert "its time has come" in due.output
    assert own.live.readlink().name == "2"
    own.run("revoke", "example.org")
    revoked = own.run("renew")
    assert "it was revoked" in revoked.output
    fewer = site(domains=("example.org",))
    changed = fewer.run("renew")
    assert "the configuration has changed" in changed.output
    assert own.live.readlink().name == "4"


def test_renew_replaces_what_was_ordered_of_another_ca_or_by_another_profile(ca, site) -> None:
    own = site()
    own.run("issue")
    config = own.path.read_text("utf-8")
    ca.meta["profiles"]["xmpp-compat"] = "without xmppAddr"
    for number, (old, new) in enumerate(
        [('profile = "xmpp"', 'profile = "xmpp-compat"'), (ca.directory, f"{ca.directory}/new")], start=2
    ):
        config = config.replace(old, new)
        own.path.write_text(config, "utf-8")
        done = own.run("renew")
        assert done.exit_code == 0, done.output
        assert "the configuration has changed" in done.output
        assert own.live.readlink().name == str(number)
    assert own.run("renew", "--exit-code").exit_code == 3


def test_renew_without_a_certificate_says_what_to_do_and_fails(ca, site) -> None:
    done = site().run("renew")
    assert done.exit_code == 1
    assert "xmpp-cert issue" in done.output
    assert ca.requests == []


def test_partial_failure_is_a_failure_and_the_rest_is_done(ca, site, tmp_path) -> None:
    own = site()
    mail = f'[certificate.mail]\nreader = "maildir"\npath = "{tmp_path / "Maildir"}"\ntimeout = 5\n'
    other = f'[[certificate]]\ndomains = ["other.test"]\nprofile = "nonesuch"\n{mail}'
    own.path.write_text(own.path.read_text("utf-8").replace("[[certificate]]", other + "[[certificate]]"), "utf-8")
    done = own.run("issue")
    assert done.exit_code == 1
    assert "error: other.test: the CA does not list the profile 'nonesuch'" in done.output
    assert own.live.exists()


def test_a_lineage_that_is_damaged_is_told_and_does_not_stop_the_others(ca, site, tmp_path) -> None:
    own = site()
    mail = f'[certificate.mail]\nreader = "maildir"\npath = "{tmp_path / "Maildir"}"\ntimeout = 5\n'
    other = f'[[certificate]]\ndomains = ["other.test"]\n{mail}'
    own.path.write_text(own.path.read_text("utf-8").replace("[[certificate]]", other + "[[certificate]]"), "utf-8")
    assert own.run("issue").exit_code == 0
    (own.state / "archive" / "other.test" / "1" / "meta.json").write_text("{")
    for command in (["renew", "--force"], ["issue", "--force"]):
        done = own.run(*command)
        assert done.exit_code == 1
        assert "error: other.test: " in done.output
        assert "meta.json cannot be used" in done.output
    assert own.live.readlink().name == "3"
    idle = own.run("renew", "--exit-code")
    assert idle.exit_code == 1
    assert "nothing is due: example.org" in idle.output
    status = own.run("status")
    assert status.exit_code == 1
    assert "error: other.test: " in status.output
    assert "example.org: version 3 (kept: 1, 2, 3)" in status.output


def test_status_as_json_has_the_damaged_too(ca, site) -> None:
    own = site()
    assert own.run("issue").exit_code == 0
    (own.state / "archive" / "example.org" / "1" / "meta.json").write_text("{")
    status = own.run("status", "--json")
    assert status.exit_code == 1
    (facts,) = json.loads(status.stdout)
    assert facts["name"] == "example.org"
    assert "meta.json cannot be used" in facts["error"]


def test_a_damaged_old_version_is_in_nobodys_way(ca, site) -> None:
    own = site()
    for command in (["issue"], ["renew", "--force"]):
        assert own.run(*command).exit_code == 0
    serial = json.loads(own.run("status", "--json").stdout)[0]["serial"]
    (own.state / "archive" / "example.org" / "1" / "meta.json").write_text("{")
    done = own.run("status")
    assert (done.exit_code, "version 2 (kept: 1, 2)" in done.output) == (0, True)
    assert own.run("revoke", "example.org", "--serial", serial).exit_code == 0


def test_revoke_an_old_version_by_its_number_and_by_its_serial(ca, site) -> None:
    own = site()
    own.run("issue")
    own.run("renew", "--force")
    first = x509.load_pem_x509_certificate((own.state / "archive/example.org/1/cert.pem").read_bytes())
    done = own.run("revoke", "example.org", "--old", "1", "--reason", "superseded")
    assert done.exit_code == 0, done.output
    assert ca.revoked == [(first.serial_number, 4)]
    again = own.run("revoke", "example.org", "--serial", f"{first.serial_number:X}")
    assert again.exit_code == 0
    assert "already" in again.output
    assert own.run("revoke", "example.org", "--serial", "12").exit_code == 1
    assert own.run("revoke", "example.org", "--serial", "12", "--old", "1").exit_code == 2
    assert own.run("renew").output.startswith("nothing is due")  # the live one was not revoked


def test_show_names_each_entry_by_its_kind(ca, site) -> None:
    own = site()
    own.run("issue")
    text = own.run("show").output
    assert "dNSName:   example.org\n" in text
    assert "SRVName:   _xmpp-server.xn--bcher-kva.example.org (_xmpp-server.bücher.example.org)" in text
    assert "xmppAddr:  bücher.example.org" in text
    assert "purposes:  serverAuth, clientAuth" in text
    assert "issuer:    Fake Intermediate" in text
    facts = json.loads(own.run("show", "example.org", "--old", "1", "--json").output)
    assert {name["value"] for name in facts["names"] if name["kind"] == "dNSName"} == set(FOUR)


def test_status_says_what_is_there(ca, site) -> None:
    own = site()
    assert own.run("status").output == "example.org: no certificate yet\n"
    own.run("issue")
    assert "version 1 (kept: 1)" in own.run("status").output
    (facts,) = json.loads(own.run("status", "--json").output)
    assert (facts["version"], facts["due"], facts["installed"]) == (1, None, None)


def test_install_to_goes_back_to_an_older_version(ca, site) -> None:
    own = site()
    own.run("issue")
    own.run("renew", "--force")
    assert own.run("install", "example.org", "--to", "1").exit_code == 0
    assert own.live.readlink().name == "1"
    assert own.run("install", "example.org", "--to", "7").exit_code == 1


def test_a_revoked_version_is_not_installed_again(ca, site) -> None:
    own = site()
    own.run("issue")
    own.run("renew", "--force")
    assert own.run("revoke", "example.org", "--old", "1").exit_code == 0
    done = own.run("install", "example.org", "--to", "1")
    assert done.exit_code == 1
    assert "was revoked" in done.output
    assert own.live.readlink().name == "2"


def test_a_certificate_that_is_not_ours_is_not_kept(ca, site) -> None:
    own = site()
    own.run("issue")
    ca.certify = lambda csr, names: pem(ca.pki.leaf(csr.public_key(), [*names, "victim.test"])) + pem(ca.pki.inter)
    done = own.run("renew", "--force")
    assert done.exit_code == 1
    assert "victim.test" in done.output
    assert [p.name for p in (own.state / "archive" / "example.org").iterdir()] == ["1"]


def test_the_terms_must_be_agreed_to_by_a_person(ca, site) -> None:
    ca.meta["termsOfService"] = "https://ca.test/terms"
    refused = site().run("issue")
    assert refused.exit_code == 1
    assert "agree_terms = true" in refused.output
    assert site(top="agree_terms = true").run("issue").exit_code == 0


def test_a_typed_code_may_be_mistyped_and_then_wrong_and_then_right(ca, site) -> None:
    own = site('[certificate.mail]\nreader = "typed"')
    wrong = format_code("A" * 32)
    keyboard, fingers = os.pipe()
    outbox = ca.mail

    def type_at_once(mail) -> None:
        outbox(mail)
        os.write(fingers, f"not a code\n{wrong}\n\n{parse(mail.content).code.lower()}\n".encode())

    ca.mail = type_at_once
    config = load(own.path)
    lines = terminal.Lines(quiet=True)
    workbench = Workbench(config, SYSTEM, lines, terminal.Prompter(lines, keyboard))
    try:
        issue(workbench, config.certificate[0], Lineage(config.state, "example.org"))
    finally:
        os.close(fingers)
        os.close(keyboard)
    assert own.live.exists()


def test_a_code_piped_by_the_mail_alias_is_found(ca, site, tmp_path) -> None:
    own = site('[certificate.mail]\nreader = "pipe"\ntimeout = 10', top=f'spool = "{tmp_path / "spool"}"')
    outbox = ca.mail
    given = []

    def alias(mail) -> None:
        outbox(mail)
        given.append(own.run("mail", text=mail.content).exit_code)

    ca.mail = alias
    done = own.run("issue")
    assert done.exit_code == 0, done.output
    assert given == [0]


@pytest.mark.parametrize("broken", [False, True])
def test_mail_lets_other_mail_pass_whatever_the_configuration_is_like(site, broken) -> None:
    own = site()
    if broken:
        own.path.unlink()
    done = own.run("mail", text=b"From: a@b.test\r\n\r\nhello\r\n")
    assert done.exit_code == 0
    assert "not a challenge mail" in done.output


def test_mail_that_is_ours_is_tried_again_later_where_it_cannot_be_kept(site, tmp_path) -> None:
    sent = datetime(2026, 11, 23, tzinfo=UTC)
    url = "https://ca.test/acme/challenge/1"
    raw = compose(ChallengeMail("Fake CA", "acme@ca.test", "postmaster@example.org", url, "example.org",
                                ("example.org",), "t" * 43, format_code("A" * 32), sent, sent + timedelta(hours=1),
                                "https://ca.test/report", "m1"))  # fmt: skip
    (tmp_path / "file").touch()
    for top, said in (("", "`spool`"), (f'spool = "{tmp_path / "file"}"', "cannot be kept"), ("colour = 1", "colour")):
        done = site(top=top).run("mail", text=raw)
        assert done.exit_code == 75, done.output  # EX_TEMPFAIL of sysexits.h: the mail system keeps the mail
        assert said in done.output
    assert site(top=f'spool = "{tmp_path / "spool"}"').run("mail", text=raw).exit_code == 0


@pytest.mark.parametrize(
    ("kind", "hint"), [("rateLimited", "Wait as long"), ("caa", "CAA records"), ("userActionRequired", "terms")]
)
def test_6_7_a_problem_is_told_in_its_words_with_what_to_do_next(ca, site, kind, hint) -> None:
    content = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "so \x1b[31m it is"}
    ca.rules["new-order"] = lambda request: Answer(403, json.dumps(content).encode(), {})
    done = site().run("issue")
    assert done.exit_code == 1
    assert f"so  [31m it is ({kind})" in done.output
    assert hint in done.output
    assert "\x1b" not in done.output


def test_what_could_not_be_installed_is_installed_by_the_next_renew_without_a_new_certificate(
    ca, site, tmp_path
) -> None:
    def with_hook(status: int):
        mail = f'[certificate.mail]\nreader = "maildir"\npath = "{tmp_path / "Maildir"}"'
        hook = f'[certificate.files]\nhook = ["{sys.executable}", "-c", "import sys; sys.exit({status})"]'
        return site('server = "files"', mail, hook)

    own = with_hook(7)
    done = own.run("issue")
    assert done.exit_code == 1
    assert "ended with status 7" in done.output
    assert own.live.exists()
    assert json.loads(own.run("status", "--json").output)[0]["installed"] is False
    assert with_hook(0).run("renew").exit_code == 0
    assert "installed" in own.run("status").output
    assert own.run("renew", "--exit-code").exit_code == 3
    assert len(ca.orders) == 1
