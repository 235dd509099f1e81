"""The mail of email-01 and the values in it: the CA composes one, the client parses what a mailbox holds.

Composing refuses every control character before a header is built; parsing takes bytes from strangers, so it has a
size limit, raises nothing but ValueError and believes no header it has not matched as a whole. RFC 5322, RFC 3834
(Auto-Submitted), RFC 2045 ff.; what the mail says is in docs/reference/email-01.md.
"""

from __future__ import annotations

import email
import email.policy
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.utils import format_datetime

import idna

from challenges.text import ADDRESS, CONTROLS, DOMAIN, printable

__all__ = ["LABEL", "SIZE_LIMIT", "ChallengeMail", "ReceivedMail", "compose", "parse", "short_thumbprint"]

LABEL = "ACME code:"
"""The line before the code."""
SIZE_LIMIT = 256 * 1024
"""Octets of a received mail; ours has about 1,500, what relays add stays far below this."""

# One long URL in a header is left in one piece: folding would turn it into encoded words.
_POLICY = email.policy.SMTP.clone(max_line_length=900)
_URL = re.compile(r"https?://[!-~]{1,800}")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ChallengeMail:
    """What a challenge mail says."""

    ca: str
    """The CA's name for people."""
    sender: str
    """The From address: the challenge's `from`."""
    recipient: str
    challenge_url: str
    identifier: str
    """The A-label name that the code proves."""
    names: tuple[str, ...]
    """The A-label names that a certificate is asked for."""
    thumbprint: str
    """Of the account key that asks (RFC 7638, base64url)."""
    code: str
    """In groups, with its check group."""
    sent: datetime
    expires: datetime
    report_to: str
    """URL or address where misuse is reported."""
    message_id: str
    """The part before the "@"; fresh for each mail."""


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A challenge mail as a mailbox holds it; whether it is believed is for the reader to decide."""

    challenge_url: str
    """Of the `ACME-Challenge` header: printable ASCII."""
    sender: str
    """The one From address, its domain in lower case."""
    recipients: tuple[str, ...]
    """Addresses of To, Cc and Delivered-To, for orientation: lists and aliases change them."""
    code: str
    """The 36 characters after `ACME code:` without what stood between them; not yet verified."""


def short_thumbprint(thumbprint: str) -> str:
    """As much of an account's thumbprint as a person compares; the client shows the same."""
    return thumbprint[:12]


def compose(mail: ChallengeMail) -> bytes:
    """The message with CRLF line ends, only ASCII octets. Raises ValueError for a value that would break it."""
    _refuse_controls(mail)
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(mail.ca, addr_spec=_checked(ADDRESS, mail.sender, "sender"))
    message["To"] = Address(addr_spec=_checked(ADDRESS, mail.recipient, "recipient"))
    message["Subject"] = f"Code for a certificate for {_checked(DOMAIN, mail.identifier, 'identifier')}"
    message["Date"] = format_datetime(mail.sent)
    local = _checked(_MESSAGE_ID, mail.message_id, "Message-ID")
    message["Message-ID"] = f"<{local}@{mail.sender.rpartition('@')[2]}>"
    message["ACME-Challenge"] = _checked(_URL, mail.challenge_url, "challenge URL")
    message["Auto-Submitted"] = "auto-generated; type=acme"  # RFC 3834 §5, RFC 8823 §3
    body = _body(mail)
    # 7bit where it can be, so that a person reads the file as it lies in a Maildir; never 8BITMIME.
    message.set_content(body, cte="7bit" if body.isascii() else "quoted-printable")
    return message.as_bytes()


def _refuse_controls(mail: ChallengeMail) -> None:
    for field in fields(mail):
        value = getattr(mail, field.name)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and CONTROLS.search(text):
                raise ValueError(f"{field.name} holds a control character")


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f'the {what} "{printable(value, 80)}" cannot stand in a mail')
    return value


def _body(mail: ChallengeMail) -> str:
    names = "\n".join(f"    {_name_for_people(name)}" for name in mail.names)
    return f"""\
{mail.ca} was asked for a certificate for

{names}

If you asked for it, give this code to your ACME client. It proves that you
control {_name_for_people(mail.identifier)}, and with it the names under it.

{LABEL}

{mail.code}

Asked:       {_time_for_people(mail.sent)}
Good until:  {_time_for_people(mail.expires)}
Account key: {short_thumbprint(mail.thumbprint)}... (its thumbprint; your client shows the same)

If you did not ask for this, do nothing, and give the code to nobody:
without it no certificate is issued. Nobody reads replies to this mail.
Report misuse to {mail.report_to}
"""


def _name_for_people(name: str) -> str:
    """U-labels and, beside them, what really stands in DNS: one may look like another name."""
    try:
        unicode_name = idna.decode(name)
    except idna.IDNAError:
        return name
    return name if unicode_name == name else f"{unicode_name} ({name})"


def _time_for_people(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def parse(raw: bytes) -> ReceivedMail:
    """The challenge mail in an RFC 5322 message. Raises ValueError, saying why, where it is none."""
    if len(raw) > SIZE_LIMIT:
        raise ValueError(f"larger than {SIZE_LIMIT} octets")
    try:
        # compat32 keeps headers as they came; the newer policies parse them, and fail in many ways on hostile ones.
        message = email.message_from_bytes(raw, policy=email.policy.compat32)
        return ReceivedMail(
            challenge_url=_challenge_url(message),
            sender=_sender(message),
            recipients=_recipients(message),
            code=_code(message),
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _headers(message: Message, name: str) -> list[str]:
    """Every header of that name, unfolded, each at most 4,000 characters."""
    return [" ".join(str(value)[:4000].split()) for value in message.get_all(name, [])]


def _only(message: Message, name: str) -> str:
    values = _headers(message, name)
    if len(values) != 1:
        raise ValueError(f"{len(values)} {name} headers instead of one")
    return values[0]


def _challenge_url(message: Message) -> str:
    value = _only(message, "ACME-Challenge")
    if not _URL.fullmatch(value):
        raise ValueError("the ACME-Challenge header holds no URL")
    return value


# A display name without "<", or a quoted one: two readers of the header must not see two senders.
_FROM = re.compile(rf'(?:(?:[^"<>,;:@]*|"[^"\\<>]*") ?<({ADDRESS.pattern})>|({ADDRESS.pattern}))')


def _sender(message: Message) -> str:
    match = _FROM.fullmatch(_only(message, "From"))
    if match is None:
        raise ValueError("the From header is not one plain address")
    return _with_lower_domain(match[1] or match[2])


def _recipients(message: Message) -> tuple[str, ...]:
    values = [value for name in ("To", "Cc", "Delivered-To") for value in _headers(message, name)]
    found = (_with_lower_domain(address) for value in values for address in ADDRESS.findall(value))
    return tuple(dict.fromkeys(found))


def _with_lower_domain(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _code(message: Message) -> str:
    """Plain text first; HTML only where no plain part has a code."""
    for kind in ("text/plain", "text/html"):
        found = {code for text in _texts(message, kind) for code in _codes_in(text)}
        if len(found) > 1:
            raise ValueError("holds several codes")
        if found:
            return found.pop()
    raise ValueError(f'no code after "{LABEL}"')


def _texts(message: Message, kind: str) -> Iterator[str]:
    for part in message.walk():
        if part.get_content_type() == kind:
            text = _decoded(part)
            yield text if kind == "text/plain" else _without_tags(text)


def _decoded(part: Message) -> str:
    """The text of a part; as UTF-8 whatever it says, for a code is ASCII and so are the charsets in use, below 128."""
    octets = part.get_payload(decode=True)
    return octets.decode("utf-8", errors="replace") if isinstance(octets, bytes) else ""


def _without_tags(text: str) -> str:
    return html.unescape(re.sub(r"<[^<>]*>", " ", text))


# Between the letters stand blanks, quote marks and the dashes that mail programs make of a hyphen.
_BETWEEN = r"[\s>|*\-\u00ad\u2010-\u2015]*"
_LABELLED = re.compile(rf"(?i:ACME[\s>|]+code)[\s>|]*:{_BETWEEN}((?:[A-Za-z0-9]{_BETWEEN}){{36}})")


def _codes_in(text: str) -> Iterator[str]:
    for match in _LABELLED.finditer(text):
        yield re.sub(r"[^A-Za-z0-9]", "", match[1]).upper()
