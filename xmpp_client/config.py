"""The settings of `xmpp-cert`: one TOML file, read once into frozen values.

An unknown key, a wrong type or a value that cannot work must never be skipped: it is refused with its path.
`SETTINGS` is the list of all settings with their texts; `docs/reference/xmpp-cert.md` is compared with it.
"""

from __future__ import annotations

import re
import stat
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from xmpp_client.errors import ConfigError, legible
from xmpp_client.names import to_a_label
from xmpp_client.settings import Setting, TableError, read_table, settings_of

__all__ = [
    "DEFAULT_PATH",
    "SETTINGS",
    "Certificate",
    "Config",
    "FilesServer",
    "MailSource",
    "ProsodyServer",
    "load",
    "parse",
]

DEFAULT_PATH = Path("/etc/xmpp-cert/config.toml")
_LARGEST = 256 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}", re.ASCII)
_MODE = re.compile(r"0?[0-7]{3}", re.ASCII)
READERS = ("maildir", "pipe", "typed")
SERVERS = ("prosody", "files")


@dataclass(frozen=True, slots=True)
class MailSource:
    """`[certificate.mail]`: how the code of email-01 is read."""

    reader: Annotated[str, "`maildir`, `pipe` (what `xmpp-cert mail` was given) or `typed`."] = "typed"
    path: Annotated[Path | None, "With `maildir`: the Maildir."] = None
    timeout: Annotated[int, "Seconds to wait for the mail."] = 3600


@dataclass(frozen=True, slots=True)
class ProsodyServer:
    """`[certificate.prosody]`: a Prosody that gets the certificate for server-to-server streams."""

    folder: Annotated[
        Path,
        "Where NAME/fullchain.pem and NAME/privkey.pem are put; outside Prosody's `certificates` folder, "
        "so that clients keep getting the certificate they trust.",
    ] = Path("/etc/prosody/xmpp-cert")
    group: Annotated[str, "Group of the files; empty leaves it."] = "prosody"
    mode: Annotated[str, "Octal mode of the files."] = "0640"
    pidfile: Annotated[Path, "Prosody's pidfile: the process in it gets SIGHUP."] = Path("/run/prosody/prosody.pid")
    reload: Annotated[tuple[str, ...], "A command to run instead of the signal: a list of words, no shell."] = ()
    address: Annotated[str, "HOST:PORT of its s2s port, where the served certificate is looked at."] = "127.0.0.1:5269"


@dataclass(frozen=True, slots=True)
class FilesServer:
    """`[certificate.files]`: any server that reads files, with a hook."""

    fullchain: Annotated[Path | None, "Copy of the certificate and its chain."] = None
    privkey: Annotated[Path | None, "Copy of the private key."] = None
    owner: Annotated[str, "Owner of the copies; empty leaves it."] = ""
    group: Annotated[str, "Group of the copies; empty leaves it."] = ""
    mode: Annotated[str, "Octal mode of the copies."] = "0640"
    hook: Annotated[
        tuple[str, ...],
        "A command to run afterwards: a list of words, no shell. It gets RENEWED_LINEAGE, RENEWED_DOMAINS and "
        "RENEWED_JSON (a file) in its environment.",
    ] = ()
    address: Annotated[str, "HOST:PORT of an XMPP s2s port to look at afterwards; empty: not looked at."] = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`[[certificate]]`: one certificate to keep."""

    domains: Annotated[tuple[str, ...], "The names, as A-labels or U-labels; the first is the main one."]
    name: Annotated[str, "The lineage's name in the state directory; by default the first of `domains`."] = ""
    profile: Annotated[str, "The CA's profile (`xmpp`, `xmpp-compat` …); empty leaves the choice to the CA."] = ""
    challenges: Annotated[
        tuple[str, ...],
        "Challenge types in order of preference; by default those that the settings below allow: `http-01` with "
        "`webroot`, `email-01` with `[certificate.mail]`.",
    ] = ()
    webroot: Annotated[Path | None, "For http-01: the folder that is served as / of every name on port 80."] = None
    mailbox: Annotated[str, "For email-01: the mailbox that shall get the code; empty: the CA's first."] = ""
    mail: Annotated[MailSource | None, "For email-01: see below."] = None
    server: Annotated[str, "Where to install: `prosody` or `files`; empty: nowhere."] = ""
    prosody: Annotated[ProsodyServer, 'With `server = "prosody"`: see below.'] = ProsodyServer()
    files: Annotated[FilesServer, 'With `server = "files"`: see below.'] = FilesServer()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    directory: Annotated[str, "URL of the CA's ACME directory (https)."]
    ca_bundle: Annotated[
        Path | None, "PEM roots for TLS to the CA; by default the public ones that come with certifi."
    ] = None
    root: Annotated[Path | None, "PEM root(s) that an issued chain must reach before it is installed."] = None
    contact: Annotated[tuple[str, ...], "`mailto:` URLs for the CA's notices."] = ()
    agree_terms: Annotated[bool, "true: you have read the CA's terms of service and agree."] = False
    state: Annotated[Path, "State directory: account keys, `live/` and `archive/`."] = Path("/var/lib/xmpp-cert")
    spool: Annotated[
        Path | None,
        "Where `xmpp-cert mail` leaves codes, required with the reader `pipe`: not in the state directory, which the "
        "user that mail programs run as cannot enter.",
    ] = None
    certificate: Annotated[tuple[Certificate, ...], "The certificates to keep: see below."] = ()

    def find(self, name: str) -> Certificate:
        """The certificate of this lineage name, or of this first domain. Raises ConfigError."""
        for certificate in self.certificate:
            if name in (certificate.name, certificate.domains[0]):
                return certificate
        known = ", ".join(c.name for c in self.certificate) or "none"
        raise ConfigError(f"no certificate called {legible(name)!r} is configured", hint=f"Configured: {known}.")


SETTINGS: tuple[Setting, ...] = settings_of(Config)


def load(path: Path) -> Config:
    """Read and check the file. Raises ConfigError."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise ConfigError(
            f"the configuration {path} cannot be read: {error.strerror}",
            hint="Write one (docs/reference/xmpp-cert.md has an example) or name yours with --config.",
        ) from error
    if not content or len(content) > _LARGEST:
        raise ConfigError(f"the configuration {path} is empty, too big or not a file")
    try:
        return parse(tomllib.loads(content.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint="Mend that line.") from error
    except TableError as error:
        raise ConfigError(f"{path}: {error}", hint="docs/reference/xmpp-cert.md lists all settings.") from error


def parse(table: dict[str, Any]) -> Config:
    """Settings from TOML's values. Raises TableError."""
    config: Config = read_table(Config, table, "")
    _require(bool(config.certificate), "certificate", "at least one [[certificate]] table is needed")
    url = urlsplit(config.directory)
    _require(
        url.scheme == "https" and bool(url.hostname) and "@" not in url.netloc, "directory", "must be an https URL"
    )
    for contact in config.contact:
        _require(contact.startswith("mailto:") and contact.isascii(), "contact", "must be mailto: URLs")
    certificates = tuple(_checked(c, f"certificate[{i}]") for i, c in enumerate(config.certificate))
    piped = any(c.mail is not None and c.mail.reader == "pipe" for c in certificates)
    _require(config.spool is not None or not piped, "spool", "goes with the reader `pipe`, which needs it")
    taken = [c.name for c in certificates]
    for index, name in enumerate(taken):
        _require(name not in taken[:index], f"certificate[{index}].name", f"{name!r} is used twice")
    return replace(config, certificate=certificates)


def _require(condition: bool, path: str, text: str) -> None:
    if not condition:
        raise TableError(path, text)


def _checked(certificate: Certificate, path: str) -> Certificate:
    """The certificate's table with its names in A-labels and its defaults filled in. Raises TableError."""
    _require(bool(certificate.domains), f"{path}.domains", "must name at least one domain")
    try:
        domains = tuple(map(to_a_label, certificate.domains))
    except ValueError as error:
        raise TableError(f"{path}.domains", str(error)) from error
    _require(len(set(domains)) == len(domains), f"{path}.domains", "a name is there twice")
    _require(len(domains) <= 100, f"{path}.domains", "at most 100 names")  # noqa: PLR2004 - what CAs allow
    name = certificate.name or domains[0]
    _require(bool(_NAME.fullmatch(name)), f"{path}.name", "may hold a-z 0-9 . _ - and starts with a letter or digit")
    _check_mail(certificate, path)
    _check_server(certificate, path)
    return replace(certificate, domains=domains, name=name, challenges=_preference(certificate, path))


def _check_mail(certificate: Certificate, path: str) -> None:
    mail = certificate.mail
    if mail is not None:
        _require(mail.reader in READERS, f"{path}.mail.reader", f"must be one of {', '.join(READERS)}")
        _require(
            (mail.reader == "maildir") == (mail.path is not None),
            f"{path}.mail.path",
            "goes with the reader `maildir`, which needs it",
        )
        _require(1 <= mail.timeout <= 86400, f"{path}.mail.timeout", "must be 1 to 86400 seconds")  # noqa: PLR2004


def _check_server(certificate: Certificate, path: str) -> None:
    _require(certificate.server in ("", *SERVERS), f"{path}.server", f"must be one of {', '.join(SERVERS)}")
    for name, part in (("prosody", certificate.prosody), ("files", certificate.files)):
        _require(bool(_MODE.fullmatch(part.mode)), f"{path}.{name}.mode", "must be octal, such as 0640")
        _require(part.mode[-1] == "0", f"{path}.{name}.mode", "must give others nothing: a private key is in it")
        if part.address:
            host, _, port = part.address.rpartition(":")
            _require(
                bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536,  # noqa: PLR2004
                f"{path}.{name}.address",
                "must be HOST:PORT",
            )
    files = certificate.files
    _require(
        (files.fullchain is None) == (files.privkey is None), f"{path}.files", "`fullchain` and `privkey` go together"
    )
    if certificate.server == "files":
        _require(bool(files.fullchain or files.hook), f"{path}.files", "needs paths, a `hook`, or both")


def _preference(certificate: Certificate, path: str) -> tuple[str, ...]:
    """The challenge types to try, best first."""
    possible = [("http-01", certificate.webroot is not None), ("email-01", certificate.mail is not None)]
    default = tuple(kind for kind, can in possible if can)
    _require(
        bool(certificate.challenges or default),
        path,
        "says nothing about how to prove its names: add `webroot` or a [certificate.mail] table",
    )
    _require(
        len(set(certificate.challenges)) == len(certificate.challenges), f"{path}.challenges", "a type is there twice"
    )
    return certificate.challenges or default
