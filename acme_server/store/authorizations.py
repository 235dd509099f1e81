"""Authorizations and their challenges in SQL."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from acme_server.model import Authorization, Challenge
from acme_server.states import AUTHORIZATION, AuthorizationStatus, ChallengeStatus, Event, after
from acme_server.store.sql import Database, dump, load, moment, seconds, when
from challenges.base import Identifier

__all__ = ["Authorizations"]


_AUTHORIZATION = (
    "SELECT id, account_id, type, value, subdomains, status, expires, created_at, assurance, caa_checked_at"
    " FROM authorizations WHERE "
)
_OF_CHALLENGE = "id = (SELECT authorization_id FROM challenges WHERE id = :id)"
_CHALLENGES = (
    "SELECT id, authorization_id, type, status, token, offer, state, thumbprint, error, validated_at, revision"
    " FROM challenges WHERE "
)


class Authorizations:
    """See the contract."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, authorization: Authorization) -> None:
        """See the contract."""
        self._db.execute(
            "INSERT INTO authorizations (id, account_id, type, value, subdomains, status, expires, created_at)"
            " VALUES (:id, :account_id, :type, :value, :subdomains, :status, :expires, :created_at)",
            {
                "id": authorization.id,
                "account_id": authorization.account_id,
                "type": authorization.identifier.type,
                "value": authorization.identifier.value,
                "subdomains": int(authorization.subdomains),
                "status": authorization.status.value,
                "expires": seconds(authorization.expires),
                "created_at": seconds(authorization.created_at),
            },
        )
        for position, challenge in enumerate(authorization.challenges):
            self._db.execute(
                "INSERT INTO challenges (id, authorization_id, position, type, status, token, offer, state, revision)"
                " VALUES (:id, :authorization_id, :position, :type, :status, :token, :offer, :state, 0)",
                {
                    "id": challenge.id,
                    "authorization_id": authorization.id,
                    "position": position,
                    "type": challenge.type,
                    "status": challenge.status.value,
                    "token": challenge.token,
                    "offer": dump(challenge.offer),
                    "state": dump(challenge.state),
                },
            )

    def get(self, authorization_id: str) -> Authorization | None:
        """See the contract."""
        return self._whole(
            self._db.execute(_AUTHORIZATION + "id = :id", {"id": authorization_id}).fetchone(),
        )

    def end_pending(self, account_id: str) -> int:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE authorizations SET status = :ended WHERE account_id = :account_id AND status = :pending",
            {
                "account_id": account_id,
                "pending": AuthorizationStatus.PENDING.value,
                "ended": after(AUTHORIZATION, AuthorizationStatus.PENDING, Event.DEACTIVATED).value,
            },
        )
        return rows.rowcount

    def of_challenge(self, challenge_id: str) -> Authorization | None:
        """See the contract."""
        return self._whole(
            self._db.execute(_AUTHORIZATION + _OF_CHALLENGE, {"id": challenge_id}).fetchone(),
        )

    def _whole(self, row: Any) -> Authorization | None:
        if row is None:
            return None
        authorization_id, account_id, type_, value, subdomains, status, expires, created_at, assurance, checked = row
        challenges = self._db.execute(
            _CHALLENGES + "authorization_id = :id ORDER BY position", {"id": authorization_id}
        ).fetchall()
        return Authorization(
            id=authorization_id,
            account_id=account_id,
            identifier=Identifier(type_, value),
            subdomains=bool(subdomains),
            status=AuthorizationStatus(status),
            expires=moment(expires),
            created_at=moment(created_at),
            assurance=assurance,
            caa_checked_at=when(checked),
            challenges=tuple(_challenge(challenge) for challenge in challenges),
        )

    def reusable(self, account_id: str, identifier: Identifier, *, subdomains: bool, until: datetime) -> str | None:
        """See the contract."""
        return self._latest(AuthorizationStatus.VALID, account_id, identifier, subdomains, until)

    def pending(self, account_id: str, identifier: Identifier, *, subdomains: bool, until: datetime) -> str | None:
        """See the contract."""
        return self._latest(AuthorizationStatus.PENDING, account_id, identifier, subdomains, until)

    def _latest(
        self, status: AuthorizationStatus, account_id: str, identifier: Identifier, subdomains: bool, until: datetime
    ) -> str | None:
        row = self._db.execute(
            "SELECT id FROM authorizations WHERE account_id = :account_id AND type = :type AND value = :value"
            " AND subdomains = :subdomains AND status = :status AND expires > :until ORDER BY expires DESC LIMIT 1",
            {
                "account_id": account_id,
                "type": identifier.type,
                "value": identifier.value,
                "subdomains": int(subdomains),
                "status": status.value,
                "until": seconds(until),
            },
        ).fetchone()
        return None if row is None else str(row[0])

    def advance(
        self,
        authorization: Authorization,
        event: Event,
        *,
        expires: datetime | None = None,
        assurance: str | None = None,
        caa_checked_at: datetime | None = None,
    ) -> AuthorizationStatus | None:
        """See the contract."""
        status = after(AUTHORIZATION, authorization.status, event)
        rows = self._db.execute(
            "UPDATE authorizations SET status = :status, expires = :expires, assurance = :assurance,"
            " caa_checked_at = coalesce(:caa_checked_at, caa_checked_at) WHERE id = :id AND status = :read",
            {
                "id": authorization.id,
                "status": status.value,
                "expires": seconds(expires or authorization.expires),
                "assurance": assurance or authorization.assurance,
                "caa_checked_at": caa_checked_at and seconds(caa_checked_at),
                "read": authorization.status.value,
            },
        )
        return status if rows.rowcount == 1 else None

    def caa_checked(self, authorization_id: str, at: datetime) -> None:
        """See the contract."""
        self._db.execute(
            "UPDATE authorizations SET caa_checked_at = :at WHERE id = :id", {"id": authorization_id, "at": seconds(at)}
        )

    def save(self, challenge: Challenge) -> bool:
        """See the contract."""
        rows = self._db.execute(
            "UPDATE challenges SET status = :status, state = :state, thumbprint = :thumbprint, error = :error,"
            " validated_at = :validated_at, revision = revision + 1 WHERE id = :id AND revision = :revision",
            {
                "id": challenge.id,
                "status": challenge.status.value,
                "state": dump(challenge.state),
                "thumbprint": challenge.thumbprint,
                "error": None if challenge.error is None else dump(challenge.error),
                "validated_at": challenge.validated_at and seconds(challenge.validated_at),
                "revision": challenge.revision,
            },
        )
        return rows.rowcount == 1


def _challenge(row: Any) -> Challenge:
    (id_, authorization_id, type_, status, token, offer, state, thumbprint, error, validated_at, revision) = row
    return Challenge(
        id=id_,
        authorization_id=authorization_id,
        type=type_,
        status=ChallengeStatus(status),
        token=token,
        offer=json.loads(offer),
        state=json.loads(state),
        thumbprint=thumbprint,
        error=load(error),
        validated_at=when(validated_at),
        revision=revision,
    )
