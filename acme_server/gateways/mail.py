"""One mail to the smarthost, and what became of it.

It never takes longer than it is told, never says `refused` for a fault that is not the recipient's, and never
`deferred` for a mail that was taken. RFC 5321 (§4.2 replies, §4.5.4 retries), RFC 3207 (STARTTLS).
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum

from challenges.base import Mail
from challenges.text import CONTROLS, printable

__all__ = ["Delivery", "Fate", "Smarthost", "send"]

_OK = range(200, 300)
_FOR_GOOD = range(500, 600)


@dataclass(frozen=True, slots=True)
class Smarthost:
    """The mail server that takes what the CA sends."""

    host: str
    """A name or an address."""
    port: int = 25
    starttls: bool = False
    """True: nothing is sent without TLS and a certificate that the system's roots vouch for and that names `host`.

    False: TLS where it is offered, any certificate (RFC 7435); right for a smarthost on loopback or in the same rack.
    """


class Fate(StrEnum):
    """What became of a mail."""

    DELIVERED = "delivered"
    """The smarthost has taken it over."""
    DEFERRED = "deferred"
    """Not now: to be tried again for as long as the code lives."""
    REFUSED = "refused"
    """For good, and because of this recipient or this content."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of one attempt."""

    fate: Fate
    detail: str = ""
    """What the other side said, or what went wrong: printable ASCII, at most 200 characters."""


def send(mail: Mail, smarthost: Smarthost, *, envelope_from: str, helo: str, timeout: float) -> Delivery:
    """Try once, within `timeout` seconds for everything after the connection and as many for that.

    `envelope_from`: MAIL FROM, where bounces go; empty for the null sender. Raises ValueError for an address that is
    not plain ASCII without control characters.
    """
    for address in (mail.to, envelope_from, helo):
        if not address.isascii() or CONTROLS.search(address) or set(address) & set("<> "):
            raise ValueError(f'"{printable(address, 80)}" cannot stand in an SMTP command')
    try:
        with closing(_Client(smarthost, helo, timeout)) as client:
            _start_tls(client, smarthost)
            return _transfer(client, mail, envelope_from)
    except smtplib.SMTPResponseException as error:
        # Greeting, EHLO or STARTTLS: a 5xx there is the smarthost's trouble, not the recipient's.
        return _delivery(Fate.DEFERRED, error.smtp_code, error.smtp_error)
    except OSError as error:  # SMTPException and ssl.SSLError are OSErrors, as a timeout is
        return Delivery(Fate.DEFERRED, printable(f"{smarthost.host}: {error or type(error).__name__}", 200))


class _Client(smtplib.SMTP):
    """A client that is cut off when its time is over: timeouts of single reads do not end a reply in small drops."""

    def __init__(self, smarthost: Smarthost, helo: str, timeout: float) -> None:
        self._watchdog = threading.Timer(timeout, self._cut)
        super().__init__(smarthost.host, smarthost.port, helo, timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        self._watchdog.start()
        return connection

    def _cut(self) -> None:
        if self.sock is not None:
            # By the plain socket's method: the TLS one takes away the state that the other thread is reading from.
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._watchdog.cancel()
        super().close()


def _start_tls(client: smtplib.SMTP, smarthost: Smarthost) -> None:
    """STARTTLS where it is offered. Raises OSError."""
    client.ehlo_or_helo_if_needed()
    if client.has_extn("starttls"):
        context = ssl.create_default_context()
        if not smarthost.starttls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        client.starttls(context=context)
        client.ehlo_or_helo_if_needed()
    elif smarthost.starttls:
        raise smtplib.SMTPNotSupportedError("the smarthost does not offer STARTTLS")


def _transfer(client: smtplib.SMTP, mail: Mail, envelope_from: str) -> Delivery:
    """MAIL, RCPT and DATA. Raises OSError."""
    reply: bytes | str
    code, reply = client.mail(envelope_from)
    if code not in _OK:  # our own sender: nothing that another mailbox would mend
        return _delivery(Fate.DEFERRED, code, reply)
    code, reply = client.rcpt(mail.to)
    if code in _OK:
        try:
            code, reply = client.data(mail.content)
        except smtplib.SMTPDataError as error:  # the answer to DATA itself
            code, reply = error.smtp_code, error.smtp_error
    if code not in _OK:
        return _delivery(Fate.REFUSED if code in _FOR_GOOD else Fate.DEFERRED, code, reply)
    with suppress(OSError):  # the mail is theirs now, whatever becomes of QUIT
        client.quit()
    return _delivery(Fate.DELIVERED, code, reply)


def _delivery(fate: Fate, code: int, reply: bytes | str) -> Delivery:
    text = reply.decode("latin-1") if isinstance(reply, bytes) else reply
    return Delivery(fate, printable(f"{code} {text}", 200))
