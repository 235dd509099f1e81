"""Bare JIDs of users that may stand in a certificate: `local@domain`, prepared as RFC 7622 has it.

A JID that is not in its prepared form is refused and never mapped: two spellings of one user would be two identifiers.
The domain is in U-labels (RFC 7622 §3.2), and held to the rules of `domains.py` in A-labels. RFC 8265 §3.3
(UsernameCaseMapped).
"""

from __future__ import annotations

import idna

from acme_server.domains import PublicSuffixes, certifiable, rejected, to_unicode
from acme_server.errors import RejectedIdentifier

__all__ = ["bare_jid", "domain_of"]

_MAX_PART = 1023
"""Octets of a localpart, and of a domainpart, in UTF-8 (RFC 7622 §3.2, §3.3)."""
_EXCLUDED = frozenset("\"&'/:<>@")
"""Characters that a localpart has not, though its string class would take them (RFC 7622 §3.3.1)."""


def bare_jid(value: str, suffixes: PublicSuffixes) -> str:
    """A prepared bare JID, as it came in. Raises RejectedIdentifier."""
    # RFC 7622 §3.1: the resource is what follows the first slash, wherever it stands.
    if "/" in value:
        raise rejected(value, "a JID to be certified has no resource")
    local, at, domain = value.partition("@")
    if not at:
        raise rejected(value, "a user's JID is `local@domain`; a domain is an identifier of type `dns`")
    _check_local(value, local)
    _check_domain(value, domain, suffixes)
    return value


def domain_of(jid: str) -> str:
    """The A-label domain of a prepared bare JID."""
    return _to_ascii(jid.partition("@")[2])


def _check_local(jid: str, local: str) -> None:
    """RFC 7622 §3.3. Raises RejectedIdentifier."""
    if len(local.encode("utf-8")) > _MAX_PART:
        raise rejected(jid, f"its local part is longer than {_MAX_PART} octets")
    if "*" in local:
        raise rejected(jid, "its local part holds a `*`, which nobody shall take for a wildcard")
    if _EXCLUDED & set(local):
        raise rejected(jid, "its local part holds a character that RFC 7622 §3.3.1 excludes")
    if _prepared(local) != local:
        raise rejected(jid, "its local part is not prepared by UsernameCaseMapped (RFC 8265 §3.3): lower case, NFC")


def _prepared(local: str) -> str | None:
    """The local part as the profile makes it; None where it takes no such string."""
    # Its tables are large, and most orders have no JID.
    from precis_i18n import get_profile  # noqa: PLC0415

    try:
        return str(get_profile("UsernameCaseMapped").enforce(local))
    except UnicodeEncodeError:
        return None


def _check_domain(jid: str, domain: str, suffixes: PublicSuffixes) -> None:
    """RFC 7622 §3.2, and what may be certified at all. Raises RejectedIdentifier."""
    if len(domain.encode("utf-8")) > _MAX_PART:
        raise rejected(jid, f"its domain is longer than {_MAX_PART} octets")
    try:
        name = _to_ascii(domain)
    except ValueError as error:  # IDNAError is one
        raise rejected(jid, "its domain is not valid by IDNA 2008 (RFC 5891)") from error
    try:
        name = certifiable(name, suffixes)
    except RejectedIdentifier as problem:
        raise rejected(jid, f"its domain is none: {problem.detail.rstrip('.')}") from problem
    if to_unicode(name) != domain:
        raise rejected(jid, "its domain must be lower case and in U-labels, not in A-labels (RFC 7622 §3.2)")


def _to_ascii(domain: str) -> str:
    """A-labels for U-labels; what is ASCII stays. Raises ValueError."""
    if domain.isascii():
        return domain
    labels = domain.split(".")
    return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels)
