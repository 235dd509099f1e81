"""What is to be done for each configured certificate, from the state directory and the time alone.

It must never import cryptography or the network's libraries: a timer runs it many times a day, mostly for nothing.
Our rules of `renewal`; the state directory's layout is in `lineage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xmpp_client import renewal
from xmpp_client.clock import to_text
from xmpp_client.config import Certificate, Config
from xmpp_client.lineage import Lineage, Version

__all__ = ["Outlook", "outlook"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """One certificate today."""

    certificate: Certificate
    lineage: Lineage
    version: Version | None
    """The live one; None before the first `issue`."""
    due: renewal.Due
    uninstalled: bool
    """Whether the live one still has to be given to the server."""

    @property
    def idle(self) -> bool:
        """Whether a renewal has nothing to do here."""
        return self.version is not None and not self.due and not self.uninstalled

    def to_json(self) -> dict[str, Any]:
        """For `status --json`."""
        version = self.version
        return {
            "name": self.certificate.name,
            "domains": list(self.certificate.domains),
            "version": version and version.number,
            "names": version and list(version.meta.names),
            "serial": version and version.meta.serial,
            "profile": version and version.meta.profile,
            "not_after": version and to_text(version.meta.not_after),
            "renew_at": version and to_text(version.meta.renew_at),
            "due": self.due.reason and str(self.due.reason),
            "installed": None if version is None or not self.certificate.server else not self.uninstalled,
            "revoked": version and version.marked("revoked"),
            "live": str(self.lineage.live),
        }


def outlook(config: Config, certificate: Certificate, now: datetime) -> Outlook:
    """The state of one certificate. Raises StateError."""
    lineage = Lineage(config.state, certificate.name)
    version = lineage.current()
    if version is None:
        return Outlook(certificate, lineage, None, renewal.Due(None), uninstalled=False)
    meta = version.meta
    due = renewal.due(
        now,
        not_before=meta.not_before,
        not_after=meta.not_after,
        renew_at=meta.renew_at,
        revoked=version.marked("revoked"),
        changed=(set(meta.names), meta.profile, meta.directory)
        != (set(certificate.domains), certificate.profile, config.directory),
    )
    uninstalled = bool(certificate.server) and not version.marked("installed")
    return Outlook(certificate, lineage, version, due, uninstalled)
