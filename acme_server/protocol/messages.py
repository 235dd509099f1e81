"""ACME's objects on the wire (RFC 8555 §7.1), and the URLs they live at.

Everything here is built from the configured `external_url`; the Host header of a request is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from acme_server.model import Account, Authorization, Challenge, Job, Order
from acme_server.protocol.failures import order_problem
from acme_server.states import AuthorizationStatus, ChallengeStatus, OrderStatus
from acme_server.urls import Urls
from challenges.base import Error, Json

__all__ = [
    "JSON",
    "PEM_CHAIN",
    "Reply",
    "account_json",
    "authorization_json",
    "challenge_json",
    "challenge_status",
    "order_json",
    "retry_after",
    "timestamp",
]

JSON = "application/json"
PEM_CHAIN = "application/pem-certificate-chain"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers."""

    body: Json | bytes | None = None
    status: int = 200
    content_type: str = JSON
    location: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    """(URL, relation)."""
    retry_after: int | None = None
    """Seconds."""
    headers: dict[str, str] = field(default_factory=dict)


def timestamp(time: datetime) -> str:
    """RFC 3339, UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def account_json(account: Account, urls: Urls, binding: Json | None) -> Json:
    """RFC 8555 §7.1.2; `binding`: the external one, as it came (§7.3.4)."""
    document: Json = {"status": account.status.value, "orders": urls.orders(account.id)}
    if binding is not None:
        document["externalAccountBinding"] = binding
    if account.contact:
        document["contact"] = list(account.contact)
    if account.terms_agreed_at is not None:
        document["termsOfServiceAgreed"] = True
    return document


def retry_after(job: Job | None, now: datetime) -> int:
    """Seconds until there may be news of the job: until it is tried again, or one (RFC 8555 §7.4, §7.5.1, §8.2)."""
    if job is None or job.tries == 0:
        return 1
    return max(1, ceil((job.due - now).total_seconds()))


def order_json(order: Order, authorizations: Sequence[Authorization], now: datetime, urls: Urls) -> Json:
    """RFC 8555 §7.1.3; `profile` by draft-ietf-acme-profiles §3, `replaces` by RFC 9773 §5.

    `authorizations`: the order's own, read in one transaction with it.
    """
    status = order.status_at(now, tuple(authorizations))
    error = order.error
    if error is None and status is OrderStatus.INVALID:
        error = order_problem(order, authorizations, now)
    document: Json = {
        "status": status.value,
        "expires": timestamp(order.expires),
        "identifiers": [part.identifier.to_json() for part in order.identifiers],
        "profile": order.profile,
        "authorizations": [urls.authorization(id_) for id_ in order.authorization_ids],
        "finalize": urls.finalize(order.id),
    }
    if order.not_before is not None:
        document["notBefore"] = timestamp(order.not_before)
    if order.not_after is not None:
        document["notAfter"] = timestamp(order.not_after)
    if order.replaces is not None:
        document["replaces"] = order.replaces
    if error is not None:
        document["error"] = error
    if order.certificate is not None:
        document["certificate"] = urls.certificate(order.certificate)
    return document


def challenge_status(challenge: Challenge, authorization: AuthorizationStatus) -> ChallengeStatus:
    """A challenge that is still open when its authorization is not has come too late."""
    open_ = challenge.status in {ChallengeStatus.PENDING, ChallengeStatus.PROCESSING}
    if open_ and authorization is AuthorizationStatus.EXPIRED:
        return ChallengeStatus.INVALID
    return challenge.status


def challenge_json(challenge: Challenge, status: ChallengeStatus, urls: Urls) -> Json:
    """RFC 8555 §8."""
    document: Json = {
        "type": challenge.type,
        "url": urls.challenge(challenge.id),
        "status": status.value,
        **({"token": challenge.token} if challenge.token else {}),
        **challenge.offer,
    }
    if challenge.error is not None:
        document["error"] = challenge.error
    elif status is ChallengeStatus.INVALID:
        document["error"] = Error("malformed", "the authorization expired before the challenge was answered").to_json()
    if challenge.validated_at is not None:
        document["validated"] = timestamp(challenge.validated_at)
    return document


def authorization_json(authorization: Authorization, now: datetime, urls: Urls) -> Json:
    """RFC 8555 §7.1.4, RFC 9444 §4. Once it is decided, only the challenge that decided it is shown (§7.1.4)."""
    status = authorization.status_at(now)
    shown = authorization.challenges
    if status is not AuthorizationStatus.PENDING:
        shown = tuple(c for c in shown if c.status in {ChallengeStatus.VALID, ChallengeStatus.INVALID}) or shown
    document: Json = {
        "identifier": authorization.base.to_json(),
        "status": status.value,
        "expires": timestamp(authorization.expires),
        "challenges": [challenge_json(c, challenge_status(c, status), urls) for c in shown],
    }
    if authorization.wildcard:
        document["wildcard"] = True
    if authorization.subdomains:
        document["subdomainAuthAllowed"] = True
    return document
