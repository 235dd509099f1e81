"""What a certificate holds: the profiles, and the names each builds from an order's proven ones.

It must never take a name from a CSR, and never put a `*` into an otherName. RFC 6120 §13.7.1 (names of XMPP
servers), RFC 4985 (SRVName), RFC 5280 §4.2.1.6 and §4.2.1.12, draft-ietf-acme-profiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from acme_server.identifiers import to_unicode
from acme_server.issuance import der
from acme_server.issuance.keys import PublicKey

__all__ = [
    "MAX_LIFETIME",
    "PROFILES",
    "SRV_NAME",
    "XMPP_ADDR",
    "Profile",
    "Request",
    "common_name",
    "components",
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


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate; a name with `*` is for none of those that build otherNames."""

    name: str
    """On the wire: newOrder's `profile`, a key of the directory's `meta.profiles`."""
    description: str
    """For people, in the directory."""
    key_purposes: tuple[x509.ObjectIdentifier, ...]
    """Extended key usage."""
    srv_names: bool
    """Whether each name brings its SRVNames."""
    xmpp_addresses: bool
    """Whether each name brings its xmppAddr."""
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
                name="tls",
                description="Any TLS server: dNSName of each name, server only.",
                key_purposes=(ExtendedKeyUsageOID.SERVER_AUTH,),
                srv_names=False,
                xmpp_addresses=False,
            ),
        )
    }
)
"""By name."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one certificate shall be: all that the two steps of issuing may look at."""

    profile: Profile
    names: tuple[str, ...]
    """The order's proven A-label names, in the order's sequence, each once."""
    public_key: PublicKey
    """Checked by `keys.check_key`."""
    pki_url: str
    """Where `ISSUER.cer` and `ISSUER.crl` are served, without a slash at the end. Better `http:` than `https:`:
    whoever fetches a CRL to judge a TLS certificate must not need one for that (RFC 5280 §4.2.1.13)."""

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError("a certificate needs names, each once")
        if any("*" in name for name in self.names):
            raise ValueError("no profile takes wildcard names")


def components(names: Sequence[str]) -> frozenset[str]:
    """Those names that have an ancestor among the names: components of an XMPP server."""
    all_names = frozenset(names)
    return frozenset(name for name in all_names if any(parent in all_names for parent in _ancestors(name)))


def subject_alternative_names(profile: Profile, names: Sequence[str]) -> list[x509.GeneralName]:
    """All dNSNames in the sequence given, then the SRVNames, then the xmppAddrs."""
    found: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    if profile.srv_names:
        of_components = components(names)
        # RFC 6120 §13.7.1.2.2: no client connects to a component.
        found += [
            x509.OtherName(SRV_NAME, der.encode(der.IA5_STRING, f"{service}.{name}".encode("ascii")))
            for name in names
            for service in (("_xmpp-server",) if name in of_components else ("_xmpp-client", "_xmpp-server"))
        ]
    if profile.xmpp_addresses:
        found += [
            x509.OtherName(XMPP_ADDR, der.encode(der.UTF8_STRING, to_unicode(name).encode("utf-8"))) for name in names
        ]
    return found


def common_name(names: Sequence[str]) -> str | None:
    """The first name that fits into a CN, if any does. ejabberd trusts the CN: only a proven name may stand there."""
    return next((name for name in names if len(name) <= _COMMON_NAME_LENGTH), None)


def subject(names: Sequence[str], serial: str) -> x509.Name:
    """The subject: CN, or where no name is short enough the X.520 serialNumber `serial`.

    RFC 6120 §13.7.1.1 wants a subject that is not null, and a serial number claims nothing about anybody.
    """
    name = common_name(names)
    attribute = (
        x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)
        if name is None
        else x509.NameAttribute(NameOID.COMMON_NAME, name)
    )
    return x509.Name([attribute])


def _ancestors(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]
