"""What a validation's outcome changes: challenge, authorization, outbox, audit, in the caller's transaction.

The only place where a challenge becomes valid or invalid (RFC 8555 §7.1.6, §8.2).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from acme_server.limiter import Limiter
from acme_server.model import Authorization, Challenge
from acme_server.policy import Reuse
from acme_server.states import CHALLENGE, ChallengeStatus, Event, after
from acme_server.store import Transaction
from challenges.base import Json, Outcome, Verdict

__all__ = ["apply"]


def apply(
    transaction: Transaction,
    challenge: Challenge,
    authorization: Authorization,
    outcome: Outcome,
    now: datetime,
    reuse: Reuse,
    limiter: Limiter,
    *,
    caa_checked_at: datetime | None = None,
) -> bool:
    """Write the outcome; False, and nothing written, when the challenge has changed since it was read.

    `caa_checked_at`: when CAA was looked up for it; without, a VALID is looked up before anything is signed.
    """
    error = _error(challenge, outcome)
    changed = replace(challenge, error=error, state=challenge.state if outcome.state is None else outcome.state)
    if outcome.verdict not in _EVENTS:
        return transaction.authorizations.save(changed)
    event, audited = _EVENTS[outcome.verdict]
    valid = outcome.verdict is Verdict.VALID
    changed = replace(changed, status=after(CHALLENGE, challenge.status, event), validated_at=now if valid else None)
    if not transaction.authorizations.save(changed):
        return False
    assurance = outcome.assurance if valid else None
    expires = _expiry(outcome, now, reuse) if valid else None
    moved = transaction.authorizations.advance(
        authorization, event, expires=expires, assurance=assurance, caa_checked_at=caa_checked_at if valid else None
    )
    assert moved is not None  # read in this transaction
    transaction.outbox.remove_for(challenge.id)
    if valid:
        # None of its challenges that were begun counts as a failure; what ends by a fault of ours does, because a host
        # may have found an answer that leads to one, and would be asked for ever.
        begun = sum(each.status is ChallengeStatus.PROCESSING for each in authorization.challenges)
        limiter.no_failure(transaction, authorization, begun, now)
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


def _error(challenge: Challenge, outcome: Outcome) -> Json | None:
    """What the challenge shows: the last error, and where queries failed before, each in its turn (RFC 8555 §8.2)."""
    if outcome.error is None:
        return None
    latest = outcome.error.to_json()
    if challenge.error is None or outcome.verdict not in {Verdict.RETRY, Verdict.INVALID}:
        return latest
    earlier = challenge.error.get("subproblems", [challenge.error])
    return latest | {"subproblems": [*earlier, latest]}


def _expiry(outcome: Outcome, now: datetime, reuse: Reuse) -> datetime:
    """As long as its kind of proof may be used again, and no longer than the proof itself says."""
    expires = now + reuse.of(outcome.assurance)
    return expires if outcome.until is None else min(expires, outcome.until)


_EVENTS = {
    Verdict.VALID: (Event.PROVED, "authorization_valid"),
    Verdict.INVALID: (Event.REFUTED, "authorization_invalid"),
}
