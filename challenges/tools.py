"""What a client can do about challenges, and its half of one: present, wait, clean up.

The contract alone: who publishes a file, a record or a certificate, or reads mail, is the client's own. What comes from
the CA has been checked by the responder before a tool sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from challenges.values import Identifier, Json

__all__ = ["DnsPublisher", "HttpPublisher", "MailReader", "Responder", "TlsAlpnPublisher", "Tools"]


class HttpPublisher(Protocol):
    """The client's way to put a file under `/.well-known/acme-challenge/` of its own hosts."""

    def publish(self, token: str, content: str) -> None:
        """Serve `content` for `token`; the token has been checked to be base64url."""

    def withdraw(self, token: str) -> None:
        """Stop serving it; no error where it was never published."""


class DnsPublisher(Protocol):
    """The client's way to TXT records of its own zones."""

    def publish(self, name: str, value: str) -> None:
        """Add a TXT record beside those there are, and return when the zone's servers answer with it.

        `name`: A-labels without a trailing dot; `value`: printable ASCII, perhaps longer than one string of a record.
        """

    def withdraw(self, name: str, value: str) -> None:
        """Take that one record away; no error where it was never published."""


class TlsAlpnPublisher(Protocol):
    """The client's way to answer handshakes for `acme-tls/1` on port 443 of its own hosts (RFC 8737)."""

    def publish(self, identifier: Identifier, certificate: bytes, key: bytes) -> None:
        """Use this certificate (DER) and key (PKCS#8 DER, not encrypted) in `acme-tls/1` for the identifier."""

    def withdraw(self, identifier: Identifier) -> None:
        """Stop it; no error where it was never published."""


class MailReader(Protocol):
    """The client's way to the code in a challenge mail."""

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:
        """The code of the mail for this very challenge, 32 characters without its check group.

        Waits up to `timeout` seconds. Raises TimeoutError, saying where it looked.
        """


@dataclass(frozen=True, slots=True)
class Tools:
    """What the client can do about challenges here; None: not at all."""

    http: HttpPublisher | None = None
    mail: MailReader | None = None
    mailbox: str | None = None
    """The mailbox the code shall go to, if the operator has chosen; else the first of the challenge's list."""
    timeout: float = 3600.0
    """Seconds a responder may wait for something that comes from outside."""
    dns: DnsPublisher | None = None
    tls: TlsAlpnPublisher | None = None


class Responder(Protocol):
    """The client's half of one challenge. `clean_up` must not assume that `present` ran."""

    def present(self) -> Json:
        """Make the answer ready, quickly; the payload of the POST that tells the server (RFC 8555 §7.5.1)."""

    def wait(self) -> Json | None:
        """The slow part, after that POST: the payload of a second POST, or None when one was all.

        Raises TimeoutError.
        """

    def clean_up(self) -> None:
        """Take away what `present` left."""
