"""DNS names that may stand in a certificate: their syntax, and which of them anybody can prove at all.

A name comes out as the ASCII lower-case LDH name that went in, or not at all: it is refused, and never mapped; the
network is never asked. RFC 5890 and 5891 (A-labels), RFC 1034 §3.5 (LDH), RFC 6761 (special names), the public suffix
list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import idna

from acme_server.errors import RejectedIdentifier

__all__ = [
    "PublicSuffixes",
    "certifiable",
    "host_name",
    "is_at_or_below",
    "rejected",
    "shown",
    "to_unicode",
    "wildcard",
]

_MAX_NAME = 253
"""Octets of a name in text form: 255 on the wire less the first length octet and the root's (RFC 1035 §2.3.4)."""
_SHOWN = 80
"""How much of a foreign value an error text repeats."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
"""RFC 1034 §3.5 as relaxed by RFC 1123 §2.1; 63 octets (RFC 1035 §2.3.4)."""

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
"""Bidi classes that make a name a Bidi domain name (RFC 5893 §1.4)."""

_SPECIAL = {
    "alt": "is not a DNS name (RFC 9476)",
    "arpa": "is infrastructure, not a host (RFC 3172)",
    "internal": "is for private use and belongs to nobody in the DNS",
    "invalid": "is never a name of anything (RFC 6761 §6.4)",
    "local": "means another host in each network (RFC 6762 §3)",
    "localhost": "is each machine's own name (RFC 6761 §6.3)",
    "onion": "is not a DNS name (RFC 7686 §2)",
}
"""Top labels under which nobody can prove a name. `test` and `example` (RFC 6761 §6.2, §6.5) are left out on purpose:
a CA's own tests and demonstrations use them, and in the public DNS they do not resolve."""


class PublicSuffixes:
    """The public suffix list with its private section, as the installed package brings it."""

    def __init__(self, source: Iterable[str] | None = None) -> None:
        """`source`: the lines of a list in the format of publicsuffix.org; None: the packaged one (50 ms)."""
        from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - only a server that takes orders needs it

        self._list = PublicSuffixList(source)

    def registrable(self, name: str) -> str | None:
        """The registrable domain of an A-label name; None for a public suffix itself.

        A top-level domain that the list does not know counts as a suffix (the list's own rule `*`).
        """
        return self._list.privatesuffix(name)


def to_unicode(name: str) -> str:
    """The U-label form of a valid A-label name, label by label: what a JID's domain part holds (RFC 7622 §3.2)."""
    if "xn--" not in name:
        return name
    return ".".join(idna.ulabel(label) if label.startswith("xn--") else label for label in name.split("."))


def is_at_or_below(name: str, domain: str) -> bool:
    """Whether an A-label name is the domain, or one of those below it."""
    return name == domain or name.endswith("." + domain)


def certifiable(name: str, suffixes: PublicSuffixes) -> str:
    """A name that may be certified, in lower case. Raises RejectedIdentifier."""
    name = host_name(name)
    top = name.rpartition(".")[2]
    if top in _SPECIAL:
        raise rejected(name, f"`{top}` {_SPECIAL[top]}")
    if "." not in name:
        raise rejected(name, "a name needs at least two labels")
    if suffixes.registrable(name) is None:
        raise rejected(name, "it is a public suffix, under which many parties register names")
    return name


def wildcard(name: str, suffixes: PublicSuffixes) -> str:
    """A name `*.` before a base that may be certified, in lower case. Raises RejectedIdentifier."""
    if len(name) > _MAX_NAME:
        raise rejected(name, f"it is longer than {_MAX_NAME} octets")
    return f"*.{certifiable(name.removeprefix('*.'), suffixes)}"


def host_name(name: str) -> str:
    """A host name by its syntax alone, in lower case. Raises RejectedIdentifier."""
    # Before lower(): the Kelvin sign's lower case is an ASCII k.
    if not name.isascii():
        raise rejected(name, "it must be written in A-labels (`xn--…`, RFC 5890), not in U-labels")
    if len(name) > _MAX_NAME:
        raise rejected(name, f"it is longer than {_MAX_NAME} octets")
    # The case of ASCII letters is no part of a DNS name (RFC 4343 §3), clients send what people typed, and RFC 8555
    # §7.4 compares names without it: this folds two spellings of one name and maps nothing to another.
    name = name.lower()
    labels = name.split(".")
    for label in labels:
        _check_label(name, label)
    # An all-numeric top label is an IPv4 literal or would be read as one (RFC 3696 §2).
    if labels[-1].isdigit():
        raise rejected(name, "its last label is a number: an IP address is not a DNS name")
    _check_international(name, labels)
    return name


def _check_label(name: str, label: str) -> None:
    """LDH (RFC 1034 §3.5) and no reserved LDH label but A-labels (RFC 5890 §2.3.1). Raises RejectedIdentifier."""
    if not label:
        raise rejected(name, "it has an empty label (a leading, doubled or trailing dot)")
    if not _LABEL.fullmatch(label):
        raise rejected(name, "a label is 1 to 63 of the letters a-z, digits and hyphens, with no hyphen at either end")
    if label[2:4] == "--" and not label.startswith("xn--"):
        raise rejected(name, "a label with hyphens as third and fourth character is reserved (RFC 5890 §2.3.1)")


def _check_international(name: str, labels: list[str]) -> None:
    """Each A-label must be one (RFC 5891 §5.4), and the name obey the Bidi rule. Raises RejectedIdentifier."""
    if "xn--" not in name:
        return
    try:
        written = to_unicode(name).split(".")
        # RFC 5891 §5.4: what the label says must lead back to that very label.
        same = all(idna.alabel(u).decode("ascii") == a for a, u in zip(labels, written, strict=True) if a != u)
        # RFC 5893 §2: one right-to-left label puts every label of the name under the rule.
        if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in "".join(written)):
            for label in written:
                idna.check_bidi(label, check_ltr=True)
    except ValueError:  # IDNAError is one, and so is what a Punycode decoder raises
        same = False
    if not same:
        raise rejected(name, "an `xn--` label of it is not valid by IDNA 2008 (RFC 5891 §5.4)")


def shown(text: str) -> str:
    """A foreign value for an error text: printable ASCII, cut."""
    return ascii(text[:_SHOWN])


def rejected(name: str, reason: str) -> RejectedIdentifier:
    """The refusal of a name, for a person to read."""
    return RejectedIdentifier(f"{shown(name)} cannot be certified: {reason}.")
