"""What a challenge's token has to be, whichever the type (RFC 8555 §8.3, §8.4, RFC 8737 §3)."""

from __future__ import annotations

import base64
import re

from tests.acme_requests import Client

__all__ = ["assert_tokens_are_random"]


def assert_tokens_are_random(client: Client, kind: str) -> None:
    """Base64url of 256 bits without padding, of which nearly all vary from one challenge to the next."""
    tokens = []
    for number in range(10):
        (authorization,) = client.order(f"n{number}.example.org").json["authorizations"]
        tokens.append(client.challenge(authorization, kind)["token"])
    assert len(set(tokens)) == 10
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)
    first, *others = (int.from_bytes(base64.urlsafe_b64decode(token + "=")) for token in tokens)
    varied = 0
    for value in others:
        varied |= value ^ first
    assert varied.bit_count() > 230
