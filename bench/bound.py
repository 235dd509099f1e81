"""The least CPU time an issuance can take here: the cryptography it cannot do without, and nothing else.

It is measured in the same run as the servers, with the library ours is built on, so that a server's figure can be given
as a multiple of it. No server can reach it.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["bound_ms"]

BATCH = 200
REPEATS = 7


def _cpu_seconds(operation: Callable[[], object]) -> float:
    """CPU seconds of one call: the least of several batches, which is the one disturbed least."""

    def batch() -> float:
        begun = time.process_time()
        for _ in range(BATCH):
            operation()
        return (time.process_time() - begun) / BATCH

    batch()
    return min(batch() for _ in range(REPEATS))


def bound_ms(names: int) -> float:
    """CPU milliseconds: each POST's signature and nonce, the CSR's signature, and signing the certificate, on P-256."""
    posts = 3 + 2 * names  # newOrder, finalize, certificate; authorization and challenge of each name
    key, algorithm, message = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(hashes.SHA256()), os.urandom(400)
    public, signature = key.public_key(), key.sign(message, algorithm)
    verify = _cpu_seconds(lambda: public.verify(signature, message, algorithm))
    sign = _cpu_seconds(lambda: key.sign(message, algorithm))
    mac = _cpu_seconds(lambda: hmac.digest(message[:32], message[32:64], "sha256"))
    return (posts * (verify + mac) + verify + sign) * 1000
