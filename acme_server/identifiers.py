"""Reads the identifiers of a newOrder or newAuthz: what may stand in a certificate at all (RFC 8555 §7.4, RFC 9444 §4).

It refuses and never maps: an identifier comes out as the one canonical text that went in (the case of ASCII letters in
a DNS name aside), or not at all; and it never asks the network. RFC 8555 §7.1.3 (wildcards), RFC 8738 §3 (addresses),
RFC 7622 (JIDs).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from acme_server.domains import PublicSuffixes, certifiable, rejected, shown, to_unicode, wildcard
from acme_server.errors import Malformed, UnsupportedIdentifier
from acme_server.jids import bare_jid, domain_of
from acme_server.validation.addresses import IpNetwork, is_permitted, parse_address
from challenges.base import Identifier

__all__ = ["PublicSuffixes", "Requested", "Rules", "dns_name_of", "parse_identifier", "to_unicode"]

_WILDCARD = "*."
_UNICAST = IPv6Network("2000::/3")
"""All IPv6 addresses that hosts are given by anybody (RFC 4291 §2.4)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What this CA takes."""

    suffixes: PublicSuffixes
    types: Collection[str] = ("dns",)
    """`dns`, `ip`, `jid`."""
    wildcards: bool = False
    exempt: Collection[IpNetwork] = ()
    """Networks whose addresses are taken although they are not public."""


@dataclass(frozen=True, slots=True)
class Requested:
    """One member of newOrder's `identifiers`."""

    identifier: Identifier
    ancestor: Identifier | None = None
    """The domain whose control shall prove it (`ancestorDomain`, RFC 9444 §4)."""


def parse_identifier(value: object, rules: Rules) -> Requested:
    """Read one identifier object.

    Raises Malformed (not an identifier object), UnsupportedIdentifier (type), RejectedIdentifier (name).
    """
    if not isinstance(value, dict):
        raise Malformed("An identifier must be an object with `type` and `value` (RFC 8555 §7.4).")
    kind, name, ancestor = value.get("type"), value.get("value"), value.get("ancestorDomain")
    if not isinstance(kind, str) or not isinstance(name, str):
        raise Malformed("An identifier's `type` and `value` must be strings (RFC 8555 §7.4).")
    if kind not in rules.types or kind not in _READERS:
        taken = ", ".join(f"`{type_}`" for type_ in _READERS if type_ in rules.types)
        raise UnsupportedIdentifier(f"Identifiers of type {shown(kind)} are not supported here; {taken} are.")
    identifier = Identifier(kind, _READERS[kind](name, rules))
    if ancestor is None:
        return Requested(identifier)
    if not isinstance(ancestor, str):
        raise Malformed("`ancestorDomain` must be a string (RFC 9444 §4).")
    if kind != "dns":
        raise Malformed("`ancestorDomain` goes with identifiers of type `dns` alone (RFC 9444 §4).")
    return Requested(identifier, Identifier("dns", _ancestor(ancestor, identifier.value, rules.suffixes)))


def dns_name_of(identifier: Identifier) -> str | None:
    """The A-label name, without `*.`, in whose zone the identifier lies; None for an address."""
    if identifier.type == "dns":
        return identifier.value.removeprefix(_WILDCARD)
    return domain_of(identifier.value) if identifier.type == "jid" else None


def _dns(name: str, rules: Rules) -> str:
    if not name.startswith(_WILDCARD):
        return certifiable(name, rules.suffixes)
    if not rules.wildcards:
        raise rejected(name, "this CA issues no wildcard names; ask for each name by itself")
    return wildcard(name, rules.suffixes)


def _ip(text: str, rules: Rules) -> str:
    """RFC 8738 §3: the one text form of an address. Raises RejectedIdentifier."""
    address = parse_address(text)
    if address is None or str(address) != text:
        raise rejected(text, "an IP address is written as RFC 8738 §3 has it: four decimals, or RFC 5952, no zone")
    # An IPv4 address inside an IPv6 one (RFC 4291 §2.5.5.2, RFC 6052) would be a second spelling of it.
    inner = isinstance(address, IPv6Address) and address not in _UNICAST
    if not is_permitted(address, rules.exempt) or (inner and not any(address in exempt for exempt in rules.exempt)):
        raise rejected(text, "it is not a public address, and belongs to nobody (RFC 6890)")
    return text


def _jid(value: str, rules: Rules) -> str:
    return bare_jid(value, rules.suffixes)


_READERS = {"dns": _dns, "ip": _ip, "jid": _jid}


def _ancestor(ancestor: str, name: str, suffixes: PublicSuffixes) -> str:
    """A domain that may vouch for `name` (RFC 9444 §4). Raises RejectedIdentifier."""
    if name.startswith(_WILDCARD):
        # RFC 9444 knows no such pair; who proves a zone for its wildcard has proved what an ancestor could.
        raise rejected(name, "a wildcard name is proved by its own base, without ancestorDomain")
    ancestor = certifiable(ancestor, suffixes)
    if not name.endswith("." + ancestor):
        raise rejected(name, f"its ancestorDomain {shown(ancestor)} is not a parent of it (RFC 9444 §4)")
    if suffixes.registrable(ancestor) != suffixes.registrable(name):
        raise rejected(name, f"its ancestorDomain {shown(ancestor)} lies above its registrable domain")
    return ancestor
