"""The values that all of `challenges` speaks in: identifiers, errors and JSON.

They only hold and write themselves down; whoever makes one has checked what goes in. RFC 8555 §8.1, §9.7.7, RFC 7807.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["TOKEN", "Error", "Identifier", "Json"]

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
"""RFC 8555 §8.1: base64url, at least 128 bits; fit to be a file name."""

Json = dict[str, Any]
"""A JSON object as Python holds it."""


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """What a certificate is asked for (RFC 8555 §9.7.7)."""

    type: str
    """`dns`, `ip` (RFC 8738) or `jid`."""
    value: str
    """For `dns` an A-label name: lower-case LDH, no trailing dot, in an order perhaps with `*.` before it.

    For `ip` the address as RFC 8738 §3 writes it: RFC 1123 §2.1 or RFC 5952, without brackets or a zone. For `jid` a
    bare JID prepared by RFC 7622.
    """

    def to_json(self) -> Json:
        """The object on the wire."""
        return {"type": self.type, "value": self.value}


@dataclass(frozen=True, slots=True)
class Error:
    """Why a validation has not succeeded: the `error` member of a challenge (RFC 8555 §8, RFC 7807)."""

    kind: str
    """The last part of an ACME error URN (RFC 8555 §6.7): `connection`, `incorrectResponse` …"""
    detail: str
    """For the person who asked: what was seen, what to do next. No secret, no foreign control character."""

    def to_json(self) -> Json:
        """The problem document on the wire."""
        return {"type": f"urn:ietf:params:acme:error:{self.kind}", "detail": self.detail}
