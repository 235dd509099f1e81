"""RFC 8555 §6 from the client's side, against a CA that may be hostile."""

from __future__ import annotations

import json
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.client.fake_ca import Answer, reply
from tests.client.pki import key_pem
from xmpp_client import durable
from xmpp_client.errors import AcmeProblem, ProtocolError, StateError, TransportError, UnsupportedError
from xmpp_client.keys import account_key, load_account_key
from xmpp_client.session import RetryPolicy, Session

PROBLEM = "urn:ietf:params:acme:error:"


def problem(kind: str, status: int, **headers: str) -> Answer:
    return Answer(status, json.dumps({"type": PROBLEM + kind, "detail": "no"}).encode(), headers)


def test_6_2_the_account_signs_with_its_key_and_then_by_its_url(ca, session) -> None:
    url = session.register(("mailto:a@example.org",), agree_terms=True)
    assert url in ca.accounts
    assert session.account == url
    assert session.find_account.__self__ is session


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())])
def test_6_2_keys_made_elsewhere_sign_too(ca, tmp_path, quick, key) -> None:
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(key_pem(key))
    Session(ca.directory, load_account_key(path), trust=ca.trust, policy=quick).register((), agree_terms=True)
    assert len(ca.accounts) == 1


def test_7_3_1_the_account_of_a_key_is_found_again_and_none_is_made_for_that(ca, session, tmp_path, quick) -> None:
    with pytest.raises(AcmeProblem) as caught:
        session.find_account()
    assert caught.value.problem.kind == "accountDoesNotExist"
    url = session.register((), agree_terms=True)
    other = Session(ca.directory, account_key(tmp_path / "account.pem"), trust=ca.trust, policy=quick)
    assert other.find_account() == url


def test_7_3_2_a_changed_contact_is_told_to_the_ca(ca, session, tmp_path, quick) -> None:
    url = session.register(("mailto:old@example.org",), agree_terms=True)
    other = Session(ca.directory, account_key(tmp_path / "account.pem"), trust=ca.trust, policy=quick)
    other.register(("mailto:new@example.org",), agree_terms=True)
    assert ca.accounts[url]["contact"] == ["mailto:new@example.org"]


@pytest.mark.parametrize(("refusals", "passes"), [(1, True), (5, True), (6, False)])
def test_6_5_bad_nonce_is_tried_again_five_times(ca, session, refusals, passes) -> None:
    left = [refusals]

    def rule(request):
        left[0] -= 1
        return problem("badNonce", 400) if left[0] >= 0 else None

    ca.rules["new-account"] = rule
    if passes:
        session.register((), agree_terms=True)
    else:
        with pytest.raises(AcmeProblem, match="badNonce"):
            session.register((), agree_terms=True)


@pytest.mark.parametrize("status", [429, 503])
def test_6_6_a_busy_ca_is_asked_again_after_the_time_it_names(ca, session, status) -> None:
    left = [2]

    def rule(request):
        left[0] -= 1
        return problem("rateLimited", status, **{"Retry-After": "0"}) if left[0] >= 0 else None

    ca.rules["new-account"] = rule
    session.register((), agree_terms=True)


@pytest.mark.parametrize("status", [429, 503])
def test_7_2_a_ca_that_has_no_nonce_just_now_is_asked_again(ca, tmp_path, frozen, status) -> None:
    left = [2]

    def rule(request):
        left[0] -= 1
        return Answer(status, b"", {"Retry-After": "7"}) if left[0] >= 0 else None

    ca.rules["new-nonce"] = rule
    key = account_key(tmp_path / "account.pem")
    Session(ca.directory, key, trust=ca.trust, clock=frozen.clock()).register((), agree_terms=True)
    assert frozen.seconds == pytest.approx(14.0)


def test_7_3_agreement_is_said_only_where_it_was_given(ca, session, tmp_path, quick) -> None:
    session.register((), agree_terms=False)
    other = Session(ca.directory, account_key(tmp_path / "other.pem"), trust=ca.trust, policy=quick)
    other.register((), agree_terms=True)
    assert [account["agreed"] for account in ca.accounts.values()] == [None, True]


@pytest.mark.parametrize(
    "wait", ["3600", "1000000000", "9" * 30, "Wed, 01 Jan 2098 00:00:00 GMT"],
)  # fmt: skip
def test_an_absurd_retry_after_ends_the_run_at_once(ca, session, wait) -> None:
    ca.rules["new-account"] = lambda request: problem("rateLimited", 429, **{"Retry-After": wait})
    with pytest.raises(TransportError, match="longer than this run may take"):
        session.register((), agree_terms=True)


@pytest.mark.parametrize("wait", ["soon", "-1", "٣", "", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_retry_after_that_is_no_time_is_as_none(ca, session, wait) -> None:
    if wait.isascii():
        ca.rules["new-account"] = lambda request: problem("rateLimited", 429, **{"Retry-After": wait})
        with pytest.raises(AcmeProblem):
            session.register((), agree_terms=True)


def test_the_deadline_is_for_the_whole_session(ca, tmp_path, frozen) -> None:
    session = Session(
        ca.directory,
        account_key(tmp_path / "k.pem"),
        trust=ca.trust,
        policy=RetryPolicy(total=100),
        clock=frozen.clock(),
    )
    session.register((), agree_terms=True)
    frozen.seconds = 100.0
    with pytest.raises(TransportError, match="took too long"):
        session.find_account()
    session.extend(50.0)
    assert session.remaining() == pytest.approx(50.0)


BAD_URLS = ["http://localhost/x", "https://evil.test/x", "https://localhost:1/x", "https://u@localhost/x", "//x", "", None, 7,
            "https://localhost /x", "file:///etc/passwd"]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_elsewhere_in_the_directory_is_not_followed(ca, session, url) -> None:
    content = dict.fromkeys(("newNonce", "newAccount", "newOrder"), f"{ca.base}/x")
    ca.rules["directory"] = lambda request: reply({**content, "revokeCert": url})
    with pytest.raises(ProtocolError, match="which is not on localhost"):
        _ = session.directory


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_account_elsewhere_is_not_believed(ca, session, url) -> None:
    headers = {} if url is None else {"Location": str(url)}
    ca.rules["new-account"] = lambda request: reply({"status": "valid"}, 201, **headers)
    with pytest.raises(ProtocolError):
        session.register((), agree_terms=True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(ca, session, status) -> None:
    ca.rules["directory"] = lambda request: Answer(status, b"", {"Location": f"{ca.base}/elsewhere"})
    with pytest.raises(ProtocolError, match="redirects are not followed"):
        _ = session.directory
    assert ca.requests == ["GET /directory"]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Answer(200, b"{" + b" " * 1024 * 1024 + b"}"), ProtocolError, "longer than"),
        (Answer(200, b"x", {"Content-Encoding": "gzip"}), ProtocolError, "compresses"),
        (Answer(200, b"[" * 100_000), ProtocolError, "not a JSON object"),
        (Answer(200, b'["a"]'), ProtocolError, "not a JSON object"),
        (Answer(200, b"\xff"), ProtocolError, "not a JSON object"),
        (Answer(500, b"<html>"), TransportError, "status 500"),
        (Answer(404, b'{"type": 7}'), TransportError, "status 404"),
        (Answer(403, b'{"type": "about:blank", "detail": ["\\u001b"]}'), AcmeProblem, "about:blank"),
    ],
)
def test_an_answer_that_is_too_big_or_not_json_is_refused(ca, session, answer, error, text) -> None:
    ca.rules["directory"] = lambda request: answer
    with pytest.raises(error, match=text):
        _ = session.directory


def test_6_5_an_answer_without_a_usable_nonce_is_refused(ca, session) -> None:
    ca.rules["new-nonce"] = lambda request: Answer(200, b"", {"Replay-Nonce": "A"})
    with pytest.raises(ProtocolError, match="nonce"):
        session.register((), agree_terms=True)


def test_6_1_the_cas_tls_certificate_must_be_trusted(ca, tmp_path, quick) -> None:
    session = Session(ca.directory, account_key(tmp_path / "k.pem"), policy=quick)
    with pytest.raises(TransportError, match="not trusted"):
        _ = session.directory


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "ALL_PROXY"])
def test_trust_and_proxies_never_come_from_the_environment(ca, tmp_path, quick, monkeypatch, name) -> None:
    elsewhere = str(tmp_path / "none.pem") if "BUNDLE" in name else "http://127.0.0.1:9"
    monkeypatch.setenv(name, elsewhere)
    session = Session(ca.directory, account_key(tmp_path / "k.pem"), trust=ca.trust, policy=quick)
    assert session.directory.new_order


@pytest.mark.parametrize("url", ["http://localhost/directory", "ftp://x", "", "https://", "https://\x1b/"])
def test_6_1_only_https_is_talked(tmp_path, url) -> None:
    with pytest.raises(TransportError, match="not an https URL"):
        Session(url, account_key(tmp_path / "k.pem"))


def test_a_ca_that_nobody_answers_for_is_named(tmp_path, quick) -> None:
    session = Session("https://127.0.0.1:9/directory", account_key(tmp_path / "k.pem"), policy=quick)
    with pytest.raises(TransportError, match="no answer from the CA"):
        _ = session.directory


def test_7_3_4_an_external_account_is_said_to_be_missing(ca, session) -> None:
    ca.meta["externalAccountRequired"] = True
    with pytest.raises(UnsupportedError, match="external account binding"):
        session.register((), agree_terms=True)


def test_a_directory_with_strange_meta_is_read_all_the_same(ca, session) -> None:
    ca.meta = {"profiles": ["x"], "subdomainAuthAllowed": 1, "termsOfService": "\x1b[2J"}
    assert session.directory.profiles == {}
    assert not session.directory.subdomains
    assert session.directory.terms == " [2J"


def test_an_account_key_is_made_once_and_only_for_its_owner(tmp_path) -> None:
    import os

    path = tmp_path / "deep" / "er" / "key.pem"
    before = os.umask(0)
    try:
        first = account_key(path)
    finally:
        os.umask(before)
    assert account_key(path).thumbprint == first.thumbprint
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "BEGIN" not in repr(first)


def test_an_account_key_that_others_can_read_or_that_is_none_is_refused(tmp_path) -> None:
    wide, rubbish, link, odd = (tmp_path / name for name in ("wide", "rubbish", "link", "odd"))
    account_key(wide)
    wide.chmod(0o640)
    rubbish.touch(0o600)
    odd.touch(0o600)
    odd.write_bytes(key_pem(ec.generate_private_key(ec.SECP256K1())))
    link.symlink_to(tmp_path / "target")
    for path, text in [(wide, "0640"), (rubbish, "it is empty"), (odd, "no private key"), (link, "cannot be read")]:
        with pytest.raises(StateError, match=text):
            account_key(path)
    assert not (tmp_path / "target").exists()


def test_an_account_key_is_there_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    import os

    def killed(handle) -> None:
        raise KeyboardInterrupt  # as good as a kill: no clearing up by `except OSError`

    path = tmp_path / "key.pem"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            account_key(path)
    assert not path.exists()
    assert account_key(path).thumbprint
    assert sorted(tmp_path.iterdir()) == [path]
    content = path.read_bytes()
    with pytest.raises(FileExistsError):
        durable.add(path, b"other", 0o600)
    assert path.read_bytes() == content
