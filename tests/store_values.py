"""Accounts, orders and the rest as a store keeps them, with values that tell a mix-up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from acme_server.model import Account, Authorization, Certificate, Challenge, Order, OrderIdentifier
from acme_server.states import AccountStatus, AuthorizationStatus, CertificateStatus, ChallengeStatus
from challenges.base import Identifier

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
SECOND = timedelta(seconds=1)
NAME = Identifier("dns", "example.org")


def account(id_="a", **changes):
    values = {
        "id": id_,
        "thumbprint": f"thumbprint of {id_}",
        "jwk": "{}",
        "status": AccountStatus.VALID,
        "contact": ("mailto:a@example.org", "mailto:ü@example.org"),
        "terms_agreed_at": NOW,
        "created_at": NOW,
    }
    return Account(**(values | changes))


def challenge(id_="c", authorization="z", **changes):
    values = {"type": "http-01", "status": ChallengeStatus.PENDING, "token": "t", "offer": {"a": ["ü", None, 1]}}
    return Challenge(id=id_, authorization_id=authorization, **(values | changes))


def authorization(id_="z", **changes):
    values = {
        "account_id": "a",
        "identifier": NAME,
        "subdomains": False,
        "status": AuthorizationStatus.PENDING,
        "expires": LATER,
        "created_at": NOW,
        "challenges": (challenge(f"c-{id_}", id_), challenge(f"d-{id_}", id_, type="email-01")),
    }
    return Authorization(id=id_, **(values | changes))


def order(id_="o", **changes):
    values = {
        "account_id": "a",
        "profile": "xmpp",
        "identifiers": (OrderIdentifier(NAME, "z"), OrderIdentifier(Identifier("dns", "b.example.org"), "z")),
        "expires": LATER,
        "created_at": NOW,
    }
    return Order(id=id_, **(values | changes))


def certificate(serial="1f", order_id="o", **changes):
    values = {
        "account_id": "a",
        "issuer_id": "i",
        "profile": "xmpp",
        "identifiers": (NAME, Identifier("dns", "b.example.org")),
        "tbs_sha256": bytes(32),
        "spki_sha256": b"\1" * 32,
        "not_before": NOW,
        "not_after": LATER,
        "created_at": NOW,
        "status": CertificateStatus.RESERVED,
    }
    return Certificate(serial=serial, order_id=order_id, **(values | changes))
