"""A CA with a database, hosts, mail and names of its own, for each module here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.hosts import Hosts, MailServer
from tests.faults.server import Ca
from tests.peers.dns import DnsServer


@pytest.fixture(scope="module")
def make_ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Ca]]:
    """CAs with hosts, mail and names of their own; everything ends with the module."""
    with contextlib.ExitStack() as running:
        hosts, names = running.enter_context(Hosts()), running.enter_context(DnsServer())
        mail = MailServer()
        mail.up()
        running.callback(mail.down)

        def make(**changes: Any) -> Ca:
            ca = Ca(tmp_path_factory.mktemp("ca"), hosts, mail, names, **changes)
            running.callback(ca.end)
            return ca

        yield make


@pytest.fixture(scope="module")
def the_ca(make_ca: Callable[..., Ca]) -> Ca:
    """One for all tests of a module: what they leave behind is part of the next one's load."""
    return make_ca()


@pytest.fixture
def ca(the_ca: Ca) -> Iterator[Ca]:
    """The module's CA, not running."""
    yield the_ca
    the_ca.end()
    the_ca.hosts.silent.clear()
