"""Reading the code of email-01: only the mail for our own challenge, from its sender, whole."""

from __future__ import annotations

import mailbox
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from challenges.mail_code import check_group, format_code
from challenges.transports.mail import ChallengeMail, compose
from xmpp_client.cli.terminal import Lines, Prompter
from xmpp_client.errors import ChallengeFailed, StateError
from xmpp_client.mailbox import MaildirReader, SpoolReader, TypedReader, challenge_mail, drop
from xmpp_client.progress import Progress
from xmpp_client.webroot import Webroot

URL, FROM, BOX = "https://ca.test/acme/challenge/1", "acme@ca.test", "postmaster@example.org"
CODE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
NOW = datetime.now(UTC).replace(microsecond=0)
MAIL = ChallengeMail("Fake CA", FROM, BOX, URL, "example.org", ("example.org",), "t" * 43, format_code(CODE), NOW,
                     NOW + timedelta(hours=1), "https://ca.test/report", "m1")  # fmt: skip
RAW = compose(MAIL)


@pytest.fixture
def maildir(tmp_path) -> mailbox.Maildir:
    return mailbox.Maildir(tmp_path / "Maildir")


def read(tmp_path, url: str = URL, sender: str = FROM, box: str = BOX) -> str:
    return MaildirReader(tmp_path / "Maildir").code(url, sender, box, 0.0)


@pytest.mark.parametrize("folder", ["new", "cur"])
def test_email_01_the_code_is_found_in_new_and_cur_and_the_mail_stays(maildir, tmp_path, folder) -> None:
    message = mailbox.MaildirMessage(RAW)
    message.set_subdir(folder)
    maildir.add(message)
    maildir.add(b"From: a@b.test\n\nhello")
    assert read(tmp_path) == CODE
    assert len(maildir) == 2


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (compose(replace(MAIL, challenge_url=URL + "2")), "no mail with the code"),
        (compose(replace(MAIL, sender="acme@evil.test")), "one was from acme@evil.test"),
        (compose(replace(MAIL, code=format_code(CODE)[:-1] + "A")), "damaged code"),
        (b"\xff" * 100, "no mail with the code"),
        (RAW.replace(b"ACME-Challenge", b"X-Challenge"), "no mail with the code"),
        (RAW + b"x" * 300_000, "no mail with the code"),
    ],
)
def test_email_01_a_mail_that_is_not_believable_is_left_alone(maildir, tmp_path, raw, said) -> None:
    maildir.add(raw)
    with pytest.raises(TimeoutError, match=said):
        read(tmp_path)


def test_email_01_of_two_mails_the_one_to_our_mailbox_counts(maildir, tmp_path) -> None:
    other = CODE[::-1]
    for box, code in (("hostmaster@example.org", other), (BOX, CODE)):
        maildir.add(compose(replace(MAIL, recipient=box, code=format_code(code))))
    assert read(tmp_path) == CODE
    assert read(tmp_path, box="hostmaster@example.org") == other


def test_old_mail_links_and_folders_are_not_opened(maildir, tmp_path) -> None:
    key = maildir.add(RAW)
    path = tmp_path / "Maildir" / "new" / key
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    (path.parent / "folder").mkdir()
    os.mkfifo(path.parent / "fifo")
    with pytest.raises(TimeoutError, match="looked at 0 "):
        read(tmp_path)
    path.unlink()
    outside.rename(path)
    os.utime(path, (0, 0))
    with pytest.raises(TimeoutError, match="looked at 0 "):
        read(tmp_path)


def test_a_mail_that_is_moved_just_when_it_is_opened_is_found_where_it_went(
    maildir, tmp_path, frozen, monkeypatch
) -> None:
    key = maildir.add(RAW)
    new, cur = (tmp_path / "Maildir" / folder for folder in ("new", "cur"))
    opened = []
    really = os.open

    def moved_first(path, *args) -> int:
        opened.append(path)
        if len(opened) == 1:
            (new / key).rename(cur / f"{key}:2,S")
        return really(path, *args)

    monkeypatch.setattr("os.open", moved_first)
    reader = MaildirReader(tmp_path / "Maildir", frozen.clock())
    assert reader.code(URL, FROM, BOX, 5.0) == CODE
    assert opened == [new / key, cur / f"{key}:2,S"]


def test_a_mail_is_opened_once_however_often_the_code_is_asked_for(maildir, tmp_path, frozen, monkeypatch) -> None:
    maildir.add(b"From: a@b.test\n\nhello")
    opened = []
    really = os.open
    monkeypatch.setattr("os.open", lambda path, *args: opened.append(path) or really(path, *args))
    reader = MaildirReader(tmp_path / "Maildir", frozen.clock())
    for _ in range(3):
        with pytest.raises(TimeoutError, match="looked at 1 "):
            reader.code(URL, FROM, BOX, 5.0)
    assert len(opened) == 1


def test_a_maildir_that_is_not_there_yet_is_waited_for(tmp_path, frozen) -> None:
    def arrive(seconds: float) -> None:
        frozen.sleep(seconds)
        if frozen.seconds == 3:
            mailbox.Maildir(tmp_path / "Maildir").add(RAW)

    reader = MaildirReader(tmp_path / "Maildir", replace(frozen.clock(), sleep=arrive))
    assert reader.code(URL, FROM, BOX, 60.0) == CODE
    assert frozen.seconds == 3


def test_the_pipe_s_spool_gives_the_code_of_its_challenge_only(tmp_path) -> None:
    spool = tmp_path / "spool"
    drop(spool, challenge_mail(RAW))
    (kept,) = spool.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert SpoolReader(spool).code(URL, FROM, BOX, 0.0) == CODE
    for url, sender in ((URL + "2", FROM), (URL, "acme@evil.test")):
        with pytest.raises(TimeoutError):
            SpoolReader(spool).code(url, sender, BOX, 0.0)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"challenge": 1, "from": 2, "code": 3}', b"[" * 100_000])
def test_what_others_put_into_the_spool_is_not_believed(tmp_path, content) -> None:
    drop(tmp_path, challenge_mail(RAW))
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(content)
    with pytest.raises(TimeoutError):
        SpoolReader(tmp_path).code(URL, FROM, BOX, 0.0)


def test_a_damaged_code_is_not_kept_and_old_ones_are_removed(tmp_path) -> None:
    with pytest.raises(ValueError, match="typing error"):
        challenge_mail(compose(replace(MAIL, code=format_code(CODE)[:-1] + "A")))
    drop(tmp_path, challenge_mail(RAW))
    (old,) = tmp_path.glob("*.json")
    os.utime(old, (0, 0))
    drop(tmp_path, challenge_mail(compose(replace(MAIL, challenge_url=URL + "2"))))
    assert not old.exists()
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be kept"):
        drop(tmp_path / "file", challenge_mail(RAW))


class Told(Progress):
    def __init__(self) -> None:
        self.troubles: list[str] = []

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


def test_email_01_a_typing_error_is_found_before_it_costs_a_try() -> None:
    lines = iter(["", CODE + "AAAA", f"'{format_code(CODE).lower()}'\n"])
    told = Told()
    reader = TypedReader(lambda question, timeout: next(lines), told)
    assert reader.code(URL, FROM, BOX, 9.0) == CODE
    assert len(told.troubles) == 2
    assert check_group(CODE) not in " ".join(told.troubles)


def test_what_is_typed_is_taken_line_by_line_without_blank_ones_to_the_very_end() -> None:
    keyboard, fingers = os.pipe()
    prompter = Prompter(Lines(quiet=True), keyboard)
    try:
        os.write(fingers, b"\r\n \none\ntwo\nthr")
        assert [prompter("?", 5.0).strip() for _ in range(2)] == ["one", "two"]
        with pytest.raises(TimeoutError):
            prompter("?", 0.0)
        os.write(fingers, b"ee")
    finally:
        os.close(fingers)
    try:
        assert prompter("?", 5.0).strip() == "three"
        with pytest.raises(ChallengeFailed, match="ended before"):
            prompter("?", 5.0)
    finally:
        os.close(keyboard)


def test_8_3_a_token_is_a_file_name_only_if_it_is_base64url(tmp_path) -> None:
    root = Webroot(tmp_path)
    token = "a" * 22
    root.publish(token, "content")
    assert (tmp_path / ".well-known/acme-challenge" / token).read_text() == "content"
    (tmp_path / ".well-known" / "mine").touch()
    root.withdraw(token)
    root.withdraw(token)
    assert [p.name for p in (tmp_path / ".well-known").iterdir()] == ["mine"]
    for bad in ("../" * 8 + "etc/passwd", "a" * 15, "a" * 129, "a" * 20 + "\n", "a b" * 8, "ä" * 22):
        with pytest.raises(ValueError, match="file name"):
            root.publish(bad, "x")
    with pytest.raises(StateError):
        Webroot(tmp_path / ".well-known" / "mine").publish(token, "x")


def test_8_3_a_file_of_another_client_is_neither_overwritten_nor_taken_away(tmp_path) -> None:
    """The CA chooses the token, and so the name."""
    theirs = tmp_path / ".well-known" / "acme-challenge" / ("a" * 43)
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    root = Webroot(tmp_path)
    with pytest.raises(StateError, match="nothing was overwritten"):
        root.publish("a" * 43, "ours")
    root.withdraw("a" * 43)
    assert theirs.read_text() == "theirs"
    theirs.write_text("ours")  # what a run of ours has left that was cut off
    root.publish("a" * 43, "ours")
    root.withdraw("a" * 43)
    assert not theirs.exists()
