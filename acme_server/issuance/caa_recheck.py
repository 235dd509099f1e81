"""CAA once more before the signature: which names of an order are due for it, and what comes of those refused.

No name is signed for on a look-up older than eight hours, or on that of a name above it: a name may have records of its
own. RFC 8659 §3, RFC 8657 §5.5, RFC 8555 §6.7.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from acme_server.errors import Subproblem
from acme_server.identifiers import dns_name_of
from acme_server.model import Authorization, Order
from acme_server.states import ChallengeStatus
from acme_server.store import Transaction
from acme_server.validation.caa import Asked
from acme_server.validation.caa_lookup import Caa
from challenges.base import Error, Fault, Identifier, Json

__all__ = ["FRESH", "RETRY", "TRIES", "CaaRecheck", "Due", "problem_of"]

FRESH = timedelta(hours=8)
"""How long a look-up counts."""
TRIES = 3
"""How often look-ups that meet passing faults are made."""
RETRY = timedelta(seconds=3)
"""Before the second try; the third waits twice as long."""
_SHOWN = 10
"""How many names the problem's text repeats; the subproblems have all."""


@dataclass(frozen=True, slots=True)
class Due:
    """A name of an order that is to be looked up."""

    identifier: Identifier
    asked: Asked
    authorization_id: str | None
    """The authorization that is for this very name; None for one that rests on an ancestor's (RFC 9444)."""


@dataclass(frozen=True, slots=True)
class CaaRecheck:
    """What the issuance asks before it goes on."""

    caa: Caa
    account_url: Callable[[str], str]
    """Account id -> its URL."""

    def due(self, transaction: Transaction, order: Order, now: datetime) -> list[Due]:
        """The names that were not looked up by themselves within the last eight hours."""
        standing = {id_: transaction.authorizations.get(id_) for id_ in order.authorization_ids}
        due = []
        for part in order.identifiers:
            name, authorization = dns_name_of(part.identifier), standing[part.authorization_id]
            # An address has no CAA records (RFC 8738); without its authorization the order ends anyway.
            if name is None or authorization is None:
                continue
            own = authorization.identifier == part.identifier
            if own and _is_fresh(authorization.caa_checked_at, now):
                continue
            wildcard = part.identifier.type == "dns" and part.identifier.value != name
            asked = Asked(name, self.account_url(order.account_id), _method(authorization), wildcard)
            due.append(Due(part.identifier, asked, authorization.id if own else None))
        return due

    def refusals(self, due: Sequence[Due]) -> dict[Identifier, Fault]:
        """Look them up; those that must not be signed for."""
        refused = self.caa.refusals([each.asked for each in due])
        return {each.identifier: refused[each.asked] for each in due if each.asked in refused}


def problem_of(refusals: Mapping[Identifier, Fault]) -> Json:
    """The problem document that the order ends with."""
    parts = [Subproblem(fault.error, identifier) for identifier, fault in refusals.items()]
    kinds = {part.error.kind for part in parts}
    names = ", ".join(part.identifier.value for part in parts[:_SHOWN]) + (" …" if len(parts) > _SHOWN else "")
    detail = f"not permitted by CAA, looked up once more before the certificate: {names}; the subproblems say why"
    error = Error(kinds.pop() if len(kinds) == 1 else "compound", detail)
    return error.to_json() | {"subproblems": [part.to_json() for part in parts]}


def _is_fresh(checked_at: datetime | None, now: datetime) -> bool:
    """Not so where the clock has been set back."""
    return checked_at is not None and timedelta(0) <= now - checked_at < FRESH


def _method(authorization: Authorization) -> str:
    """How the authorization was proved."""
    valid = (each.type for each in authorization.challenges if each.status is ChallengeStatus.VALID)
    return next(valid, "")
