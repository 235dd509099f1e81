"""Authorizations and challenges (RFC 8555 §7.5, RFC 9444 §4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from acme_server.errors import Malformed, NotFound, ServiceUnavailable, Unauthorized
from acme_server.model import Authorization, Challenge, Job, JobKind
from acme_server.protocol.messages import Reply, authorization_json, challenge_json, challenge_status, retry_after
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import json_object
from acme_server.states import CHALLENGE, AuthorizationStatus, ChallengeStatus, Event, after
from acme_server.store import Transaction
from acme_server.tasks import challenge_in, task_of
from challenges.base import BadResponse, Json, Mail

__all__ = ["answer_challenge", "show_authorization"]

_ATTEMPTS = 5


def show_authorization(request: SignedRequest, services: Services) -> Reply:
    """POST-as-GET, or deactivation (RFC 8555 §7.5, §7.5.2)."""
    with services.store.read() as transaction:
        authorization = transaction.authorizations.get(request.target)
        wait = _wait(transaction, authorization, services.clock())
    if authorization is None:
        raise NotFound("no authorization has this URL")
    if authorization.account_id != request.signer.id:
        raise Unauthorized("this is another account's authorization")
    if request.payload:
        payload = json_object(request.payload, "payload")
        if payload.get("status") != AuthorizationStatus.DEACTIVATED:
            raise Malformed("the only change an authorization takes is `status` `deactivated`")
        authorization, wait = _deactivate(authorization, services), None
    return Reply(authorization_json(authorization, services.clock(), services.urls), retry_after=wait)


def _wait(transaction: Transaction, authorization: Authorization | None, now: datetime) -> int | None:
    """Seconds until there may be news of it; None where nobody is at work."""
    if authorization is None or authorization.status_at(now) is not AuthorizationStatus.PENDING:
        return None
    waiting = [challenge for challenge in authorization.challenges if challenge.status is ChallengeStatus.PROCESSING]
    jobs = (transaction.jobs.get(JobKind.VALIDATE, challenge.id) for challenge in waiting)
    return min((retry_after(job, now) for job in jobs), default=None)


def _deactivate(authorization: Authorization, services: Services) -> Authorization:
    now = services.clock()
    if authorization.status_at(now) not in {AuthorizationStatus.PENDING, AuthorizationStatus.VALID}:
        raise Malformed(f"the authorization is {authorization.status_at(now)} and cannot be deactivated")
    with services.store.write() as transaction:
        status = transaction.authorizations.advance(authorization, Event.DEACTIVATED)
        if status is None:
            raise Malformed("the authorization has changed meanwhile; read it and send the request again")
        transaction.audit.append(
            "authorization_deactivated",
            actor=f"account/{authorization.account_id}",
            subject=f"authorization/{authorization.id}",
            at=now,
            detail={"identifier": authorization.identifier.to_json()},
        )
    return replace(authorization, status=status)


def answer_challenge(request: SignedRequest, services: Services) -> Reply:
    """A response to a challenge, or POST-as-GET of it (RFC 8555 §7.5.1, §8.2)."""
    payload = json_object(request.payload, "payload") if request.payload else None
    for _ in range(_ATTEMPTS):
        challenge, authorization, names, wait = _read(request, services, for_response=payload is not None)
        now = services.clock()
        if payload is None or challenge.status is ChallengeStatus.VALID:
            return _reply(challenge, authorization, now, wait, services)
        if authorization.status_at(now) is not AuthorizationStatus.PENDING:
            raise Malformed(f"the authorization is {authorization.status_at(now)}: it takes no response any more")
        if _respond(challenge, authorization, names, payload, request, services):
            challenge, authorization, _, wait = _read(request, services, for_response=False)
            return _reply(challenge, authorization, services.clock(), wait, services)
    raise ServiceUnavailable("the challenge keeps changing; come back in a moment", headers={"Retry-After": "2"})


def _respond(
    challenge: Challenge,
    authorization: Authorization,
    names: tuple[str, ...],
    payload: Json,
    request: SignedRequest,
    services: Services,
) -> bool:
    """Take the response; False when the challenge has changed since it was read. Raises Malformed."""
    started = _begun(challenge, request.key.thumbprint)
    task = task_of(started, authorization, services.urls, names=names)
    outbox = _Outbox()
    try:
        progress = services.challenges[challenge.type].begin(task, payload, outbox, services.ca)
    except BadResponse as error:
        raise Malformed(f"the response was not taken: {error}") from error
    now = services.clock()
    changed = replace(
        started, status=after(CHALLENGE, challenge.status, Event.RESPONDED), state=progress.state, error=None
    )
    job, held = services.work.lease(JobKind.VALIDATE, challenge.id, authorization.account_id), False
    unchanged = replace(changed, error=challenge.error) == challenge
    mails = [(services.new_id(), mail) for mail in outbox.mails]
    with services.store.write() as transaction:
        # Nothing new: a validation under way goes on, and one that rests is made at once (RFC 8555 §8.2).
        if not unchanged and not transaction.authorizations.save(changed):
            return False
        if started.thumbprint != challenge.thumbprint:
            # The first response, or the first of a new key; no later answer, and no repetition.
            services.limiter.validation(transaction, authorization, now)
            transaction.outbox.remove_for(challenge.id)
        for mail_id, mail in mails:
            transaction.outbox.add(mail_id, challenge.id, mail)
            transaction.jobs.add(Job(JobKind.MAIL, mail_id, due=now, account_id=authorization.account_id), now)
        if progress.due:
            held = transaction.jobs.add(job, now)
        elif progress.again is not None:
            transaction.jobs.add(replace(job, due=progress.again, owner=None, lease_until=None), now)
    if progress.due or mails:
        services.work.run(job, held=held)
    return True


def _begun(challenge: Challenge, thumbprint: str) -> Challenge:
    """The challenge as one that this account key answers (RFC 8555 §8.1).

    A key change alone ends nothing that is under way (§7.3.5); a response by the new key begins anew.
    """
    if challenge.thumbprint in {None, thumbprint}:
        return replace(challenge, thumbprint=thumbprint)
    return replace(challenge, thumbprint=thumbprint, state={})


class _Outbox:
    """Collects what a challenge type wants sent, for the transaction."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def mail(self, mail: Mail) -> None:
        """See `challenges.base.Outbox`."""
        self.mails.append(mail)


def _read(
    request: SignedRequest, services: Services, *, for_response: bool
) -> tuple[Challenge, Authorization, tuple[str, ...], int | None]:
    """The signer's own challenge, its authorization, the names that wait for it, and for how long. Raises Problem.

    The names are for a response alone, which may send them to a person.
    """
    with services.store.read() as transaction:
        authorization = transaction.authorizations.of_challenge(request.target)
        if authorization is None:
            raise NotFound("no challenge has this URL")
        if authorization.account_id != request.signer.id:
            raise Unauthorized("this is another account's challenge")
        names = transaction.orders.names_waiting(authorization.id) if for_response else ()
        wait = _wait(transaction, authorization, services.clock())
        return challenge_in(authorization, request.target), authorization, names, wait


def _reply(
    challenge: Challenge, authorization: Authorization, now: datetime, wait: int | None, services: Services
) -> Reply:
    status = challenge_status(challenge, authorization.status_at(now))
    return Reply(
        challenge_json(challenge, status, services.urls),
        links=((services.urls.authorization(authorization.id), "up"),),
        retry_after=wait if status is ChallengeStatus.PROCESSING else None,
    )
