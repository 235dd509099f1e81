"""The client's pure rules, as tables: names, renewal, texts, settings."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.base import Identifier
from xmpp_client import renewal
from xmpp_client.clock import from_text, to_text
from xmpp_client.config import SETTINGS, Config, load, parse
from xmpp_client.enrol import order_identifiers
from xmpp_client.errors import ConfigError, Problem, legible
from xmpp_client.names import to_a_label, to_u_label, top_ancestors
from xmpp_client.session import RetryPolicy
from xmpp_client.settings import TableError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "wire"),
    [
        ("example.org", "example.org"),
        ("Example.ORG", "example.org"),
        ("bücher.example.org", "xn--bcher-kva.example.org"),
        ("xn--bcher-kva.example.org", "xn--bcher-kva.example.org"),
        ("faß.de", "xn--fa-hia.de"),
    ],
)
def test_a_name_is_taken_in_either_form_by_idna_2008(written, wire) -> None:
    assert to_a_label(written) == wire
    assert to_a_label(to_u_label(wire)) == wire


@pytest.mark.parametrize(
    "written",
    ["", "localhost", "example.org.", ".example.org", "a..b", "*.example.org", "a_b.test", "-a.test", "127.0.0.1",
     "\u212aelvin.test", "Bücher.test", "xn--a.test", "xn--BCHER-kva.test ", "a b.test", "a.test\n", "例。test",
     "xn--fa-hia.xn--zzzzzz---.test", "a" * 64 + ".test", ".".join(["abcdefgh"] * 30)],
)  # fmt: skip
def test_a_name_that_is_not_canonical_is_refused_and_never_mapped(written) -> None:
    with pytest.raises(ValueError, match=r"domain name|canonical"):
        to_a_label(written)


def test_9444_4_1_ancestor_is_the_highest_name_of_the_same_order() -> None:
    names = ("a.b.example.org", "b.example.org", "example.org", "other.test", "xexample.org")
    assert top_ancestors(names) == {"a.b.example.org": "example.org", "b.example.org": "example.org"}
    objects = order_identifiers(
        (*(Identifier("dns", n) for n in names[:1]), Identifier("jid", "a@b.test")), ancestors=True
    )
    assert objects == [{"type": "dns", "value": "a.b.example.org"}, {"type": "jid", "value": "a@b.test"}]


@pytest.mark.parametrize(
    ("life", "at"),
    [
        (timedelta(days=45), timedelta(days=30)),
        (timedelta(days=90), timedelta(days=60)),
        (timedelta(days=10), timedelta(days=6, hours=16)),
        (timedelta(days=10) - timedelta(seconds=2), timedelta(days=5) - timedelta(seconds=1)),
        (timedelta(hours=160), timedelta(hours=80)),
        (timedelta(seconds=1), timedelta(0)),
    ],
)
def test_renewal_begins_at_two_thirds_or_half_of_a_life_under_ten_days(life, at) -> None:
    assert renewal.renew_at(NOW, NOW + life) == NOW + at


@pytest.mark.parametrize(
    ("age", "more", "reason"),
    [
        (0, {}, None),
        (29.99, {}, None),
        (30, {}, renewal.Reason.AGE),
        (40.5, {}, renewal.Reason.EMERGENCY),
        (45, {}, renewal.Reason.EXPIRED),
        (400, {"revoked": True}, renewal.Reason.EXPIRED),
        (1, {"revoked": True}, renewal.Reason.REVOKED),
        (1, {"changed": True}, renewal.Reason.CHANGED),
        (1, {"changed": True, "revoked": True}, renewal.Reason.REVOKED),
        (-3, {}, None),
    ],
)
def test_what_is_due_after_so_many_days_of_forty_five(age, more, reason) -> None:
    end = NOW + timedelta(days=45)
    due = renewal.due(
        NOW + timedelta(days=age), not_before=NOW, not_after=end, renew_at=renewal.renew_at(NOW, end), **more
    )
    assert due.reason is reason
    assert bool(due) == (reason is not None)


def test_an_emergency_overrules_a_later_renewal_time() -> None:
    end = NOW + timedelta(days=45)
    due = renewal.due(end - timedelta(days=1), not_before=NOW, not_after=end, renew_at=end)
    assert due.reason is renewal.Reason.EMERGENCY


@given(st.datetimes(timezones=st.just(UTC)), st.timedeltas(timedelta(seconds=1), timedelta(days=3650)))
def test_renewal_always_begins_within_the_life_and_before_the_emergency(start, life) -> None:
    if start.year > 9000:
        return
    end = start + life
    assert start <= renewal.renew_at(start, end) + timedelta(seconds=1)
    assert renewal.renew_at(start, end) <= renewal.emergency_at(start, end) < end


@given(st.text(max_size=700))
def test_foreign_text_comes_out_printable_and_short(text) -> None:
    shown = legible(text)
    assert shown.isprintable()
    assert len(shown) <= 500


def test_6_7_1_a_problem_reads_as_one_line_with_its_subproblems() -> None:
    inner = Problem("urn:ietf:params:acme:error:caa", "no", identifier="a.test")
    assert str(Problem("urn:ietf:params:acme:error:compound", "two", subproblems=(inner,))) == (
        "two (compound); a.test: no (caa)"
    )


@pytest.mark.parametrize(
    ("attempt", "asked", "pause"),
    [
        (0, None, 0.5),
        (1, None, 0.85),
        (50, None, 30.0),
        (0, 7.0, 7.0),
        (0, 0.0, 0.1),
        (0, -5.0, 0.1),
        (9, 0.0, 2.0),
        (10**6, 0.0, 2.0),
        (0, 1e9, 3600.0),
    ],
)
def test_the_pause_is_the_cas_within_an_hour_or_ours(attempt, asked, pause) -> None:
    assert RetryPolicy().pause(attempt, asked) == pytest.approx(pause)


@pytest.mark.parametrize("text", ["2026-11-23T03:00:00Z", "2026-11-23T04:00:00+01:00"])
def test_times_are_read_with_any_offset_and_written_in_utc(text) -> None:
    assert to_text(from_text(text)) == "2026-11-23T03:00:00Z"


BASE = 'directory = "https://ca.test/directory"\n'
CERT = '[[certificate]]\ndomains = ["example.org"]\n'
MAIL = "[certificate.mail]\n"


def test_the_shortest_configuration_has_defaults_that_are_right_for_most() -> None:
    config = parse(tomllib.loads(BASE + CERT + MAIL))
    (certificate,) = config.certificate
    assert (config.state, config.spool) == (Path("/var/lib/xmpp-cert"), None)
    assert (certificate.name, certificate.challenges) == ("example.org", ("email-01",))
    assert certificate.prosody.folder == Path("/etc/prosody/xmpp-cert")


def test_challenges_follow_from_what_is_set_up_or_are_chosen() -> None:
    both = CERT + 'webroot = "/var/www"\n{}' + MAIL
    assert parse(tomllib.loads(BASE + both.format(""))).certificate[0].challenges == ("http-01", "email-01")
    chosen = both.format('challenges = ["email-01"]\n')
    assert parse(tomllib.loads(BASE + chosen)).certificate[0].challenges == ("email-01",)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (CERT + MAIL, "directory"),
        (BASE, "certificate"),
        (BASE + "colour = 1\n" + CERT + MAIL, "colour"),
        (BASE.replace("https", "http") + CERT + MAIL, "directory"),
        ('directory = "https://me@ca.test/"\n' + CERT + MAIL, "directory"),
        (BASE + 'contact = ["admin@example.org"]\n' + CERT + MAIL, "contact"),
        (BASE + 'state = "here"\n' + CERT + MAIL, "state"),
        (BASE + 'agree_terms = "yes"\n' + CERT + MAIL, "agree_terms"),
        (BASE + "certificate = 3", "certificate"),
        (BASE + "certificate = [3]", "certificate[0]"),
        (BASE + "[[certificate]]\n" + MAIL, "certificate[0].domains"),
        (BASE + "[[certificate]]\ndomains = []\n" + MAIL, "certificate[0].domains"),
        (BASE + '[[certificate]]\ndomains = ["a_b.test"]\n' + MAIL, "certificate[0].domains"),
        (BASE + '[[certificate]]\ndomains = ["ü.test", "xn--tda.test"]\n' + MAIL, "certificate[0].domains"),
        (BASE + CERT + 'name = "../x"\n' + MAIL, "certificate[0].name"),
        (BASE + CERT + 'name = ".x"\n' + MAIL, "certificate[0].name"),
        (BASE + CERT, "certificate[0]"),
        (BASE + CERT + MAIL + CERT + MAIL, "certificate[1].name"),
        (BASE + CERT + 'challenges = ["email-01", "email-01"]\n' + MAIL, "certificate[0].challenges"),
        (BASE + CERT + MAIL + 'reader = "imap"\n', "certificate[0].mail.reader"),
        (BASE + CERT + MAIL + 'reader = "maildir"\n', "certificate[0].mail.path"),
        (BASE + CERT + MAIL + 'path = "/x"\n', "certificate[0].mail.path"),
        (BASE + CERT + MAIL + 'reader = "pipe"\n', "spool"),
        (BASE + CERT + MAIL + "timeout = 0\n", "certificate[0].mail.timeout"),
        (BASE + CERT + MAIL + "timeout = true\n", "certificate[0].mail.timeout"),
        (BASE + CERT + 'server = "tigase"\n' + MAIL, "certificate[0].server"),
        (BASE + CERT + MAIL + '[certificate.prosody]\nmode = "rw"\n', "certificate[0].prosody.mode"),
        (BASE + CERT + MAIL + '[certificate.prosody]\nmode = "0644"\n', "certificate[0].prosody.mode"),
        (BASE + CERT + MAIL + '[certificate.prosody]\naddress = "here"\n', "certificate[0].prosody.address"),
        (BASE + CERT + MAIL + '[certificate.prosody]\nreload = "x"\n', "certificate[0].prosody.reload"),
        (BASE + CERT + MAIL + '[certificate.files]\nfullchain = "/x"\n', "certificate[0].files"),
        (BASE + CERT + 'server = "files"\n' + MAIL, "certificate[0].files"),
        (BASE + CERT + MAIL + '[certificate.files]\nhook = ["a\\u0000b"]\n', "certificate[0].files.hook[0]"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_path(text, path) -> None:
    with pytest.raises(TableError) as caught:
        parse(tomllib.loads(text))
    assert caught.value.path == path


@pytest.mark.parametrize("content", [b"", b"directory = ", b"\xff", BASE.encode(), b"#" * 300_000])
def test_a_file_that_cannot_be_used_is_named(tmp_path, content) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load(path)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match="/nonexistent cannot be read"):
        load(Path("/nonexistent"))


def test_a_certificate_is_found_by_name_or_first_domain() -> None:
    config = parse(tomllib.loads(BASE + CERT + 'name = "mine"\n' + MAIL))
    assert config.find("mine") is config.find("example.org")
    with pytest.raises(ConfigError, match="'x' is configured") as caught:
        config.find("x")
    assert "mine" in caught.value.hint


def test_every_setting_has_its_text() -> None:
    assert all(setting.doc for setting in SETTINGS)
    assert {"directory", "certificate.mail.reader", "certificate.files.hook"} <= {setting.path for setting in SETTINGS}
    assert Config.__dataclass_fields__.keys() <= {setting.path for setting in SETTINGS}


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "2026-11-23T03:00:00", "x"])
def test_8555_7_1_3_a_text_that_is_no_time_in_utc_is_a_value_error(text) -> None:
    with pytest.raises(ValueError, match=r"time|isoformat"):
        from_text(text)
