"""The domain's Prosody, as its administrator had set it up before there was a CA, and a look at what it serves.

It federates with nobody: its streams here are ours. RFC 6120 §5 (STARTTLS); what the client does to it is in
`xmpp_client/servers/prosody.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.site import COMPONENTS, HOST, NAMES, Site
from tests.peers.prosody import Prosody, prosody
from tests.peers.s2s import S2sStream
from tests.peers.tls import write_tls_files

__all__ = ["own_prosody", "point_to_installed", "served_serials"]

_HOST = f'VirtualHost "{HOST}"\n'
_SETTINGS = "s2s_timeout = 3600 -- streams of ours prove nothing, and shall stay open\n"


@contextmanager
def own_prosody(program: Path, site: Site) -> Iterator[Prosody]:
    """Run it with a certificate that no other server trusts."""
    certificates = site.prosody / "certs"
    certificates.mkdir(parents=True)
    old = write_tls_files(certificates, *(name.encode("idna").decode("ascii") for name in NAMES))
    shutil.copy(old.certificate, certificates / f"{HOST}.crt")
    shutil.copy(old.key, certificates / f"{HOST}.key")
    with prosody(program, site.prosody, (), components=COMPONENTS, settings=_SETTINGS + _HOST) as server:
        yield server


def point_to_installed(server: Prosody, site: Site) -> None:
    """The lines that the documentation asks for, once; Prosody reads them when it is next told to."""
    place = site.installed / HOST
    lines = f'  s2s_ssl = {{ certificate = "{place}/fullchain.pem", key = "{place}/privkey.pem" }}\n'
    text = server.config.read_text(encoding="utf-8")
    server.config.write_text(text.replace(_HOST, _HOST + lines), encoding="utf-8")


def served_serials(port: int) -> dict[str, int]:
    """Name -> serial number of the certificate in a handshake with `to=` that name. Raises OSError."""
    serials = {}
    for name in NAMES:
        with S2sStream(port, name) as stream:
            serials[name] = stream.leaf.serial_number
    return serials
