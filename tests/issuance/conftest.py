"""An authority made once, and the parts that most tests here start from."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from acme_server.issuance import authority as authorities
from acme_server.issuance.profiles import PROFILES, Request

NOW = datetime(2026, 6, 1, 12, 0, 0, 654321, UTC)
NAMES = ("example.org", "conference.example.org", "upload.example.org", "xn--bcher-kva.example.org")


@pytest.fixture(scope="session")
def now():
    return NOW


@pytest.fixture(scope="session")
def names():
    return NAMES


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """The directory of an authority that was made a month ago."""
    directory = tmp_path_factory.mktemp("state") / "pki"
    authorities.create(directory, "Example XMPP CA", NOW - timedelta(days=30), secrets.token_bytes)
    return directory


@pytest.fixture(scope="session")
def issuer(pki):
    return authorities.load(pki).issuer


@pytest.fixture(scope="session")
def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def request_for(ec_key):
    """Makes a Request."""

    def make(profile="xmpp", names=NAMES, key=ec_key):
        return Request(PROFILES[profile], tuple(names), key.public_key(), "http://ca.example/pki")

    return make
