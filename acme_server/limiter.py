"""Holds requests to the rate limits: reads what was spent, and writes what is spent, in the caller's transaction.

What is refused spends nothing, because the transaction ends with the exception; what is done has spent, because they
are committed together. RFC 8555 §6.6: 429, Retry-After, and a link that helps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from acme_server.errors import RateLimited
from acme_server.identifiers import dns_name_of
from acme_server.limits import (
    EXEMPT,
    KEPT,
    PAUSED,
    Limit,
    Rate,
    address_subject,
    decide,
    domain_subject,
    failure_subject,
    given_back,
    instant,
    names_subject,
    order_cost,
    paused_subject,
)
from acme_server.model import Authorization
from acme_server.store import Transaction
from challenges.base import Identifier

__all__ = ["Limiter"]

Names = Sequence[Identifier]

_SWEEP_EACH = 256
"""Rows written between two looks at old ones."""
_SWEPT = 512
"""Rows looked at: more than were written since, so that the table does not grow."""
_PAUSE = 24 * 3600
"""Seconds after which whoever is paused may ask again: nobody knows when a person will have decided."""

_TOO_MANY = {
    Limit.NEW_ACCOUNTS: "too many new accounts from {0}",
    Limit.NEW_ORDERS: "too many new orders by the account {0}",
    Limit.FAILED_VALIDATIONS: (
        "too many failed validations of {1} by the account {0}, with those under way: find out why they fail"
    ),
    Limit.CERTIFICATES_OF_DOMAIN: "too many new certificates for {0} (a renewal by its account does not count)",
    Limit.CERTIFICATES_OF_NAMES: "too many certificates for exactly the names {1}: use one that you have",
    Limit.CHANGES: "too many changes of the account {0}",
    Limit.REFUSALS: "too many requests from {0} that had to be refused",
}


@dataclass(slots=True)
class _Janitor:
    """Where the search for rows that say nothing any more goes on; changed inside write transactions only."""

    written: int = 0
    after: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class _Seen:
    known: bool
    """Whether there is a row; of KEPT limits: whether this has happened before."""
    free_at: int | None
    """To be written if it happens; None: nothing is."""
    refusal: RateLimited | None = None


@dataclass(frozen=True, slots=True)
class Limiter:
    """The limits of a server. Every method raises RateLimited, but for `no_failure`."""

    rates: Mapping[Limit, Rate | None]
    """None: no limit."""
    registrable: Callable[[str], str | None]
    help_url: str | None
    """Where the limits are explained."""
    _janitor: _Janitor = field(default_factory=_Janitor)

    def spend(self, transaction: Transaction, limit: Limit, subject: str, now: datetime, cost: int = 1) -> None:
        """Count one more (or `cost`), if it may be."""
        seen = self._look(transaction, limit, subject, now, cost)
        _refuse(seen)
        self._write(transaction, limit, subject, seen.free_at, now)

    def account(self, transaction: Transaction, address: str, now: datetime) -> None:
        """A new account."""
        self.spend(transaction, Limit.NEW_ACCOUNTS, address_subject(address), now)

    def order(
        self,
        transaction: Transaction,
        account_id: str,
        names: Names,
        now: datetime,
        replaces: str | None,
    ) -> None:
        """A new order. Only what can be certified in the end is worth its validations.

        `replaces`: serial of the certificate that the order replaces (RFC 9773 §5).
        """
        self._go_on(transaction, account_id, names, now)
        orders = self._look(transaction, Limit.NEW_ORDERS, account_id, now, order_cost(len(names)))
        _, same, domains = self._certificates(transaction, account_id, names, now, replaces)
        _refuse(orders, same, *domains.values())
        self._write(transaction, Limit.NEW_ORDERS, account_id, orders.free_at, now)

    def authorization(self, transaction: Transaction, account_id: str, name: Identifier, now: datetime) -> None:
        """A new authorization without an order."""
        self._go_on(transaction, account_id, (name,), now)
        self.spend(transaction, Limit.NEW_ORDERS, account_id, now)

    def certificate(
        self,
        transaction: Transaction,
        account_id: str,
        names: Names,
        now: datetime,
        replaces: str | None,
    ) -> None:
        """A certificate is about to be made."""
        self._go_on(transaction, account_id, names, now)
        subject, same, domains = self._certificates(transaction, account_id, names, now, replaces)
        _refuse(same, *domains.values())
        self._write(transaction, Limit.CERTIFICATES_OF_NAMES, subject, same.free_at, now)
        for domain, seen in domains.items():
            self._write(transaction, Limit.CERTIFICATES_OF_DOMAIN, domain, seen.free_at, now)

    def validation(self, transaction: Transaction, authorization: Authorization, now: datetime) -> None:
        """A validation begins. It counts as a failure from now on, so that what is under way is limited, too."""
        self.spend(transaction, Limit.FAILED_VALIDATIONS, _failures_of(authorization), now)

    def no_failure(self, transaction: Transaction, authorization: Authorization, count: int, now: datetime) -> None:
        """So many validations have ended in a way that is no failure of the account: they are given back."""
        limit, rate = Limit.FAILED_VALIDATIONS, self.rates[Limit.FAILED_VALIDATIONS]
        subject = _failures_of(authorization)
        entry = None if rate is None else transaction.limits.get(limit, subject)
        if rate is None or entry is None or entry.exception == EXEMPT:
            return
        free_at = given_back(entry.free_at, instant(now), rate, count)
        if free_at is None and entry.exception is None:
            transaction.limits.remove(limit, subject)
        else:
            self._write(transaction, limit, subject, free_at, now)

    def refusal(self, transaction: Transaction, address: str, now: datetime) -> None:
        """A refusal is about to be written into the audit chain."""
        self.spend(transaction, Limit.REFUSALS, address_subject(address), now)

    def _go_on(self, transaction: Transaction, account_id: str, names: Names, now: datetime) -> None:
        """Unless a person has paused the account or a name."""
        paused = transaction.limits.excepted(PAUSED)
        subject = paused_subject(paused, account_id, names, dns_name_of) if paused else None
        if subject is not None:
            detail = f"the people who run this CA have paused {subject}: nothing is ordered until they resume it"
            raise self._refusal(detail, now, _PAUSE)

    def _certificates(
        self, transaction: Transaction, account_id: str, names: Names, now: datetime, replaces: str | None
    ) -> tuple[str, _Seen, dict[str, _Seen]]:
        """The set of names, what is known of it, and of each domain that a certificate would be new for."""
        subject = names_subject(account_id, (name.value for name in names))
        same = self._look(transaction, Limit.CERTIFICATES_OF_NAMES, subject, now)
        new = () if same.known else self._new_domains(transaction, names, replaces)
        return subject, same, {name: self._look(transaction, Limit.CERTIFICATES_OF_DOMAIN, name, now) for name in new}

    def _new_domains(self, transaction: Transaction, names: Names, replaces: str | None) -> list[str]:
        """Those that a certificate is new for: it has a name of theirs that the one it replaces has not."""
        if self.rates[Limit.CERTIFICATES_OF_DOMAIN] is None:
            return []
        replaced = None if replaces is None else transaction.certificates.get(replaces)
        old = () if replaced is None else replaced.identifiers
        return list(dict.fromkeys(domain_subject(name, self.registrable) for name in names if name not in old))

    def _look(self, transaction: Transaction, limit: Limit, subject: str, now: datetime, cost: int = 1) -> _Seen:
        """What is known of the subject, and whether it may go on."""
        rate = self.rates[limit]
        if rate is None and limit not in KEPT:
            return _Seen(known=False, free_at=None)
        entry = transaction.limits.get(limit, subject)
        known = entry is not None
        if entry is not None and entry.exception == EXEMPT:
            return _Seen(known, None)
        if rate is None:
            # It limits nothing, and still tells a renewal from a new certificate.
            return _Seen(known, instant(now))
        decision = decide(None if entry is None else entry.free_at, instant(now), rate, cost)
        if not decision.allowed:
            what = _TOO_MANY[limit].format(*subject.split(" ", 1))
            return _Seen(known, None, self._refusal(f"{what}; the limit is {rate}", now, decision.retry_after))
        return _Seen(known, decision.free_at)

    def _refusal(self, detail: str, now: datetime, retry_after: int) -> RateLimited:
        # Rounded up to a whole second, as Retry-After is: whoever comes then is let in.
        later = now + timedelta(seconds=retry_after + (1 if now.microsecond else 0))
        headers = {"Retry-After": str(retry_after)}
        if self.help_url is not None:
            headers["Link"] = f'<{self.help_url}>;rel="help"'
        return RateLimited(f"{detail}; come back after {later:%Y-%m-%d %H:%M:%S} UTC", headers=headers)

    def _write(self, transaction: Transaction, limit: Limit, subject: str, free_at: int | None, now: datetime) -> None:
        if free_at is None:
            return
        transaction.limits.put(limit, subject, free_at)
        self._janitor.written += 1
        if self._janitor.written >= _SWEEP_EACH:
            self._janitor.written = 0
            self._sweep(transaction, instant(now))

    def _sweep(self, transaction: Transaction, now: int) -> None:
        """Take away rows whose time has passed, a few at a time, and begin anew at the end."""
        entries = transaction.limits.page(self._janitor.after, _SWEPT)
        for entry in entries:
            rested_at = 0 if entry.free_at is None else entry.free_at + KEPT.get(entry.limit, 0)
            if entry.exception is None and rested_at <= now:
                transaction.limits.remove(entry.limit, entry.subject)
        last = entries[-1] if len(entries) == _SWEPT else None
        self._janitor.after = ("", "") if last is None else (last.limit, last.subject)


def _failures_of(authorization: Authorization) -> str:
    return failure_subject(authorization.account_id, authorization.identifier)


def _refuse(*seen: _Seen) -> None:
    """RFC 8555 §6.6: Retry-After is when all limits allow it again. Raises RateLimited."""
    refusals = [one.refusal for one in seen if one.refusal is not None]
    if refusals:
        raise max(refusals, key=lambda refusal: int(refusal.headers["Retry-After"]))
