"""Debian's unbound as a validating resolver on loopback, over zones it is given, signed ones among them.

It must never ask the network: it holds the root as well, so whatever is in no zone does not exist. A signed zone is an
island of trust, with a key of its own as trust anchor (RFC 4035 §4.4); `signed` makes one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.dnssec
import dns.name
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ed25519
from dns.dnssectypes import Algorithm, DSDigest

from tests.peers.process import ServerProcess, free_port

__all__ = ["Zone", "signed", "unbound", "unsigned"]

_HEAD = "@ 300 IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 300\n@ 300 IN NS ns.invalid.\n"
_CONFIG = """
server:
  directory: "{folder}"
  pidfile: ""
  chroot: ""
  username: ""
  logfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  interface: 127.0.0.1
  port: {port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  outgoing-interface: 127.0.0.1
  module-config: "validator iterator"
  trust-anchor-signaling: no
  val-log-level: 2
remote-control:
  control-enable: no
"""
_ZONE = 'auth-zone:\n  name: "{name}"\n  zonefile: "{file}"\n  for-downstream: no\n  for-upstream: yes\n'


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone file's text and the key to trust for it: a DS record, empty for a zone that is not signed."""

    text: str
    anchor: str = ""


def unsigned(records: str) -> Zone:
    """A zone of these lines of a zone file, below an SOA record."""
    return Zone(_HEAD + records)


def signed(
    name: str, records: str, *, until: float | None = None, spoil: Callable[[dns.zone.Zone], object] = lambda _: None
) -> Zone:
    """The same, signed (Ed25519, NSEC). `until`: when the signatures end, as time.time() says it.

    `spoil` may change what is in the zone after it was signed, as whoever sits on the way would.
    """
    origin = dns.name.from_text(name)
    zone = dns.zone.from_text(_HEAD + records, origin, relativize=False)
    key = ed25519.Ed25519PrivateKey.generate()
    public = dns.dnssec.make_dnskey(key.public_key(), Algorithm.ED25519, flags=257)
    end = time.time() + 86400 if until is None else until
    dns.dnssec.sign_zone(zone, keys=[(key, public)], inception=int(end - 2 * 86400), expiration=int(end))
    spoil(zone)
    digest = dns.dnssec.make_ds(origin, public, DSDigest.SHA256)
    return Zone(str(zone.to_text(relativize=False)), f"{origin} DS {digest.to_text()}")


@contextlib.contextmanager
def unbound(program: Path, folder: Path, zones: Mapping[str, Zone]) -> Iterator[tuple[str, int]]:
    """A running one, by its address and port; `zones` by their names, without the root."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    parts = [_CONFIG.format(folder=folder, port=port)]
    anchors = []
    for number, (name, zone) in enumerate([(".", unsigned("")), *zones.items()]):
        (folder / f"{number}.zone").write_text(zone.text, encoding="ascii")
        parts.append(_ZONE.format(name=name, file=folder / f"{number}.zone"))
        anchors += [f"  trust-anchor: '{zone.anchor}'\n"] if zone.anchor else []
    config = folder / "unbound.conf"
    config.write_text("".join([*parts, "server:\n", *anchors]), encoding="ascii")
    with ServerProcess([program, "-d", "-c", config], log=folder / "unbound.log") as process:
        process.wait_for_port(port)
        yield "127.0.0.1", port
