"""The ACME clients that nobody here wrote: every one in one shape, so that one scenario serves them all."""

from __future__ import annotations

from tests.peers.acme_client import Client
from tests.peers.acme_tiny import AcmeTiny
from tests.peers.certbot import Certbot
from tests.peers.dehydrated import Dehydrated
from tests.peers.lego import Lego
from tests.peers.p1_acme import P1Acme
from tests.peers.uacme import Uacme

__all__ = ["CLIENTS"]

CLIENTS: dict[str, type[Client]] = {
    "acme-tiny": AcmeTiny,
    "certbot": Certbot,
    "certbot-pypi": Certbot,
    "dehydrated": Dehydrated,
    "lego": Lego,
    "p1-acme": P1Acme,
    "uacme": Uacme,
}
"""The peer's name -> how it is run."""
