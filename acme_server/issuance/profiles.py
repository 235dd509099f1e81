"""What a certificate holds: the profiles, what each takes, and the names it builds from an order's proven identifiers.

It must never take a name from a CSR, and never put a `*` into an otherName. RFC 6120 §13.7.1 (names of XMPP
servers), RFC 4985 (SRVName), RFC 5280 §4.2.1.6 and §4.2.1.12, RFC 8738 §3 (addresses),
draft-ietf-acme-profiles-00.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from types import MappingProxyType

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from acme_server.domains import to_unicode
from acme_server.errors import Malformed
from acme_server.issuance import der
from acme_server.issuance.authority import BACKDATE
from acme_server.issuance.keys import PublicKey
from challenges.base import Identifier

__all__ = [
    "MAX_LIFETIME",
    "PROFILES",
    "SRV_NAME",
    "XMPP_ADDR",
    "Profile",
    "Request",
    "check_validity",
    "common_name",
    "components",
    "hosts",
    "is_address",
    "names",
    "period",
    "refusal",
    "subject",
    "subject_alternative_names",
]

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
"""id-on-xmppAddr (RFC 6120 §13.7.1.4): UTF8String, a JID with its domain in U-labels."""
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
"""id-on-dnsSRV (RFC 4985 §2): IA5String, `_service.name` in A-labels."""

MAX_LIFETIME = timedelta(days=90)
"""No XMPP server checks revocation by default, so a short life is the revocation that works."""

_COMMON_NAME_LENGTH = 64
"""ub-common-name (RFC 5280 Appendix A.1)."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate; a name with `*` becomes a dNSName in it and never an otherName."""

    name: str
    """On the wire: newOrder's `profile`, a key of the directory's `meta.profiles`."""
    description: str
    """For people, in the directory."""
    key_purposes: tuple[x509.ObjectIdentifier, ...]
    """Extended key usage."""
    srv_names: bool
    """Whether each name brings its SRVNames."""
    xmpp_addresses: bool
    """Whether each name or JID brings its xmppAddr."""
    identifier_types: tuple[str, ...] = ("dns",)
    """What an order may ask for. With `dns` go wildcards; whether the server takes any, its configuration says."""
    lifetime: timedelta = timedelta(days=45)
    """From notBefore to notAfter, both seconds included (RFC 5280 §4.1.2.5)."""

    def __post_init__(self) -> None:
        if not timedelta(days=1) <= self.lifetime <= MAX_LIFETIME:
            raise ValueError(f"a certificate lives 1 to {MAX_LIFETIME.days} days")


_BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                name="xmpp",
                description="XMPP servers and components: dNSName, SRVName, xmppAddr of each name; server and client.",
                key_purposes=_BOTH,
                srv_names=True,
                xmpp_addresses=True,
            ),
            Profile(
                name="xmpp-compat",
                description="As xmpp without xmppAddr: for hosts that must reach an ejabberd which fails on it.",
                key_purposes=_BOTH,
                srv_names=True,
                xmpp_addresses=False,
            ),
            Profile(
                name="xmpp-user",
                description="One XMPP user, for SASL EXTERNAL: xmppAddr of the JID; client only.",
                key_purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,),
                srv_names=False,
                xmpp_addresses=True,
                identifier_types=("jid",),
            ),
            Profile(
                name="tls",
                description="Any TLS server: dNSName of each name, iPAddress of each address; server only.",
                key_purposes=(ExtendedKeyUsageOID.SERVER_AUTH,),
                srv_names=False,
                xmpp_addresses=False,
                identifier_types=("dns", "ip"),
            ),
        )
    }
)
"""By name."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one certificate shall be: all that the two steps of issuing may look at."""

    profile: Profile
    identifiers: tuple[Identifier, ...]
    """The order's proven ones, in the order's sequence, each once."""
    public_key: PublicKey
    """Checked by `keys.check_key`."""
    pki_url: str
    """Where `ISSUER.cer` and `ISSUER.crl` are served, without a slash at the end. Better `http:` than `https:`:
    whoever fetches a CRL to judge a TLS certificate must not need one for that (RFC 5280 §4.2.1.13)."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    """What was asked for and found acceptable by `check_validity`; None: as the profile has it."""

    def __post_init__(self) -> None:
        if not self.identifiers or len(set(self.identifiers)) != len(self.identifiers):
            raise ValueError("a certificate needs names, each once")
        if any("*" in name.removeprefix("*.") for name in names(self.identifiers, "dns")):
            raise ValueError("a wildcard is the first label of its name, whole and alone")
        reason = refusal(self.profile, self.identifiers)
        if reason is not None:
            raise ValueError(reason)


def refusal(profile: Profile, identifiers: Sequence[Identifier]) -> str | None:
    """Why the profile does not take these identifiers, for the client to read; None: it does."""
    foreign = sorted({identifier.type for identifier in identifiers} - set(profile.identifier_types))
    if foreign:
        taken = " and ".join(f"`{kind}`" for kind in profile.identifier_types)
        return f"Profile `{profile.name}` takes identifiers of type {taken}, and not `{'`, `'.join(foreign)}`."
    if len(names(identifiers, "jid")) > 1:
        # A certificate tells its holder's name to everybody who sees it: not who else is the same person.
        return f"A certificate of profile `{profile.name}` names one JID; order one for each."
    return None


def period(profile: Profile, now: datetime) -> tuple[datetime, datetime]:
    """First and last second of a certificate made now of which nobody has asked anything."""
    start = now.replace(microsecond=0) - BACKDATE
    return start, start + profile.lifetime - _SECOND


def check_validity(profile: Profile, now: datetime, not_before: datetime | None, not_after: datetime | None) -> None:
    """Raise Malformed unless what a newOrder asks for lies within the life that a certificate made now would have.

    So asking can shorten a life, or let it begin later, and never gains one that is longer or reaches beyond what the
    proof of today is good for. What is taken is honoured to the second (RFC 8555 §7.4: MUST NOT issue with contents
    other than those requested). Times are aware and UTC.
    """
    first, last = period(profile, now)
    for name, moment in (("notBefore", not_before), ("notAfter", not_after)):
        if moment is not None and (moment.microsecond or not first <= moment <= last):
            raise Malformed(
                f"`{name}` must be a whole second from {_written(first)} to {_written(last)}: "
                f"profile `{profile.name}` gives no certificate beyond that."
            )
    if not_after is not None and not_after <= max(now, not_before or now):
        raise Malformed("`notAfter` must lie in the future, and after `notBefore`.")


def names(identifiers: Sequence[Identifier], kind: str) -> tuple[str, ...]:
    """The values of one type, in their sequence."""
    return tuple(identifier.value for identifier in identifiers if identifier.type == kind)


def is_address(name: str) -> bool:
    """Whether a text that may be a domain name is an IP address (RFC 8738 §3)."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def hosts(identifiers: Sequence[Identifier]) -> tuple[str, ...]:
    """The A-label names that can be an XMPP server's: those without a wildcard."""
    return tuple(name for name in names(identifiers, "dns") if not name.startswith("*."))


def components(hosts: Sequence[str]) -> frozenset[str]:
    """Those hosts that have an ancestor among the hosts: components of an XMPP server.

    A wildcard is no host: beside `*.example.org` alone, `a.example.org` is a server of its own.
    """
    known = frozenset(hosts)
    return frozenset(name for name in known if any(parent in known for parent in _ancestors(name)))


def subject_alternative_names(profile: Profile, identifiers: Sequence[Identifier]) -> list[x509.GeneralName]:
    """All dNSNames and then all iPAddresses in the sequence given, then the SRVNames, then the xmppAddrs."""
    found: list[x509.GeneralName] = [x509.DNSName(name) for name in names(identifiers, "dns")]
    found += [x509.IPAddress(ip_address(address)) for address in names(identifiers, "ip")]
    servers = hosts(identifiers)
    if profile.srv_names:
        of_components = components(servers)
        # RFC 6120 §13.7.1.2.2: no client connects to a component.
        found += [
            x509.OtherName(SRV_NAME, der.encode(der.IA5_STRING, f"{service}.{name}".encode("ascii")))
            for name in servers
            for service in (("_xmpp-server",) if name in of_components else ("_xmpp-client", "_xmpp-server"))
        ]
    if profile.xmpp_addresses:
        found += [_xmpp_address(to_unicode(name)) for name in servers]
        found += [_xmpp_address(jid) for jid in names(identifiers, "jid")]
    return found


def common_name(identifiers: Sequence[Identifier]) -> str | None:
    """The first name that fits into a CN, if any does. ejabberd trusts the CN: only a proven name may stand there.

    It may be a wildcard, for that was proven too. An address or a JID is not read from a CN by anybody.
    """
    return next((name for name in names(identifiers, "dns") if len(name) <= _COMMON_NAME_LENGTH), None)


def subject(identifiers: Sequence[Identifier], serial: str) -> x509.Name:
    """The subject: CN, or where there is none the X.520 serialNumber `serial`.

    RFC 6120 §13.7.1.1 wants a subject that is not null, and a serial number claims nothing about anybody.
    """
    name = common_name(identifiers)
    attribute = (
        x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)
        if name is None
        else x509.NameAttribute(NameOID.COMMON_NAME, name)
    )
    return x509.Name([attribute])


def _ancestors(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]


def _xmpp_address(address: str) -> x509.OtherName:
    return x509.OtherName(XMPP_ADDR, der.encode(der.UTF8_STRING, address.encode("utf-8")))


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
