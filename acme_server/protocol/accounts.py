"""Accounts (RFC 8555 §7.3): newAccount, update, deactivation.

A key has one account for ever, and an account that has ended is never opened again. RFC 6068 §2 for contacts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from acme_server.errors import (
    AccountDoesNotExist,
    BadPublicKey,
    Deactivated,
    InvalidContact,
    Malformed,
    Unauthorized,
    UnsupportedContact,
    UserActionRequired,
)
from acme_server.limits import Limit
from acme_server.model import Account
from acme_server.protocol.external_accounts import Binding, bind, read_binding
from acme_server.protocol.jws import AccountKey
from acme_server.protocol.messages import Reply, account_json
from acme_server.protocol.services import Services, SignedRequest
from acme_server.protocol.strict import flag, json_object
from acme_server.states import ACCOUNT, AccountStatus, Event, after
from acme_server.store import Transaction
from challenges.base import Json
from challenges.text import DOMAIN

__all__ = ["new_account", "refuse_unfit", "reply_of", "show_account", "signer"]

_MAX_CONTACTS = 5
_ADDRESS = re.compile(rf"[A-Za-z0-9.!$'*+_~-]{{1,64}}@{DOMAIN.pattern}")
"""One address as a `mailto:` URL has it: no character that RFC 6068 §2 wants encoded, and so no hfields."""


def new_account(request: SignedRequest, services: Services) -> Reply:
    """Make an account for the key, or say which one it has (RFC 8555 §7.3, §7.3.1)."""
    payload = json_object(request.payload, "payload")
    with services.store.read() as transaction:
        account = transaction.accounts.by_thumbprint(request.key.thumbprint)
    if account is not None:
        return _existing(account, services)
    if flag(payload, "onlyReturnExisting"):
        raise AccountDoesNotExist("no account has this key")
    wanted, binding = _wanted(payload, request, services), read_binding(payload, request, services)
    with services.store.write() as transaction:
        added = _add(transaction, wanted, request.key, binding)
        if added:
            services.limiter.account(transaction, request.address, wanted.created_at)
        account = wanted if added else transaction.accounts.by_thumbprint(wanted.thumbprint)
    assert account is not None  # the one that got in first has the same key
    if not added:
        return _existing(account, services)
    return replace(_existing(account, services), status=201)


def _add(transaction: Transaction, wanted: Account, key: AccountKey, binding: Binding | None) -> bool:
    """Whether the account was added, and bound: both or neither. Raises BadPublicKey, Unauthorized."""
    refuse_unfit(transaction, key, wanted.created_at)
    if not transaction.accounts.add(wanted):
        return False
    if binding is not None:
        bind(transaction, binding, wanted.id)
    transaction.audit.append(
        "account_created",
        actor=f"account/{wanted.id}",
        subject=f"account/{wanted.id}",
        at=wanted.created_at,
        detail={"thumbprint": wanted.thumbprint, "contact": list(wanted.contact)}
        | ({"external_key": binding.kid} if binding else {}),
    )
    return True


def refuse_unfit(transaction: Transaction, key: AccountKey, now: datetime) -> None:
    """A key that others may have, or that a server uses for TLS, becomes nobody's account key. Raises BadPublicKey."""
    if transaction.blocked_keys.blocked(key.spki_sha256):
        raise BadPublicKey("this key was reported as compromised: make a new one")
    # The other half of RFC 8555 §11.1, whose first is `certificate_keys.check_certificate_key`.
    if transaction.certificates.of_key(key.spki_sha256, now):
        raise BadPublicKey("this key is in a certificate of ours; an account needs a key of its own")


def show_account(request: SignedRequest, services: Services) -> Reply:
    """The account, after the change asked for, if any: contacts or deactivation (RFC 8555 §7.3.2, §7.3.6)."""
    if request.target != request.signer.id:
        raise Unauthorized("this is another account's URL")
    if not request.payload:
        return reply_of(request.signer, services)
    changed, event = _change(request.signer, json_object(request.payload, "payload"))
    if event is not None:
        with services.store.write() as transaction:
            if event == "account_updated":
                services.limiter.spend(transaction, Limit.CHANGES, changed.id, services.clock())
            if not transaction.accounts.save(changed, request.signer.status):
                raise Unauthorized("the account was deactivated meanwhile")
            if changed.status is not AccountStatus.VALID:
                # RFC 8555 §7.3.6: what is under way is not done any more.
                transaction.authorizations.end_pending(changed.id)
            transaction.audit.append(
                event,
                actor=f"account/{changed.id}",
                subject=f"account/{changed.id}",
                at=services.clock(),
                detail={"contact": list(changed.contact)},
            )
    return reply_of(changed, services)


def _change(account: Account, payload: Json) -> tuple[Account, str | None]:
    """The account after the payload, and the audit event; other members are ignored (RFC 8555 §7.3.2)."""
    status = payload.get("status", AccountStatus.VALID)
    if status == AccountStatus.DEACTIVATED:
        return replace(account, status=after(ACCOUNT, account.status, Event.DEACTIVATED)), "account_deactivated"
    # RFC 8555 §7.3.2: the other statuses of §7.1.6 are ignored, too; what is none may be one misspelt.
    if not isinstance(status, str) or status not in set(AccountStatus):
        raise Malformed("the only status an account can be given is `deactivated`")
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
    return replace(reply_of(account, services), location=services.urls.account(account.id))


def reply_of(account: Account, services: Services) -> Reply:
    """The account object (RFC 8555 §7.1.2)."""
    with services.store.read() as transaction:
        bound = transaction.external_keys.of_account(account.id)
    return Reply(account_json(account, services.urls, None if bound is None else bound.binding))


def _wanted(payload: Json, request: SignedRequest, services: Services) -> Account:
    now = services.clock()
    terms = services.config.acme.terms_of_service
    agreed = flag(payload, "termsOfServiceAgreed")
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
        if not _ADDRESS.fullmatch(address):
            raise InvalidContact("a `mailto:` contact must be one plain ASCII address, with nothing behind it")
    return tuple(value)
