"""The section `[limits]` of the configuration: how much is allowed, and whose word on an address is believed.

Every limit has a default and can be set to another number, or to `none`; nothing here counts anything.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from acme_server.limits import Limit, Rate, parse_rate

__all__ = ["WEB_URL", "LimitSettings"]

WEB_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-;=?-~]*)?", re.ASCII)
"""Of a page for people. Without `<` and `>`: it stands in a Link header."""


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`COUNT/PERIOD` such as `300/3h`, or `none`."""

    new_accounts_per_address: str = "20/3h"
    """By IPv4 address, and by IPv6 /48."""
    new_orders_per_account: str = "300/3h"
    """Every ten names of an order count as one."""
    failed_validations_per_name: str = "10/1h"
    """By an account, with those under way: a name and its wildcard in five orders at a time."""
    certificates_per_domain: str = "50/7d"
    """By registrable domain; renewals do not count."""
    certificates_per_names: str = "5/7d"
    """For exactly the same names, of one account, renewals and all."""
    changes_per_account: str = "60/1h"
    """Of an account's contacts and key."""
    refusals_per_address: str = "300/1h"
    """Requests that are refused and recorded, by address as above."""
    help: str | None = None
    """URL of what a client's owner shall read when a limit is reached; `acme.website` by default."""
    proxies: tuple[str, ...] = ()
    """Networks of proxies in front of the server, whose X-Forwarded-For is believed."""

    def rates(self) -> dict[Limit, Rate | None]:
        """The limits, parsed. Raises ValueError."""
        found: dict[Limit, Rate | None] = {}
        for limit in Limit:
            try:
                found[limit] = parse_rate(getattr(self, limit.value))
            except ValueError as error:
                raise ValueError(f"limits.{limit.value}: {error}") from error
        return found

    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`proxies`, parsed. Raises ValueError."""
        try:
            return tuple(ip_network(network) for network in self.proxies)
        except ValueError as error:
            raise ValueError(f"limits.proxies: {error}") from error

    def check(self) -> None:
        """What types cannot say. Raises ValueError."""
        self.rates()
        self.networks()
        if self.help is not None and not WEB_URL.fullmatch(self.help):
            raise ValueError(f"limits.help: {self.help!r} is not an http or https URL with a host")
