"""RFC 9773 §4.2: a window has a beginning and an end after it, whatever the life of the certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from acme_server.policy import renewal_window, renewal_window_of_revoked
from tests.acme_requests import Client, b64
from tests.in_process import NOW

LIVES = [timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=59), timedelta(hours=1), timedelta(days=90)]


@pytest.mark.parametrize("life", LIVES, ids=str)
@pytest.mark.parametrize("begin", [NOW, NOW + timedelta(microseconds=999_999)])
def test_4_2_every_window_ends_after_it_begins(life, begin):
    for start, end in (renewal_window(begin, begin + life), renewal_window_of_revoked(begin)):
        assert start.replace(microsecond=0) < end.replace(microsecond=0)


def certificate_id(leaf):
    key = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    serial = leaf.serial_number
    return f"{b64(key)}.{b64(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


@pytest.mark.parametrize("revoked", [False, True])
def test_4_2_the_window_that_is_told_ends_after_it_begins(ca, revoked):
    client = Client(ca).register()
    leaf = client.issue("example.org", notBefore="2026-06-01T12:00:00Z", notAfter="2026-06-01T12:00:03Z").leaf
    if revoked:
        from cryptography.hazmat.primitives.serialization import Encoding

        der = leaf.public_bytes(Encoding.DER)
        assert client.post("revoke-cert", {"certificate": b64(der)}).status == 200
    directory = client.send("GET", f"{ca.url}/directory").json
    shown = client.send("GET", f"{directory['renewalInfo']}/{certificate_id(leaf)}").json["suggestedWindow"]
    start, end = (datetime.fromisoformat(shown[name]).astimezone(UTC) for name in ("start", "end"))
    assert start < end
