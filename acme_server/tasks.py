"""A challenge of an account's authorization, as its type sees it; for handlers, workers and gateways alike."""

from __future__ import annotations

from datetime import datetime

from acme_server.model import Authorization, Challenge
from acme_server.states import AuthorizationStatus, ChallengeStatus
from acme_server.store import Transaction
from acme_server.urls import Urls
from challenges.base import Task

__all__ = ["challenge_in", "is_open", "subject_of", "task_of"]


def subject_of(transaction: Transaction, challenge_id: str) -> tuple[Challenge, Authorization]:
    """A challenge that a job is about, and its authorization: jobs are written with them, and neither is deleted."""
    authorization = transaction.authorizations.of_challenge(challenge_id)
    assert authorization is not None
    return challenge_in(authorization, challenge_id), authorization


def challenge_in(authorization: Authorization, challenge_id: str) -> Challenge:
    """One of its challenges."""
    return next(challenge for challenge in authorization.challenges if challenge.id == challenge_id)


def is_open(challenge: Challenge, authorization: Authorization, now: datetime) -> bool:
    """Whether an outcome can still change anything."""
    pending = authorization.status_at(now) is AuthorizationStatus.PENDING
    return pending and challenge.status is ChallengeStatus.PROCESSING


def task_of(
    challenge: Challenge,
    authorization: Authorization,
    urls: Urls,
    *,
    names: tuple[str, ...] = (),
    former_thumbprints: tuple[str, ...] = (),
) -> Task:
    """The challenge as its type sees it. It has a thumbprint: it has been answered, or is being.

    `names` are for the one who reads a mail, `former_thumbprints` for a validation.
    """
    assert challenge.thumbprint is not None
    return Task(
        identifier=authorization.base,
        token=challenge.token,
        thumbprint=challenge.thumbprint,
        url=urls.challenge(challenge.id),
        offer=challenge.offer,
        names=names,
        expires=authorization.expires,
        state=challenge.state,
        account_url=urls.account(authorization.account_id),
        wildcard=authorization.wildcard,
        subdomains=authorization.subdomains,
        former_thumbprints=former_thumbprints,
    )
