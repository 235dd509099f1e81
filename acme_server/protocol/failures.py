"""Why an order has failed that nothing was written about: derived, like its status, from what it rests on.

RFC 8555 §7.1.3 (`error`), §6.7.1 (a subproblem for each identifier).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from acme_server.errors import URN, Subproblem
from acme_server.model import Authorization, Order
from acme_server.states import AuthorizationStatus, ChallengeStatus
from challenges.base import Error, Json

__all__ = ["order_problem"]

_SHOWN = 10
"""How many names the text repeats; the subproblems have all."""
_OPEN = frozenset({AuthorizationStatus.PENDING, AuthorizationStatus.VALID})


def order_problem(order: Order, authorizations: Sequence[Authorization], now: datetime) -> Json:
    """The problem document of an order that is invalid without an error of its own."""
    reasons = {
        authorization.id: _reason(authorization, authorization.status_at(now))
        for authorization in authorizations
        if authorization.status_at(now) not in _OPEN
    }
    failed = [
        Subproblem(reasons[part.authorization_id], part.identifier)
        for part in order.identifiers
        if part.authorization_id in reasons
    ]
    if not failed:
        return Error("unauthorized", "the order expired before its names were proved and it was finalized").to_json()
    kinds = {part.error.kind for part in failed}
    names = ", ".join(part.identifier.value for part in failed[:_SHOWN]) + (" …" if len(failed) > _SHOWN else "")
    # RFC 8555 §6.7: `compound` where the subproblems alone can say what happened.
    error = Error(kinds.pop() if len(kinds) == 1 else "compound", f"not proved: {names}; the subproblems say why")
    return error.to_json() | {"subproblems": [part.to_json() for part in failed]}


def _reason(authorization: Authorization, status: AuthorizationStatus) -> Error:
    """Why it proves nothing: what its challenge came to, or its own end."""
    for challenge in authorization.challenges:
        if status is AuthorizationStatus.INVALID and challenge.status is ChallengeStatus.INVALID and challenge.error:
            kind, detail = str(challenge.error["type"]), str(challenge.error["detail"])
            return Error(kind.removeprefix(URN), detail)
    return Error("unauthorized", f"the authorization is {status}")
