"""Foreign text made fit to be shown to a person or written to a log, and the grammar of addresses.

What comes out is printable ASCII on one line and of a known length; nothing foreign may pass to a mail, a page or a
log in any other way. Our own policy; RFC 5322 §3.2.3 and RFC 5321 §4.5.3.1 for addresses.
"""

from __future__ import annotations

import re

__all__ = ["ADDRESS", "CONTROLS", "DOMAIN", "printable"]

DOMAIN = re.compile(
    r"(?![A-Za-z0-9.-]{254})"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
"""LDH labels, at most 253 characters; may stand inside a larger pattern."""
ADDRESS = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_{{|}}~-]{{1,64}}@{DOMAIN.pattern}")
"""One plain ASCII address; may stand inside a larger pattern.

The local part is of RFC 5322's atom characters and dots, less the backtick: what a shell would run gets nowhere.
"""

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends or changes a line somewhere: C0, DEL, C1 and the line separators of Unicode."""
_BLANKS = re.compile(r"[ \t\r\n]+")
_FOREIGN = re.compile(r"[^ -~]")


def printable(text: str | bytes, limit: int) -> str:
    """At most `limit` characters of the text: blanks and line ends as one space, all else unprintable as `?`."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("latin-1")
    return _FOREIGN.sub("?", _BLANKS.sub(" ", text[: 4 * limit]).strip())[:limit]
