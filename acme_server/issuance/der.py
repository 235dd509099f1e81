"""Writes one DER value: tag, length, content (X.690 §8.1, §10.1).

It must never be handed content that came from outside unread. The rest of DER is the business of pyca.
"""

from __future__ import annotations

__all__ = ["BIT_STRING", "IA5_STRING", "SEQUENCE", "UTF8_STRING", "encode"]

BIT_STRING, UTF8_STRING, IA5_STRING, SEQUENCE = 0x03, 0x0C, 0x16, 0x30

_LONG_FORM = 0x80


def encode(tag: int, content: bytes) -> bytes:
    """The value of a universal tag; lengths above 127 in the long form, in as few octets as they need."""
    size = len(content)
    if size < _LONG_FORM:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content
