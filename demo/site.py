"""Where the demo keeps its files, and the files it writes as the two administrators would.

All of it is in one folder, and everything in it may be looked at. The settings are those of `docs/reference/`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

__all__ = ["COMPONENTS", "HOST", "NAMES", "Site"]

HOST = "example.org"
COMPONENTS = {"conference.example.org": "muc", "upload.example.org": "http_file_share", "bücher.example.org": "pubsub"}
"""Name -> what Prosody loads for it."""
NAMES = (HOST, *COMPONENTS)
MAIL_TIMEOUT = 30
"""Seconds the client waits for its mail."""


@dataclass(frozen=True, slots=True)
class Site:
    """The folder."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The CA's own folder, made by `xmpp-ica init`."""
        return self.folder / "ca"

    @property
    def root(self) -> Path:
        """The root everybody here trusts, PEM."""
        return self.ca / "ca" / "root.pem"

    @property
    def maildir(self) -> Path:
        """Postmaster's."""
        return self.folder / "Maildir"

    @property
    def mails(self) -> list[Path]:
        """Those that have come."""
        return [path for place in ("new", "cur") for path in (self.maildir / place).iterdir()]

    @property
    def client(self) -> Path:
        """The configuration of `xmpp-cert`."""
        return self.folder / "xmpp-cert.toml"

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.folder / "state"

    @property
    def live(self) -> Path:
        """The symlink to the certificate in use."""
        return self.state / "live" / HOST

    @property
    def prosody(self) -> Path:
        """Prosody's own folder."""
        return self.folder / "prosody"

    @property
    def installed(self) -> Path:
        """Where the client puts certificates for Prosody."""
        return self.prosody / "s2s"

    def certificate(self) -> x509.Certificate:
        """The leaf in use."""
        return x509.load_pem_x509_certificate((self.live / "cert.pem").read_bytes())

    def write_resolver(self, nameserver: str) -> None:
        """What the administrator of the CA adds: `address:port` of the resolver to ask, and no other."""
        with (self.ca / "xmpp-ica.toml").open("a", encoding="utf-8") as config:
            config.write(f"\n[validation]\nnameservers = [{_text(nameserver)}]\n")

    def write_client_config(self, directory: str, s2s_port: int | None) -> None:
        """What the administrator of the domain writes; a port is that of a Prosody to install for."""
        lines = [
            f"directory = {_text(directory)}",
            f"ca_bundle = {_text(self.root)}",
            f"root = {_text(self.root)}",
            f"contact = [{_text('mailto:admin@' + HOST)}]",
            f"state = {_text(self.state)}",
            "",
            "[[certificate]]",
            f"domains = [{', '.join(map(_text, NAMES))}]",
            'profile = "xmpp"',
            *(['server = "prosody"'] if s2s_port else []),
            "",
            "[certificate.mail]",
            'reader = "maildir"',
            f"path = {_text(self.maildir)}",
            f"timeout = {MAIL_TIMEOUT}",
            *(self._prosody_table(s2s_port) if s2s_port else []),
        ]
        self.client.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _prosody_table(self, s2s_port: int) -> list[str]:
        return [
            "",
            "[certificate.prosody]",
            f"folder = {_text(self.installed)}",
            'group = ""',
            f"pidfile = {_text(self.prosody / 'prosody.pid')}",
            f'address = "127.0.0.1:{s2s_port}"',
        ]


def _text(value: str | Path) -> str:
    """A string in TOML, whose escapes are JSON's."""
    return json.dumps(str(value), ensure_ascii=False)
