"""Our own rules where the RFCs leave the choice to the server; pure functions of values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from acme_server.domains import is_at_or_below
from acme_server.identifiers import dns_name_of
from challenges.base import Identifier

__all__ = ["HIGH_VALUE", "USABLE", "NamePolicy", "Reuse", "renewal_window", "renewal_window_of_revoked"]

USABLE = timedelta(hours=1)
"""What an order needs of a valid authorization: one with less time left is not used again."""

HIGH_VALUE = (
    *("conversations.im", "disroot.org", "jabber.ccc.de", "jabber.de", "jabber.org", "jabber.ru", "riseup.net"),
    *("trashserver.net", "xmpp.jp", "xmpp.org", "yax.im"),
    *("gmail.com", "gmx.de", "gmx.net", "googlemail.com", "icloud.com", "mail.ru", "mailbox.org", "outlook.com"),
    *("posteo.de", "proton.me", "protonmail.com", "web.de", "yahoo.com", "yandex.ru"),
)
"""Domains of very many people's addresses: whoever impersonated one of them would read what is not his."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reuse:
    """How long a valid authorization may be used again, by the worth of its proof."""

    usual: timedelta
    mail: timedelta

    def of(self, assurance: str) -> timedelta:
        """How long an authorization of that assurance stays valid: at least for the order it was proved for."""
        return max(self.mail if assurance == "mail" else self.usual, USABLE)


@dataclass(frozen=True, slots=True)
class NamePolicy:
    """What is not certified although it could be proved. Each name stands for itself and all below it; A-labels."""

    refused: Collection[str]
    """For nobody."""
    high_value: Collection[str]
    """Only for accounts that a person has approved. A user's JID is no such name: it speaks for one user."""

    def refuses(self, identifier: Identifier) -> bool:
        """Whether nobody gets it."""
        return _is_covered(identifier, self.refused)

    def wants_approval(self, identifier: Identifier) -> bool:
        """Whether only an account that was approved for it gets it."""
        return identifier.type == "dns" and _is_covered(identifier, self.high_value)


def _is_covered(identifier: Identifier, listed: Collection[str]) -> bool:
    """Whether the identifier is at or below one of the names, or is a wildcard that stands for one of them."""
    if not listed or (name := dns_name_of(identifier)) is None:
        return False
    wildcard = identifier.type == "dns" and identifier.value != name
    return any(is_at_or_below(name, entry) or (wildcard and entry.partition(".")[2] == name) for entry in listed)


def renewal_window(not_before: datetime, not_after: datetime) -> tuple[datetime, datetime]:
    """When to renew a certificate (RFC 9773 §4.2): around two thirds of its life, and the same at every look.

    Two days for a usual life, a tenth of the life where that is less: clients choose a time within, and spread.
    """
    life = not_after - not_before
    centre, half = not_before + life * 2 / 3, min(_DAY, life / 20)
    start, end = (centre - half).replace(microsecond=0), (centre + half).replace(microsecond=0)
    return start, max(end, start + timedelta(seconds=1))


def renewal_window_of_revoked(revoked_at: datetime) -> tuple[datetime, datetime]:
    """At once (RFC 9773 §4.2): a window that has passed already."""
    return revoked_at - _DAY, revoked_at
