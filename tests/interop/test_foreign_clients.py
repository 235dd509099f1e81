"""ACME clients nobody here wrote get their certificates by each challenge they know: from our server and from another.

What they got is judged by OpenSSL, not by our own code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tests.interop.lab import NAMES, WILDCARD_NAMES, Lab
from tests.peers.acme_client import Lineage
from tests.peers.clients import CLIENTS
from tests.peers.openssl import OpenSsl

PROVE_AGAIN = {"authorization_reuse": 0, "wildcards": True, "terms_of_service": "https://ca.example.org/terms"}
"""A renewal proves every name anew, and there are terms to agree to, as there are at Pebble."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a client got, and what the server says of it in the end."""

    openssl: OpenSsl
    root: bytes
    first: Lineage
    second: Lineage
    revoked: tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class Life:
    """A client proves its names, renews and proves them again, and revokes what it got last."""

    server: str
    client: str
    challenge: str
    proves_again: bool = True
    """Else it can prove nothing any more when it renews."""

    def __str__(self) -> str:
        return f"{self.server}-{self.client}-{self.challenge}"

    several: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        names = WILDCARD_NAMES if self.challenge == "dns-01" else NAMES
        return names if self.several else names[:1]

    def __call__(self, lab: Lab) -> Played:
        settings = {"acme": PROVE_AGAIN} if self.server == "xmpp-ica" else {}
        with lab.server(self.server, **settings) as server:
            client = lab.client(self.client, server, self.challenge)
            first, second = client.obtain(self.names), client.renew(self.names)
            client.revoke(self.names)
            revoked = (server.is_revoked(first.certificate), server.is_revoked(second.certificate))
            return Played(lab.openssl, server.root, first, second, revoked)


def check(played: Played, lineage: Lineage, names: Sequence[str]) -> None:
    """Fail unless a TLS client that has the server's root takes it for each of the names."""
    openssl = played.openssl
    assert openssl.dns_names(lineage.certificate) == sorted(names)
    assert openssl.certified_key(lineage.certificate) == openssl.public_key(lineage.key)
    for name in names:
        openssl.verify(lineage.certificate, lineage.chain, played.root, name.replace("*", "any"))


LIVES = [
    Life(server, name, challenge)
    for server in ("pebble", "xmpp-ica")
    for name, client in CLIENTS.items()
    for challenge in client.challenges
    # It wants a Content-Type without parameters, and Pebble sends one.
    if (server, name) != ("pebble", "p1-acme")
]


@pytest.mark.parametrize("scene", LIVES, ids=str)
def test_7_4_a_client_proves_its_names_then_renews_then_revokes(scene: Life, played: Callable[[Life], Played]) -> None:
    came = played(scene)

    check(came, came.first, scene.names)
    check(came, came.second, scene.names)
    assert came.openssl.serial(came.first.certificate) != came.openssl.serial(came.second.certificate)
    assert came.revoked == (False, True)


# Pebble wants every name in the subjectAltName.
COMMON_NAME = Life("xmpp-ica", "acme-tiny", "http-01", several=False)


@pytest.mark.parametrize("scene", [COMMON_NAME], ids=str)
def test_7_4_a_request_may_have_a_common_name_alone(scene: Life, played: Callable[[Life], Played]) -> None:
    check(played(scene), played(scene).second, scene.names)
