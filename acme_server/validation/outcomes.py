"""What a validation's outcome changes: challenge, authorization, outbox, audit, in the caller's transaction.

The only place where a challenge becomes valid or invalid (RFC 8555 §7.1.6, §8.2).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from acme_server.model import Authorization, Challenge
from acme_server.policy import Reuse
from acme_server.states import CHALLENGE, Event, after
from acme_server.store import Transaction
from challenges.base import Outcome, Verdict

__all__ = ["apply"]


def apply(
    transaction: Transaction,
    challenge: Challenge,
    authorization: Authorization,
    outcome: Outcome,
    now: datetime,
    reuse: Reuse,
) -> bool:
    """Write the outcome; False, and nothing written, when the challenge has changed since it was read."""
    error = None if outcome.error is None else outcome.error.to_json()
    changed = replace(challenge, error=error, state=challenge.state if outcome.state is None else outcome.state)
    if outcome.verdict not in _EVENTS:
        return transaction.authorizations.save(changed)
    event, audited = _EVENTS[outcome.verdict]
    valid = outcome.verdict is Verdict.VALID
    changed = replace(changed, status=after(CHALLENGE, challenge.status, event), validated_at=now if valid else None)
    if not transaction.authorizations.save(changed):
        return False
    assurance = outcome.assurance if valid else None
    expires = now + reuse.of(outcome.assurance) if valid else None
    moved = transaction.authorizations.advance(authorization, event, expires=expires, assurance=assurance)
    assert moved is not None  # read in this transaction
    transaction.outbox.remove_for(challenge.id)
    transaction.audit.append(
        audited,
        actor="server",
        subject=f"authorization/{authorization.id}",
        at=now,
        detail={
            "account": authorization.account_id,
            "identifier": authorization.identifier.to_json(),
            "challenge": challenge.type,
            "assurance": assurance,
            "evidence": outcome.evidence,
            "error": error,
        },
    )
    return True


_EVENTS = {
    Verdict.VALID: (Event.PROVED, "authorization_valid"),
    Verdict.INVALID: (Event.REFUTED, "authorization_invalid"),
}
