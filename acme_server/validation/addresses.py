"""Which IP addresses the CA connects to for a stranger: public unicast ones, and what the operator exempts.

A name in DNS may point anywhere, so no address may pass because a form of it was forgotten: addresses inside
addresses are taken out and checked too. IANA special-purpose registries (RFC 6890), RFC 4291, RFC 3056 (6to4),
RFC 4380 (Teredo), RFC 6052 (NAT64).
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["IpAddress", "IpNetwork", "is_permitted", "parse_address"]

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out for global unicast; the rest of IPv6 is reserved, local or multicast."""
_NAT64 = IPv6Network("64:ff9b::/96")
# Not routed, and not in every supported Python's own tables.
_REFUSED = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),  # RFC 7526: the 6to4 relays of old
    IPv6Network("2001::/23"),  # RFC 2928: protocol assignments, Teredo among them
    IPv6Network("3fff::/20"),  # RFC 9637: documentation
)


def parse_address(text: str) -> IpAddress | None:
    """The address in its one canonical meaning, None where it is none or has a zone."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


def is_permitted(address: IpAddress, exempt: Collection[IpNetwork]) -> bool:
    """Whether the CA may connect to it: exempt, or global unicast with nothing else inside."""
    if any(address in network for network in exempt):
        return True
    if isinstance(address, IPv6Address):
        inner = _inside(address)
        if inner is not None:
            return is_permitted(inner, exempt)
        if address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED)


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a connection would really go to: mapped, 6to4 and NAT64 forms.

    Teredo is not among them: its addresses name a relay and a client, and 2001::/23 is refused as a whole.
    """
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
