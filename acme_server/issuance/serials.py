"""Serial numbers: random, never counted, and written in one way everywhere.

They must never be guessed before the signature is made (BR 7.1). RFC 5280 §4.1.2.2.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SERIAL_BITS", "new_serial", "serial_text"]

SERIAL_BITS = 159
"""Random bits: at most 20 octets in DER (RFC 5280 §4.1.2.2) and below 2^159 (BR 7.1)."""


def new_serial(random_bytes: Callable[[int], bytes]) -> int:
    """A positive random number; `random_bytes` gives that many octets from a CSPRNG (`secrets.token_bytes`)."""
    while True:
        serial = int.from_bytes(random_bytes(20), "big") >> 1
        if serial:
            return serial


def serial_text(serial: int) -> str:
    """The one text form of a serial: lower-case hexadecimal without leading zeros."""
    return f"{serial:x}"
