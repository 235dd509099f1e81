"""Every store there is: the tests in this folder run once for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acme_server.store.migrate import upgrade
from acme_server.store.sqlite import SqliteStore
from tests.store_values import account, authorization, order


def sqlite(folder: Path) -> Callable[[], SqliteStore]:
    """Opens one and the same SQLite file, as each process of a server does."""
    path = folder / "store.db"
    upgrade(path)
    return lambda: SqliteStore(path)


STORES: dict[str, Callable[[Path], Callable[[], Any]]] = {"sqlite": sqlite}


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens the same database again and again: two results are two processes."""
    opened = []
    factory = STORES[request.param](tmp_path)

    def open_() -> Any:
        opened.append(factory())
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Any]) -> Any:
    return open_store()


@pytest.fixture
def filled(store: Any) -> Any:
    """With an account, an authorization and an order."""
    with store.write() as transaction:
        assert transaction.accounts.add(account())
        transaction.authorizations.add(authorization())
        transaction.orders.add(order())
    return store
