"""A page over https from loopback: under one root, and past whatever proxy or trust the environment speaks of."""

from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path

__all__ = ["fetch"]


def fetch(url: str, trust: Path) -> bytes:
    """The body. `trust` is PEM. Raises urllib.error.URLError, also for a status of 400 or more."""
    context = ssl.create_default_context(cafile=str(trust))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=10) as reply:
        return bytes(reply.read())
