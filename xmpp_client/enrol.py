"""From names to a certificate chain: order, authorizations, challenges, finalize, download.

It must never use a token or a URL that has not been checked, and what it returns is unverified: `verify` comes next.
RFC 8555 §7.1 and §7.4 to §7.5.1, RFC 9444 §4.1; the challenge types are plugins of `challenges`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from challenges.base import ChallengeType, Identifier, Json, Tools
from xmpp_client.errors import ChallengeFailed, ProtocolError, UnsupportedError
from xmpp_client.names import top_ancestors
from xmpp_client.orders import Order, OrderState, Status, new_order
from xmpp_client.progress import SILENT, Progress
from xmpp_client.proof import Means, prove, wait_until
from xmpp_client.session import Session

__all__ = ["EnrolRequest", "Issued", "enrol", "order_identifiers"]


@dataclass(frozen=True, slots=True)
class EnrolRequest:
    """What is wanted."""

    identifiers: tuple[Identifier, ...]
    csr: bytes
    """DER."""
    preference: tuple[str, ...]
    """Challenge types, best first; others are not used."""
    profile: str = ""
    """Empty: the CA's choice."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What the CA sent. Unverified."""

    chain: bytes
    """PEM as it came, leaf first; at most a megabyte of anything."""
    order: str
    """URL of the order."""


def enrol(
    session: Session,
    request: EnrolRequest,
    tools: Tools,
    challenges: Mapping[str, ChallengeType],
    progress: Progress = SILENT,
) -> Issued:
    """Obtain a certificate with the session's account (`register` has run).

    Raises a ClientError of any kind.
    """
    preference = tuple(kind for kind in request.preference if kind in challenges)
    if not preference:
        raise UnsupportedError(f"none of the challenge types {', '.join(request.preference)} is known here")
    _check_profile(session, request.profile)
    ancestors = session.directory.subdomains and challenges[preference[0]].subdomains
    order = new_order(session, order_identifiers(request.identifiers, ancestors=ancestors), request.profile)
    _check_identifiers(order.state, request.identifiers)
    names = tuple(identifier.value for identifier in request.identifiers)
    progress.step(f"ordered a certificate for {', '.join(names)}")
    prove(session, order, Means(tools, challenges, preference, names), progress)
    if order.state.status is not Status.VALID:
        _finalize(session, order, request.csr, progress)
    return Issued(order.download(), order.url)


def order_identifiers(identifiers: tuple[Identifier, ...], *, ancestors: bool) -> list[Json]:
    """The identifier objects of newOrder, with `ancestorDomain` where a name's ancestor is in the same order."""
    names = tuple(identifier.value for identifier in identifiers if identifier.type == "dns")
    above = top_ancestors(names) if ancestors else {}
    return [
        i.to_json() | ({"ancestorDomain": above[i.value]} if i.type == "dns" and i.value in above else {})
        for i in identifiers
    ]


def _check_profile(session: Session, profile: str) -> None:
    known = session.directory.profiles
    if profile and profile not in known:
        offered = f"it has {', '.join(known)}" if known else "it has no profiles"
        raise UnsupportedError(
            f"the CA does not list the profile {profile!r}: {offered}", hint="Change or remove `profile`."
        )


def _check_identifiers(state: OrderState, wanted: tuple[Identifier, ...]) -> None:
    if set(state.identifiers) != set(wanted):
        raise ProtocolError("the CA's order is for other names than were asked for")


def _finalize(session: Session, order: Order, csr: bytes, progress: Progress) -> None:
    """From `ready` to `valid` (RFC 8555 §7.4). Raises ChallengeFailed, TransportError."""
    wait_until(session, order, lambda: order.state.status is not Status.PENDING)
    if order.state.status is Status.READY:
        progress.waiting("the CA signs the certificate")
        order.finalize(csr)
    wait_until(session, order, lambda: order.state.status not in (Status.PROCESSING, Status.READY))
    if order.state.status is not Status.VALID:
        reason = order.state.error or "the CA gives no reason"
        raise ChallengeFailed(f"the order became {order.state.status}: {reason}")
    progress.step("the CA has issued the certificate")
