"""The challenge mail: what the CA composes, what the client finds in a mailbox, and what it does not believe."""

from __future__ import annotations

import base64
import email
import email.policy
import quopri
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from challenges.mail_code import check_group, format_code, new_code, parse_code
from challenges.transports.mail import LABEL, SIZE_LIMIT, ChallengeMail, ReceivedMail, compose, parse, short_thumbprint
from tests.challenges.parts import NOW, THUMBPRINT

CODE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SHOWN = format_code(CODE)
WHOLE = CODE + check_group(CODE)
URL = "https://ca.example/acme/challenge/Zk3q"
MAIL = ChallengeMail(
    ca="Example XMPP CA",
    sender="acme@ca.example",
    recipient="postmaster@example.org",
    challenge_url=URL,
    identifier="example.org",
    names=("example.org", "conference.example.org"),
    thumbprint=THUMBPRINT,
    code=SHOWN,
    sent=NOW,
    expires=NOW + timedelta(hours=1),
    report_to="https://ca.example/report",
    message_id="bWVzc2FnZS1pZA",
)


def message(body: str, *headers: str, kind: str = "text/plain; charset=utf-8", encoding: str = "8bit") -> bytes:
    lines = headers or (f"ACME-Challenge: {URL}", "From: acme@ca.example", "To: postmaster@example.org")
    head = [*lines, "MIME-Version: 1.0", f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}", "", ""]
    return ("\r\n".join(head) + body).encode()


# Compose.


def composed(**changes):
    raw = compose(replace(MAIL, **changes))
    return raw, email.message_from_bytes(raw, policy=email.policy.default)


def test_the_headers_are_those_of_the_protocol():
    _, mail = composed()
    assert mail["From"] == "Example XMPP CA <acme@ca.example>"
    assert mail["To"] == "postmaster@example.org"
    assert mail["ACME-Challenge"] == URL
    assert mail["Auto-Submitted"] == "auto-generated; type=acme"
    assert mail["Message-ID"] == "<bWVzc2FnZS1pZA@ca.example>"
    assert mail["Date"].datetime == NOW
    assert mail.get_content_type() == "text/plain"
    assert SHOWN not in str(mail["Subject"])


def test_the_code_stands_alone_on_its_line_after_the_label():
    _, mail = composed()
    lines = [line for line in mail.get_content().splitlines() if line]
    assert lines[lines.index(LABEL) + 1] == SHOWN
    assert mail.get_content().count(SHOWN) == 1


@pytest.mark.parametrize(
    "part",
    [
        "    example.org\r\n",
        "conference.example.org",
        "2026-11-23 12:00 UTC",
        "2026-11-23 13:00 UTC",
        "do nothing",
        "https://ca.example/report",
        THUMBPRINT[:12],
    ],
)
def test_the_mail_says_what_a_person_needs_to_decide(part):
    assert part in composed()[1].get_content()


def test_no_link_carries_a_secret():
    raw, _ = composed()
    for line in raw.decode().splitlines():
        assert not ("://" in line and CODE[:4] in line)


def test_names_are_shown_as_people_write_them_and_as_they_stand_in_dns():
    _, mail = composed(names=("xn--bcher-kva.example.org", "xn--n3h.example.org", "xn--a.example.org"))
    text = mail.get_content()
    assert "bücher.example.org (xn--bcher-kva.example.org)" in text
    assert "    xn--n3h.example.org\r\n" in text  # no IDNA 2008 name: left as it is
    assert "    xn--a.example.org\r\n" in text


@pytest.mark.parametrize(
    "names", [("example.org",), ("xn--bcher-kva.example.org",), ("a" * 63 + ".example.org",) * 100]
)
def test_the_message_is_ascii_with_crlf_and_lines_that_smtp_carries(names):
    raw, _ = composed(names=names, ca='Bücher-CA, "die" gute')
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert parse_code(parse(raw).code) == CODE


def test_a_long_url_stays_in_one_piece():
    url = "https://ca.example/" + "a" * 700
    raw, _ = composed(challenge_url=url)
    assert f"ACME-Challenge: {url}\r\n".encode() in raw
    assert parse(raw).challenge_url == url


TEXTS = [field.name for field in fields(ChallengeMail) if field.type == "str"] + ["names"]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("bad", ["\r\nBcc: victim@example.net", "\n", "\r", "\0", "\x1b", "\x85", "\u2028"])
def test_control_characters_are_refused_in_every_field(name, bad):
    value = getattr(MAIL, name)
    spoiled = (*value, "x" + bad) if isinstance(value, tuple) else value + bad
    with pytest.raises(ValueError, match="control character"):
        compose(replace(MAIL, **{name: spoiled}))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("recipient", "postmaster@example.org, victim@example.net"),
        ("recipient", "postmaster@example.org>"),
        ("recipient", "postmaster@bücher.example"),
        ("recipient", "postmaster"),
        ("recipient", "@example.org"),
        ("sender", "acme@ca.example (x)"),
        ("identifier", "example.org; x"),
        ("challenge_url", "ca.example"),
        ("challenge_url", "https://ca.example/a b"),
        ("message_id", "a@b"),
        ("message_id", ""),
    ],
)
def test_what_is_no_address_name_or_url_is_refused(name, bad):
    with pytest.raises(ValueError, match="cannot stand in a mail"):
        compose(replace(MAIL, **{name: bad}))


def test_client_and_mail_show_the_same_part_of_a_thumbprint():
    assert short_thumbprint(THUMBPRINT) == THUMBPRINT[:12]


# Parse.


def test_a_composed_mail_is_parsed_back():
    assert parse(compose(MAIL)) == ReceivedMail(
        challenge_url=URL, sender="acme@ca.example", recipients=("postmaster@example.org",), code=WHOLE
    )


@given(st.binary(min_size=20, max_size=20), st.lists(st.sampled_from(["example.org", "xn--bcher-kva.example.org"])))
def test_any_code_with_any_names_survives_the_mail(octets, names):
    code = new_code(lambda _: octets)
    assert parse_code(parse(compose(replace(MAIL, code=format_code(code), names=tuple(names)))).code) == code


HTML = f"<html><body><p>ACME code:</p>\n<p><b>{SHOWN}</b><br>If you did not</p></body></html>"
WRAPPED = "> " + "\n> ".join(SHOWN.split("-"))
BODIES = {
    "as composed": f"ACME code:\n\n{SHOWN}\n",
    "on the label's line": f"ACME code: {SHOWN}\nIf you did not",
    "no dashes": f"ACME code:\n{WHOLE}\nIf",
    "blanks": f"ACME code:\n{SHOWN.replace('-', ' ')}\nIf",
    "quoted": f"> ACME code:\n>\n> {SHOWN}\n> If you did not",
    "quoted twice": f"> > ACME code:\n> >\n> > {SHOWN}\n",
    "quoted and wrapped": f"> ACME\n> code:\n>\n{WRAPPED}\n> If",
    "lower case": f"acme CODE:\n{SHOWN.lower()}\n",
    "indented": f"    ACME code:\n\n        {SHOWN}\n",
    "unbreakable dashes": f"ACME code:\n{SHOWN.replace('-', chr(0x2011))}\n",
    "no-break spaces": f"ACME{chr(0xA0)}code:\n{chr(0xA0)}{SHOWN}\n",
    "twice the same": f"ACME code:\n{SHOWN}\n\n> ACME code:\n> {SHOWN}\n",
    "at the very end": f"ACME code:\n{SHOWN}",
    "a footer of list software": f"ACME code:\n\n{SHOWN}\n____\nadmins mailing list\nACME code of conduct: https://x\n",
    "emphasised": f"ACME code:\n\n*{SHOWN}*\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_code_is_found_as_mail_programs_leave_it(body):
    assert parse_code(parse(message(body)).code) == CODE


@pytest.mark.parametrize(
    "raw",
    [
        message(quopri.encodestring(BODIES["as composed"].encode()).decode(), encoding="quoted-printable"),
        message(f"ACME code:\n{SHOWN[:20]}=\n{SHOWN[20:]}", encoding="quoted-printable"),
        message(base64.encodebytes(BODIES["as composed"].encode()).decode(), encoding="base64"),
        message(BODIES["as composed"], kind="text/plain; charset=no-such-charset"),
        message(BODIES["as composed"], kind="text/plain; charset=iso-8859-1; format=flowed"),
        message(HTML, kind="text/html"),
        message(HTML.replace("-", "&#8209;"), kind="text/html"),
    ],
    ids=["quoted-printable", "soft line break", "base64", "unknown charset", "flowed", "html", "html entities"],
)
def test_the_code_is_found_in_every_encoding(raw):
    assert parse_code(parse(raw).code) == CODE


def multipart(*parts: tuple[str, str], kind: str = "mixed") -> bytes:
    body = "".join(f"--x\r\nContent-Type: {sort}\r\n\r\n{text}\r\n" for sort, text in parts) + "--x--\r\n"
    return message(body, kind=f"multipart/{kind}; boundary=x")


@pytest.mark.parametrize(
    "raw",
    [
        multipart(("text/plain", BODIES["as composed"]), ("text/plain", "-- \r\nlist footer")),
        multipart(("text/plain", BODIES["as composed"]), ("text/html", HTML), kind="alternative"),
        multipart(("text/plain", "see the HTML part"), ("text/html", HTML), kind="alternative"),
        multipart(("application/pdf", "ACME code: " + "A" * 36), ("text/plain", BODIES["as composed"])),
    ],
    ids=["list footer", "alternative", "html only", "attachment"],
)
def test_the_code_is_found_in_the_parts_that_list_software_makes(raw):
    assert parse_code(parse(raw).code) == CODE


OTHER = format_code("B" * 32)
CHALLENGE, FROM, TO = f"ACME-Challenge: {URL}", "From: acme@ca.example", "To: postmaster@example.org"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "0 ACME-Challenge headers"),
        (message(f"ACME code:\n{SHOWN}", FROM, TO), "0 ACME-Challenge headers"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, CHALLENGE, FROM), "2 ACME-Challenge headers"),
        (message(f"ACME code:\n{SHOWN}", "ACME-Challenge: javascript:alert(1)", FROM), "holds no URL"),
        (message(f"ACME code:\n{SHOWN}", "ACME-Challenge: https://ca.example/\x1b[2J", FROM), "holds no URL"),
        (message(f"ACME code:\n{SHOWN}", "ACME-Challenge: https://ca.example/ü", FROM), "holds no URL"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, TO), "0 From headers"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, FROM, "From: b@c.example"), "2 From headers"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, "From: acme@ca.example, b@c.example"), "not one plain address"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, "From: <acme@ca.example> <b@c.example>"), "not one plain address"),
        (
            message(f"ACME code:\n{SHOWN}", CHALLENGE, 'From: "<acme@ca.example>" <b@c.example>'),
            "not one plain address",
        ),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, "From: acme@ca.example <b@c.example>"), "not one plain address"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, "From: group: acme@ca.example;"), "not one plain address"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, "From: (acme@ca.example) b@c.example"), "not one plain address"),
        (message(f"ACME code:\n{SHOWN}", CHALLENGE, "From: ü@ca.example"), "not one plain address"),
        (message("no code here"), 'no code after "ACME code:"'),
        (message("ACME code: see the web page"), "no code after"),
        (message(SHOWN), "no code after"),
        (message(f"ACME code:\n{SHOWN}\n\nACME code:\n{OTHER}\n"), "several codes"),
        (message(f"ACME code:\n{SHOWN}" + "x" * SIZE_LIMIT), "larger than"),
        (message("--x\r\n" * 3000, kind="multipart/mixed; boundary=x"), "no code after"),
    ],
)
def test_any_other_mail_is_refused_with_the_reason(raw, reason):
    with pytest.raises(ValueError, match=reason):
        parse(raw)


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        ("acme@ca.example", "acme@ca.example"),
        ("<acme@CA.Example>", "acme@ca.example"),
        ("Example XMPP CA <acme@ca.example>", "acme@ca.example"),
        ('"Example, CA" <acme@ca.example>', "acme@ca.example"),
        ("=?utf-8?q?B=C3=BCcher?= <acme@ca.example>", "acme@ca.example"),
        ("Example\r\n CA\r\n <acme@ca.example>", "acme@ca.example"),
    ],
)
def test_the_sender_is_the_one_from_address(header, sender):
    assert parse(message(f"ACME code:\n{SHOWN}", CHALLENGE, f"From: {header}")).sender == sender


def test_recipients_are_those_of_to_cc_and_delivered_to_once_each():
    headers = (
        "To: Admins <Hostmaster@Example.ORG>, b@c.example",
        "Cc: b@C.example",
        "Delivered-To: juliet@example.org",
    )
    found = parse(message(f"ACME code:\n{SHOWN}", CHALLENGE, FROM, *headers)).recipients
    assert found == ("Hostmaster@example.org", "b@c.example", "juliet@example.org")


def test_a_nest_of_parts_is_refused():
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n" for depth in range(2000))
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(f"{CHALLENGE}\r\n{FROM}\r\n{head}".encode())


@pytest.mark.parametrize("filling", ["<", "ACME ", "ACME code:", ">", "a@", "&#", "A-" * 30 + "!"])
def test_what_is_made_to_be_slow_is_not(filling):
    with pytest.raises(ValueError, match=r"no code|several"):
        parse(message(filling * (200_000 // len(filling)), kind="text/html"))


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"From", b"To", b"ACME-Challenge", b"Content-Type", b"Content-Transfer-Encoding", b"X"]),
        st.binary(max_size=60)
        | st.sampled_from(
            [
                b"multipart/mixed; boundary=x",
                b"message/rfc822",
                b"base64",
                b"quoted-printable",
                b"x-uuencode",
                URL.encode(),
            ]
        )
        | st.sampled_from(
            [b"text/plain; charset*=utf-8''%ff", b"text/plain; a*0=b; a*x=c", b"acme@ca.example", b"text/html"]
        ),
    ),
    max_size=8,
)


@given(HEADERS, st.binary(max_size=300) | st.sampled_from([f"ACME code:\n{SHOWN}".encode(), b"--x\r\n\r\n--x--"]))
@example([(b"ACME-Challenge", URL.encode()), (b"From", b"a@b")], b"\xff")
def test_any_octets_are_a_mail_or_a_value_error(headers, body):
    raw = b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body
    try:
        found = parse(raw)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - either way is right
    else:
        assert (found.challenge_url + found.sender + found.code).isascii()


@given(st.binary())
def test_octets_without_any_form_are_a_value_error(raw):
    with pytest.raises(ValueError, match="ACME-Challenge"):
        parse(raw)
