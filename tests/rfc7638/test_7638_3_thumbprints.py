"""RFC 7638 §3: the thumbprint of an account key."""

from __future__ import annotations

import pytest

from acme_server.errors import BadPublicKey
from acme_server.protocol.jws import canonical_jwk, load_key
from tests.acme_requests import Client, ec_key, jwk_of

EXAMPLE = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjh"
    "Mstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn"
    "1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
"""§3.1; the key is that of RFC 7517's examples."""


def test_3_1_the_example_has_the_thumbprint_of_the_document():
    assert load_key(canonical_jwk(EXAMPLE)).thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_3_3_members_are_sorted_and_written_without_blanks():
    jwk = jwk_of(ec_key())
    x, y = jwk["x"], jwk["y"]
    backwards = dict(reversed(jwk.items()))
    assert canonical_jwk(backwards) == canonical_jwk(jwk)
    assert canonical_jwk(jwk) == f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'


@pytest.mark.parametrize("value", ['"', "\\", "\n", "\x1f", "\x7f", "ü", "/"])
@pytest.mark.parametrize("member", ["x", "y", "crv"])
def test_3_3_a_member_that_would_need_an_escape_is_badPublicKey(ca, member, value):
    jwk = jwk_of(ec_key())
    jwk[member] += value
    with pytest.raises(BadPublicKey):
        load_key(canonical_jwk(jwk))
    assert Client(ca).post("new-account", {}, jwk=jwk).problem == "badPublicKey"
