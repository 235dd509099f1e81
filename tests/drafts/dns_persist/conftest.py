"""A server that offers dns-persist-01, an account, and what the directory tells it."""

import pytest

from tests.acme_requests import Client
from tests.persist_lab import Zone, build


@pytest.fixture
def zone():
    return Zone()


@pytest.fixture
def ca(make_ca, zone):
    return build(make_ca, zone, acme={"wildcards": True})


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def meta(ca):
    return Client(ca).send("GET", f"{ca.url}/directory").json["meta"]
