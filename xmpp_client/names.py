"""Domain names as people write them, as the wire wants them and as XMPP shows them.

A name that does not survive IDNA 2008 must never be mapped to a similar one: it is refused.
RFC 5890 and 5891 (A-labels and U-labels), RFC 8555 §7.1.4, RFC 7622 §3.2.
"""

from __future__ import annotations

import re

import idna

__all__ = ["below", "to_a_label", "to_u_label", "top_ancestors"]

_LDH = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LONGEST = 253


def to_a_label(name: str) -> str:
    """Lower-case A-labels of a domain name in either form, without a trailing dot. Raises ValueError.

    Upper case is folded where the name is ASCII only; a non-ASCII name must already be in its one valid form.
    """
    wanted = name.lower() if name.isascii() else name
    try:
        coded = idna.encode(wanted, strict=True).decode("ascii")
        if coded != wanted and wanted.isascii():
            raise ValueError(f"{name!r} is not a domain name in its canonical form")
        idna.decode(coded, strict=True)
    except idna.IDNAError as error:
        raise ValueError(f"{name!r} is not a domain name: {error}") from error
    if len(coded) > _LONGEST or not _LDH.fullmatch(coded):
        raise ValueError(f"{name!r} is not a domain name of at least two labels")
    if coded.rpartition(".")[2].isdigit():
        raise ValueError(f"{name!r} is an address, not a domain name")
    return coded


def to_u_label(name: str) -> str:
    """The U-labels of an A-label name, as XMPP writes domains. Raises ValueError."""
    try:
        return idna.decode(name, strict=True)
    except idna.IDNAError as error:
        raise ValueError(f"{name!r} has no U-label form: {error}") from error


def below(name: str, ancestor: str) -> bool:
    """Whether the A-label `name` is a proper subdomain of `ancestor`."""
    return name.endswith("." + ancestor)


def top_ancestors(names: tuple[str, ...]) -> dict[str, str]:
    """Each name that has an ancestor in the same set -> the highest such ancestor (RFC 9444 §4.1)."""
    found = {}
    for name in names:
        above = [other for other in names if below(name, other)]
        if above:
            found[name] = min(above, key=len)
    return found
