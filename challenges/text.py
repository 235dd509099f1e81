"""Foreign text made fit to be shown to a person or written to a log.

What comes out is printable ASCII on one line and of a known length; nothing foreign may pass to a terminal, a mail or
a page in any other way. Our own policy; no document asks for it.
"""

from __future__ import annotations

import re

__all__ = ["CONTROLS", "printable"]

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends or changes a line somewhere: C0, DEL, C1 and the line separators of Unicode."""
_BLANKS = re.compile(r"[ \t\r\n]+")
_FOREIGN = re.compile(r"[^ -~]")


def printable(text: str | bytes, limit: int) -> str:
    """At most `limit` characters of the text: blanks and line ends as one space, all else unprintable as `?`."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("latin-1")
    return _FOREIGN.sub("?", _BLANKS.sub(" ", text[: 4 * limit]).strip())[:limit]
