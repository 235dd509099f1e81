"""The challenge types by their names on the wire, for both sides.

A type from outside is an entry point of the group `xmpp_ica.challenges`: its name the wire name, its object an
instance of `challenges.base.ChallengeType`. Outside types never replace one of ours.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from challenges.base import ChallengeType

__all__ = ["ENTRY_POINTS", "registry"]

ENTRY_POINTS = "xmpp_ica.challenges"


def registry() -> dict[str, ChallengeType]:
    """Every challenge type there is: wire name -> type, ours first and in the order in which they are offered."""
    # Imported here, because whoever needs only `challenges.base` should not pay for the types.
    from challenges.dns_01 import DNS_01  # noqa: PLC0415
    from challenges.dns_account_01 import DNS_ACCOUNT_01  # noqa: PLC0415
    from challenges.dns_persist_01 import DNS_PERSIST_01  # noqa: PLC0415
    from challenges.email_01 import EMAIL_01  # noqa: PLC0415
    from challenges.http_01 import HTTP_01  # noqa: PLC0415
    from challenges.tls_alpn_01 import TLS_ALPN_01  # noqa: PLC0415

    outside = {entry.name: entry.load() for entry in entry_points(group=ENTRY_POINTS)}
    preferred: tuple[ChallengeType, ...] = (HTTP_01, DNS_01, TLS_ALPN_01, DNS_ACCOUNT_01, DNS_PERSIST_01, EMAIL_01)
    ours = {challenge.type: challenge for challenge in preferred}
    return ours | {name: challenge for name, challenge in outside.items() if name not in ours}
