"""Bytes from outside become JSON values and octets, or a Problem: nothing is guessed, dropped or repaired.

The standard library's parsers take more than RFC 8259 and RFC 7515 allow (duplicate members, NaN, lone surrogates,
padding, blanks); each of those is refused here. No input makes this module raise anything but Malformed.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any, NoReturn

from acme_server.errors import Malformed
from challenges.base import Json, base64url

__all__ = ["flag", "from_base64url", "json_object"]

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_MAX_NUMBER = 32
"""Characters of a number. Nothing in RFC 8555 needs more."""


def json_object(octets: bytes, what: str) -> Json:
    """Read one JSON object in strict UTF-8. `what` names it in the error. Raises Malformed."""
    try:
        text = octets.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_constant, parse_int=_integer, parse_float=_real
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate ends here
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the {what} is not JSON that can be read: {_reason(error)}") from error
    if not isinstance(value, dict):
        raise Malformed(f"the {what} is not a JSON object")
    return value


def flag(members: Json, name: str) -> bool:
    """A member that is true or false, and false where it is not there. Raises Malformed."""
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise Malformed(f"`{name}` must be true or false")
    return value


def from_base64url(text: Any, what: str) -> bytes:
    """Decode canonical base64url without padding (RFC 7515 §2). Raises Malformed."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Malformed(f"{what} is not base64url without padding")
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(octets) != text:
        raise Malformed(f"{what} is not canonical base64url: its last character has bits that encode nothing")
    return octets


def _once(pairs: list[tuple[str, Any]]) -> Json:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member appears twice")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_NUMBER:
        raise ValueError("a number is too long")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits) if len(digits) <= _MAX_NUMBER else float("inf")
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


def _reason(error: Exception) -> str:
    """What may be told: our own words, or a position; never a piece of the input."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"syntax error at character {error.pos}"
    return str(error)
