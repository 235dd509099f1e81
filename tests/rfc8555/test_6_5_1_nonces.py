"""RFC 8555 §6.5.1: what a nonce looks like."""

from __future__ import annotations

import base64
import re

from tests.acme_requests import Client


def test_6_5_1_nonces_differ_and_their_second_half_cannot_be_guessed(ca, make_ca):
    """The first eight octets count; the sixteen behind them are a MAC under a key that no other server has."""
    client, other = Client(ca), Client(make_ca())
    nonces = [client.nonce() for _ in range(200)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", nonce) for nonce in nonces)
    assert len(set(nonces)) == 200
    octets = [base64.urlsafe_b64decode(nonce) for nonce in nonces]
    secret = [nonce[8:] for nonce in octets]
    assert len(set(secret)) == 200
    # Each of the 128 bits is sometimes 0 and sometimes 1: missed by a sound MAC once in 2^192.
    for bit in range(128):
        assert len({int.from_bytes(part) >> bit & 1 for part in secret}) == 2
    theirs = [base64.urlsafe_b64decode(other.nonce()) for _ in range(200)]
    assert not {part[8:] for part in theirs} & set(secret)
