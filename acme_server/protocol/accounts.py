"""Accounts (RFC 8555 §7.3)."""

from __future__ import annotations

from dataclasses import replace

from acme_server.errors import (
    AccountDoesNotExist,
    Deactivated,
    InvalidContact,
    Malformed,
    Unauthorized,
    UnsupportedContact,
    UserActionRequired,
)
from acme_server.model import Account
from acme_server.protocol.messages import Reply, account_json
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import json_object
from acme_server.states import ACCOUNT, AccountStatus, Event, after
from challenges.base import Json
from challenges.text import ADDRESS

__all__ = ["new_account", "show_account", "signer"]

_MAX_CONTACTS = 5


def new_account(request: SignedRequest, services: Services) -> Reply:
    """Make an account for the key, or say which one it has (RFC 8555 §7.3, §7.3.1)."""
    payload = json_object(request.payload, "payload")
    with services.store.read() as transaction:
        account = transaction.accounts.by_thumbprint(request.key.thumbprint)
    if account is not None:
        return _existing(account, services)
    if _flag(payload, "onlyReturnExisting"):
        raise AccountDoesNotExist("no account has this key")
    wanted = _wanted(payload, request, services)
    with services.store.write() as transaction:
        added = transaction.accounts.add(wanted)
        if added:
            transaction.audit.append(
                "account_created",
                actor=f"account/{wanted.id}",
                subject=f"account/{wanted.id}",
                at=wanted.created_at,
                detail={"thumbprint": wanted.thumbprint, "contact": list(wanted.contact)},
            )
        account = wanted if added else transaction.accounts.by_thumbprint(wanted.thumbprint)
    assert account is not None  # the one that got in first has the same key
    if not added:
        return _existing(account, services)
    return replace(_existing(account, services), status=201)


def show_account(request: SignedRequest, services: Services) -> Reply:
    """The account, after the change asked for, if any: contacts or deactivation (RFC 8555 §7.3.2, §7.3.6)."""
    if request.target != request.signer.id:
        raise Unauthorized("this is another account's URL")
    if not request.payload:
        return Reply(account_json(request.signer))
    changed, event = _change(request.signer, json_object(request.payload, "payload"))
    if event is not None:
        with services.store.write() as transaction:
            if not transaction.accounts.save(changed, request.signer.status):
                raise Unauthorized("the account was deactivated meanwhile")
            transaction.audit.append(
                event,
                actor=f"account/{changed.id}",
                subject=f"account/{changed.id}",
                at=services.clock(),
                detail={"contact": list(changed.contact)},
            )
    return Reply(account_json(changed))


def _change(account: Account, payload: Json) -> tuple[Account, str | None]:
    """The account after the payload, and the audit event; other members are ignored (RFC 8555 §7.3.2)."""
    if "status" in payload:
        if payload["status"] != AccountStatus.DEACTIVATED:
            raise Malformed("the only status an account can be given is `deactivated`")
        return replace(account, status=after(ACCOUNT, account.status, Event.DEACTIVATED)), "account_deactivated"
    if "contact" in payload:
        return replace(account, contact=_contacts(payload["contact"])), "account_updated"
    return account, None


def signer(account: Account | None) -> Account:
    """The account that signs, if it still may. Raises AccountDoesNotExist, Deactivated (RFC 8555 §7.3.6)."""
    if account is None:
        raise AccountDoesNotExist("no account has this URL; newAccount tells the URL of your key's account")
    if account.status is not AccountStatus.VALID:
        raise Deactivated(f"the account is {account.status}")
    return account


def _existing(account: Account, services: Services) -> Reply:
    signer(account)
    return Reply(account_json(account), location=services.urls.account(account.id))


def _wanted(payload: Json, request: SignedRequest, services: Services) -> Account:
    now = services.clock()
    terms = services.config.acme.terms_of_service
    agreed = _flag(payload, "termsOfServiceAgreed")
    if terms is not None and not agreed:
        raise UserActionRequired(
            f"did not agree to the terms of service: read {terms} and set `termsOfServiceAgreed`",
            headers={"Link": f'<{terms}>;rel="terms-of-service"'},
        )
    return Account(
        id=services.new_id(),
        thumbprint=request.key.thumbprint,
        jwk=request.key.jwk,
        status=AccountStatus.VALID,
        contact=_contacts(payload.get("contact")),
        terms_agreed_at=now if agreed else None,
        created_at=now,
    )


def _flag(payload: Json, name: str) -> bool:
    value = payload.get(name, False)
    if not isinstance(value, bool):
        raise Malformed(f"`{name}` must be true or false")
    return value


def _contacts(value: object) -> tuple[str, ...]:
    """RFC 8555 §7.3: `mailto:` URLs of one address each. Raises InvalidContact, UnsupportedContact."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(contact, str) for contact in value):
        raise Malformed("`contact` must be a list of URLs")
    if len(value) > _MAX_CONTACTS:
        raise InvalidContact(f"an account has at most {_MAX_CONTACTS} contacts")
    for contact in value:
        scheme, _, address = contact.partition(":")
        if scheme.lower() != "mailto":
            raise UnsupportedContact("only `mailto:` contacts are used here")
        if not ADDRESS.fullmatch(address):
            raise InvalidContact("a `mailto:` contact must be one ASCII address, with nothing behind it")
    return tuple(value)
