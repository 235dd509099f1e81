"""The server's configuration: one TOML file, read once, into frozen values.

An unknown key or a wrong type stops the start and is named by its path. There is no setting that makes the server
insecure; `validation.exempt` opens single networks for a lab and is empty by default.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from acme_server.domains import host_name
from acme_server.errors import RejectedIdentifier
from acme_server.limit_settings import WEB_URL, LimitSettings
from acme_server.policy import HIGH_VALUE
from challenges.text import ADDRESS

__all__ = ["Acme", "Config", "ConfigError", "MailSettings", "Names", "ProfileSettings", "Tls", "Validation", "load"]

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
DAY = 86400
MAX_LIFETIME_DAYS = 90
_EXTERNAL_URL = re.compile(r"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+", re.ASCII)
_PKI_URL = re.compile(r"https?://[A-Za-z0-9._:/~-]*[A-Za-z0-9_~-]", re.ASCII)


class ConfigError(Exception):
    """The configuration cannot be used; str() says where and why."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every section refuses what it does not know."""


class Tls(_Section, frozen=True):
    """The certificate of the CA's own web server. PEM, relative to the configuration file."""

    certificate: str = "tls/cert.pem"
    """Chain file, leaf first."""
    key: str = "tls/key.pem"
    """PKCS#8 private key."""


class Acme(_Section, frozen=True):
    """What ACME clients are told and allowed."""

    terms_of_service: str | None = None
    """URL of the terms; where it is set, an account must agree to them (RFC 8555 §7.3.3)."""
    website: str | None = None
    """URL for people (RFC 8555 §7.1.1)."""
    external_account_required: bool = False
    """Whether a new account needs a key made by `xmpp-ica eab create` (RFC 8555 §7.3.4)."""
    wildcards: bool = False
    """Whether `*.` names are certified, by the DNS challenges alone. They get a dNSName and nothing that is XMPP's."""
    caa_identities: Annotated[tuple[str, ...], msgspec.Meta(max_length=10)] = ()
    """A-label names by which DNS records speak of this CA (RFC 8659 §4.2); the host of `external_url` by default."""
    default_profile: str = "xmpp"
    """The profile of an order that names none."""
    order_lifetime: Annotated[int, msgspec.Meta(ge=60, le=30 * DAY)] = 7 * DAY
    """Seconds an order, and an authorization nobody has proved, stay open."""
    authorization_reuse: Annotated[int, msgspec.Meta(ge=0, le=398 * DAY)] = 10 * DAY
    """Seconds a valid authorization may be used again by its account."""
    mail_authorization_reuse: Annotated[int, msgspec.Meta(ge=0, le=398 * DAY)] = 90 * DAY
    """The same for one proved by email-01: a name proved once renews without a person for a while."""


class MailSettings(_Section, frozen=True, rename={"sender": "from"}):
    """Challenge mail. Without this section, email-01 is not offered."""

    sender: str
    """The From address of challenge mail; clients believe no other."""
    smarthost: str
    """`host:port` of the mail server that takes our mail."""
    starttls: bool = False
    """Send only over TLS, to a smarthost whose certificate the system's roots vouch for. Else TLS where it is
    offered, which is enough on loopback: the mail holds the code."""
    envelope_from: str | None = None
    """MAIL FROM, where bounces go; the sender by default."""
    report_to: str | None = None
    """Where the mail tells people to report misuse; the sender by default."""


class Names(_Section, frozen=True):
    """Names that are not certified although they could be proved, each with all names below it; A-labels."""

    refused: tuple[str, ...] = ()
    """For nobody."""
    high_value: tuple[str, ...] = HIGH_VALUE
    """Only for accounts that `xmpp-ica approve` was given for; by default domains of very many people's addresses."""


class Validation(_Section, frozen=True):
    """How challenges are validated."""

    nameservers: tuple[str, ...] = ()
    """`address:port` of the resolvers to ask; the system's (`/etc/resolv.conf`) by default."""
    http_port: Port = 80
    """The port of http-01 (RFC 8555 §8.3 wants 80; a lab may want another)."""
    tls_alpn_port: Port = 443
    """The port of tls-alpn-01 (RFC 8737 §3 wants 443; a lab may want another)."""
    exempt: tuple[str, ...] = ()
    """Networks, such as `127.0.0.0/8`, that may be connected to although they are not public: for labs."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    """Validations, issuances and mails under way at a time, in each process."""

    def exempt_networks(self) -> frozenset[IPv4Network | IPv6Network]:
        """`exempt`, parsed. Raises ValueError."""
        return frozenset(ip_network(network) for network in self.exempt)


class ProfileSettings(_Section, frozen=True):
    """What may be changed in a certificate profile."""

    lifetime_days: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIFETIME_DAYS)] = 45
    """Days a certificate lives. No XMPP server checks revocation by default: a short life is what works."""


class Config(_Section, frozen=True):
    """The whole file."""

    name: str
    """The CA's name, for people."""
    external_url: str
    """`https://host[:port]`: the beginning of every URL the server makes; the Host header is never believed."""
    listen: str
    """`address:port` to listen on."""
    pki_url: str | None = None
    """Where certificates say that the issuer's certificate and CRL are, if elsewhere than under `external_url`: a copy
    of `/pki`, served over plain http, so that nobody needs a certificate to judge one (RFC 5280 §8)."""
    database: str = "xmpp-ica.db"
    """The SQLite file, relative to the configuration file."""
    authority: str = "ca"
    """Folder of root.pem, issuer.pem and issuer.key, relative to the configuration file."""
    lint_every_certificate: bool = False
    """Whether pkilint looks at every certificate before it is signed, and not only at each new shape of them."""
    processes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Processes that answer requests."""
    tls: Tls = Tls()
    acme: Acme = Acme()
    mail: MailSettings | None = None
    names: Names = Names()
    validation: Validation = Validation()
    limits: LimitSettings = LimitSettings()
    profiles: dict[str, ProfileSettings] = {}
    """By profile name: `[profiles.xmpp]`."""
    directory: str = "."
    """Set by `load`: the folder of the file itself."""

    def path(self, name: str) -> Path:
        """A file named in the configuration."""
        return Path(self.directory) / name

    @property
    def pki(self) -> str:
        """Where certificates say that the issuer's certificate and CRL are."""
        return self.pki_url or f"{self.external_url}/pki"

    @property
    def host(self) -> str:
        """The host of `external_url`."""
        return urlsplit(self.external_url).hostname or ""

    @property
    def issuer_domain_names(self) -> tuple[str, ...]:
        """The names by which DNS records speak of this CA, the preferred one first."""
        return self.acme.caa_identities or ((self.host,) if _NAME.fullmatch(self.host) else ())

    @property
    def listen_address(self) -> tuple[str, int]:
        """`listen` as address and port."""
        return host_port(self.listen)


def host_port(text: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{text!r} is not host:port")
    return host.strip("[]"), int(port)


def load(path: Path) -> Config:
    """Read the file. Raises ConfigError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        if "directory" in raw:
            raise ConfigError(f"{path}: unknown key `directory`")
        config = msgspec.convert(raw | {"directory": str(path.resolve().parent)}, Config)
        _check(config)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; `xmpp-ica init` makes one") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return config


def _check(config: Config) -> None:
    """What types cannot say. Raises ValueError."""
    from acme_server.issuance.profiles import PROFILES  # noqa: PLC0415 - a client of `load` alone needs no X.509

    if not _EXTERNAL_URL.fullmatch(config.external_url) or not _has_port(config.external_url):
        raise ValueError(f"external_url: {config.external_url!r} is not https://host or https://host:port")
    if config.pki_url is not None and not _PKI_URL.fullmatch(config.pki_url):
        raise ValueError(f"pki_url: {config.pki_url!r} is not an http or https URL without a slash at its end")
    if not config.name.isprintable():
        raise ValueError("name: it holds characters that cannot be printed")
    with _naming("listen"):
        host_port(config.listen)
    _check_acme(config.acme)
    _check_names(config.names)
    config.limits.check()
    for position, nameserver in enumerate(config.validation.nameservers):
        with _naming(f"validation.nameservers[{position}]"):
            ip_address(host_port(nameserver)[0])
    with _naming("validation.exempt"):
        config.validation.exempt_networks()
    if config.mail is not None:
        _check_mail(config.mail)
    for name in config.profiles:
        if name not in PROFILES:
            raise ValueError(f"profiles.{name}: there is no such profile, only {', '.join(PROFILES)}")
    if config.acme.default_profile not in PROFILES:
        raise ValueError(f"acme.default_profile: {config.acme.default_profile!r} is none of {', '.join(PROFILES)}")


def _check_acme(acme: Acme) -> None:
    for key, url in (("terms_of_service", acme.terms_of_service), ("website", acme.website)):
        # ejabberd's client wants a host in the URL of the terms.
        if url is not None and not WEB_URL.fullmatch(url):
            raise ValueError(f"acme.{key}: {url!r} is not an http or https URL with a host")
    for name in acme.caa_identities:
        with _naming("acme.caa_identities"):
            if "." not in name or _host_name(name) != name:
                raise ValueError(f"{name!r} is not a domain name in lower case (A-labels)")


def _check_names(names: Names) -> None:
    for key, listed in (("refused", names.refused), ("high_value", names.high_value)):
        for name in listed:
            with _naming(f"names.{key}"):
                if _host_name(name) != name:
                    raise ValueError(f"{name!r} must be in lower case")


def _host_name(name: str) -> str:
    try:
        return host_name(name)
    except RejectedIdentifier as problem:
        raise ValueError(problem.detail) from problem


def _check_mail(mail: MailSettings) -> None:
    with _naming("mail.smarthost"):
        host_port(mail.smarthost)
    for key, address in (("from", mail.sender), ("envelope_from", mail.envelope_from)):
        if address is not None and not ADDRESS.fullmatch(address):
            raise ValueError(f"mail.{key}: {address!r} is not an address")
    if not (mail.report_to or "-").isprintable():
        raise ValueError("mail.report_to: it holds characters that cannot be printed")


def _has_port(url: str) -> bool:
    """Whether the port, if one is given, can be one."""
    _, colon, port = urlsplit(url).netloc.rpartition(":")
    return not colon or port.endswith("]") or 0 < int(port) < 1 << 16


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Let a ValueError say which key it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
