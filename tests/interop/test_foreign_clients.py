"""ACME clients nobody here wrote get their certificates by http-01: from a server nobody here wrote, and from ours.

What they got is judged by OpenSSL, not by our own code.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.interop.conftest import Server
from tests.peers.clients import Client
from tests.peers.openssl import OpenSsl


def test_7_4_a_client_proves_its_names_by_http_01_then_renews_then_revokes(
    server: Server, client: Client, names: Sequence[str], openssl: OpenSsl
) -> None:
    first = client.obtain(names)
    second = client.renew(names)
    client.revoke(names)

    for lineage in (first, second):
        assert openssl.dns_names(lineage.certificate) == sorted(names)
        assert openssl.certified_key(lineage.certificate) == openssl.public_key(lineage.key)
        for name in names:
            openssl.verify(lineage.certificate, lineage.chain, server.root, name)
    assert openssl.serial(first.certificate) != openssl.serial(second.certificate)
    assert server.is_revoked(second.certificate)
    assert not server.is_revoked(first.certificate)
