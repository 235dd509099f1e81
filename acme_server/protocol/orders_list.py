"""The list of an account's orders (RFC 8555 §7.1.2.1), a page at a time.

It shows every order that is not invalid, to the account alone; the work for a page is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from acme_server.errors import NotFound, Unauthorized
from acme_server.protocol.messages import Reply
from acme_server.protocol.requests import refuse_payload
from acme_server.protocol.services import Services, SignedRequest
from acme_server.states import OrderStatus
from acme_server.store import Transaction

__all__ = ["list_orders"]

PAGE = 100
"""Orders."""
READS = 1000
"""Authorizations that are read for a page: an order may rest on a hundred."""
_CURSOR = re.compile(r"(?:\?after=([A-Za-z0-9_-]{1,64}))?")


def list_orders(request: SignedRequest, services: Services) -> Reply:
    """POST-as-GET of the list; `?after=` is the last id of the page before."""
    refuse_payload(request)
    account_id = request.signer.id
    if request.target != account_id:
        raise Unauthorized("this is another account's URL")
    cursor = _CURSOR.fullmatch(request.url.removeprefix(services.urls.orders(account_id)))
    if cursor is None:
        raise NotFound("no page of the list has this URL; the header Link of a page names the next one")
    with services.store.read() as transaction:
        ids = transaction.orders.of_account(account_id, cursor[1] or "", PAGE + 1)
        shown, last = _page(transaction, ids[:PAGE], services.clock())
    links = () if not ids or ids[-1] == last else ((services.urls.orders(account_id, last), "next"),)
    return Reply({"orders": [services.urls.order(id_) for id_ in shown]}, links=links)


def _page(transaction: Transaction, ids: Sequence[str], now: datetime) -> tuple[list[str], str]:
    """Those that are not invalid, as far as the reads go, and the last one that was looked at."""
    shown: list[str] = []
    last, left = "", READS
    for id_ in ids:
        order = transaction.orders.get(id_)
        assert order is not None  # its id was read in this transaction
        status = order.status_at(now, ())
        if status is OrderStatus.PENDING:  # only then does it matter what it rests on
            left -= len(order.authorization_ids)
            if last and left < 0:  # the first is always looked at: the list goes on
                break
            found = (transaction.authorizations.get(id_) for id_ in order.authorization_ids)
            status = order.status_at(now, tuple(part for part in found if part is not None))
        last = id_
        if status is not OrderStatus.INVALID:
            shown.append(id_)
    return shown, last
