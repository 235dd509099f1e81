"""The code of an email-01 mail (`token1`): made, shown, typed back, and turned into the answer.

Pure functions for both sides; a code with a typing error never gets past `parse_code`, so that it costs no try.
docs/reference/email-01.md; RFC 4648 §6 for the alphabet.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

from challenges.base import base64url

__all__ = ["answer", "check_group", "format_code", "new_code", "parse_code"]


def new_code(random_bytes: Callable[[int], bytes]) -> str:
    """`token1`: 160 random bits as 32 base32 characters."""
    return base64.b32encode(random_bytes(20)).decode("ascii")


def check_group(code: str) -> str:
    """Four characters more: the first 20 bits of SHA-256 over the 32, in base32. They find typing errors."""
    return base64.b32encode(hashlib.sha256(code.encode("ascii")).digest())[:4].decode("ascii")


def format_code(code: str) -> str:
    """The 32 characters and their check group as a person copies them: nine groups of four.

    Joined by dashes, not blanks: mail programs wrap at blanks, and 44 characters fit in every line.
    """
    whole = code + check_group(code)
    return "-".join(whole[at : at + 4] for at in range(0, len(whole), 4))


# Blanks, quoting, and what mail programs make of a hyphen or put at the end of a line.
_FILLING = re.compile("[\\s>|*\"'`\\-\\u00ad\\u200b-\\u200d\\u2010-\\u2015\\u2018-\\u201f\\u2060\\u2212\\ufeff]+")


def parse_code(text: str) -> str:
    """The 32 characters of a code as it was typed, copied or quoted.

    Raises ValueError for a typing error; that costs no try, for nothing has been sent.
    """
    code = _FILLING.sub("", text[:1000])
    # ASCII first: upper() makes letters of the alphabet out of foreign ones.
    code = code.upper() if code.isascii() else code
    if not re.fullmatch("[A-Z0-9]*", code):
        raise ValueError("typing error: the code has only letters and digits, in groups of four")
    if re.search("[0189]", code):
        raise ValueError("typing error: the code has no 0, 1, 8 or 9; look for O, I, L, B or G instead")
    if len(code) != 36:  # noqa: PLR2004 - 32 and the check group
        raise ValueError(f"typing error: the code has 36 characters in nine groups of four, not {len(code)}")
    if not hmac.compare_digest(check_group(code[:32]), code[32:]):
        raise ValueError("typing error: the last group does not fit the others; please compare with the mail")
    return code[:32]


def answer(token1: str, half: str) -> str:
    """base64url(SHA-256(`token1` `half`)), where half is `token2 "." thumbprint`."""
    return base64url(hashlib.sha256((token1 + half).encode("ascii")).digest())
