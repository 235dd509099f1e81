"""Authorizations and challenges (RFC 8555 §7.5, RFC 9444 §4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from acme_server.errors import Malformed, NotFound, ServiceUnavailable, Unauthorized
from acme_server.model import Authorization, Challenge, Job, JobKind
from acme_server.protocol.messages import Reply, authorization_json, challenge_json, challenge_status
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import json_object
from acme_server.states import CHALLENGE, AuthorizationStatus, ChallengeStatus, Event, after
from acme_server.tasks import challenge_in, task_of
from challenges.base import BadResponse, Json, Mail

__all__ = ["answer_challenge", "show_authorization"]

_RETRY_AFTER = 1
"""Seconds between polls of a challenge that is being validated."""
_ATTEMPTS = 5


def show_authorization(request: SignedRequest, services: Services) -> Reply:
    """POST-as-GET, or deactivation (RFC 8555 §7.5, §7.5.2)."""
    with services.store.read() as transaction:
        authorization = transaction.authorizations.get(request.target)
    if authorization is None:
        raise NotFound("no authorization has this URL")
    if authorization.account_id != request.signer.id:
        raise Unauthorized("this is another account's authorization")
    if request.payload:
        payload = json_object(request.payload, "payload")
        if payload.get("status") != AuthorizationStatus.DEACTIVATED:
            raise Malformed("the only change an authorization takes is `status` `deactivated`")
        authorization = _deactivate(authorization, services)
    now = services.clock()
    waiting = any(challenge.status is ChallengeStatus.PROCESSING for challenge in authorization.challenges)
    return Reply(
        authorization_json(authorization, now, services.urls),
        retry_after=_RETRY_AFTER if waiting and authorization.status_at(now) is AuthorizationStatus.PENDING else None,
    )


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
        challenge, authorization, names = _read(request, services)
        now = services.clock()
        if payload is None or challenge.status is ChallengeStatus.VALID:
            return _reply(challenge, authorization, now, services)
        if authorization.status_at(now) is not AuthorizationStatus.PENDING:
            raise Malformed(f"the authorization is {authorization.status_at(now)}: it takes no response any more")
        if _respond(challenge, authorization, names, payload, request, services):
            challenge, authorization, _ = _read(request, services)
            return _reply(challenge, authorization, services.clock(), services)
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
    started = replace(challenge, thumbprint=challenge.thumbprint or request.key.thumbprint)
    task = task_of(started, authorization, names, services.urls.challenge(challenge.id))
    outbox = _Outbox()
    try:
        progress = services.challenges[challenge.type].begin(task, payload, outbox, services.ca)
    except BadResponse as error:
        raise Malformed(f"the response was not taken: {error}") from error
    now = services.clock()
    changed = replace(
        started, status=after(CHALLENGE, challenge.status, Event.RESPONDED), state=progress.state, error=None
    )
    job, held = services.work.lease(JobKind.VALIDATE, challenge.id), False
    unchanged = challenge.status is changed.status and progress.state == challenge.state
    mails = [(services.new_id(), mail) for mail in outbox.mails]
    with services.store.write() as transaction:
        # Nothing new: a validation under way goes on, and one that rests is made at once (RFC 8555 §8.2).
        if not unchanged and not transaction.authorizations.save(changed):
            return False
        for mail_id, mail in mails:
            transaction.outbox.add(mail_id, challenge.id, mail)
            transaction.jobs.add(Job(JobKind.MAIL, mail_id, due=now), now)
        if progress.due:
            held = transaction.jobs.add(job, now)
        elif progress.again is not None:
            transaction.jobs.add(Job(JobKind.VALIDATE, challenge.id, due=progress.again), now)
    if progress.due or mails:
        services.work.run(job, held=held)
    return True


class _Outbox:
    """Collects what a challenge type wants sent, for the transaction."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def mail(self, mail: Mail) -> None:
        """See `challenges.base.Outbox`."""
        self.mails.append(mail)


def _read(request: SignedRequest, services: Services) -> tuple[Challenge, Authorization, tuple[str, ...]]:
    """The signer's own challenge. Raises NotFound, Unauthorized."""
    with services.store.read() as transaction:
        authorization = transaction.authorizations.of_challenge(request.target)
        if authorization is None:
            raise NotFound("no challenge has this URL")
        if authorization.account_id != request.signer.id:
            raise Unauthorized("this is another account's challenge")
        names = transaction.orders.names_waiting(authorization.id)
        return challenge_in(authorization, request.target), authorization, names


def _reply(challenge: Challenge, authorization: Authorization, now: datetime, services: Services) -> Reply:
    status = challenge_status(challenge, authorization.status_at(now))
    return Reply(
        challenge_json(challenge, status, services.urls),
        links=((services.urls.authorization(authorization.id), "up"),),
        retry_after=_RETRY_AFTER if status is ChallengeStatus.PROCESSING else None,
    )
