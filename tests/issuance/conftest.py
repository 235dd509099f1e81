"""An authority made once, and the parts that most tests here start from."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from lint_parts import Parts
from raw_csr import identifiers

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
    return authorities.load(pki, NOW).issuer


@pytest.fixture(scope="session")
def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ed25519_key():
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def request_for(ec_key):
    """Makes a Request of names, JIDs and addresses as people write them."""

    def make(profile="xmpp", names=NAMES, key=ec_key, **asked):
        return Request(PROFILES[profile], identifiers(*names), key.public_key(), "http://ca.example/pki", **asked)

    return make


@pytest.fixture
def parts(issuer, now, ec_key):
    """A right certificate for `example.org` and a component, of which a test changes something."""
    return Parts(issuer, now, ec_key.public_key())


@pytest.fixture
def asked(request_for):
    """The request that `parts` answers."""
    return request_for(names=("example.org", "xn--bcher-kva.example.org"))
