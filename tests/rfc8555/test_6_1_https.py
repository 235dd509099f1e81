"""RFC 8555 §6.1: HTTPS alone, with TLS of today, and base64url without padding."""

from __future__ import annotations

import contextlib
import socket
import ssl
import warnings

import pytest

from acme_server.config import ConfigError, load
from tests.acme_requests import Client, flattened, jwk_of
from tests.peers.xmpp_ica import initialise, serve


@pytest.mark.parametrize("url", ["http://ca.example", "ftp://ca.example", "ca.example", "//ca.example"])
def test_6_1_an_external_url_that_is_not_https_stops_the_start(tmp_path, url):
    path = tmp_path / "xmpp-ica.toml"
    path.write_text(f'name = "CA"\nexternal_url = "{url}"\nlisten = "127.0.0.1:443"\n')
    with pytest.raises(ConfigError, match="external_url"):
        load(path)


def handshake(port, version):
    """The cipher agreed on with a client that speaks this version alone, at its least careful. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # naming the old versions is one
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secured:
        return secured.cipher()[0]


def test_6_1_the_server_speaks_tls_1_2_and_1_3_and_nothing_else(tmp_path):
    url = initialise(tmp_path / "ca")
    with serve(tmp_path / "ca", url):
        port = int(url.rpartition(":")[2])
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            cipher = handshake(port, version)
            # RFC 7525 §4.2: ciphers with forward secrecy and AEAD.
            assert version is ssl.TLSVersion.TLSv1_3 or cipher.startswith("ECDHE-"), cipher
            assert "GCM" in cipher or "CHACHA20" in cipher, cipher
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with pytest.raises(OSError, match=r"(?i)alert|version|protocol|unsupported|reset|EOF"):
                handshake(port, version)
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 10) as plain:
            plain.sendall(b"GET /directory HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"newNonce" not in plain.recv(10_000)


def test_6_1_nothing_that_is_told_has_base64_padding(ca):
    client = Client(ca).register()
    order = client.order("example.org")
    (authorization,) = order.json["authorizations"]
    replies = [
        client.send("GET", f"{ca.url}/directory"),
        client.post(client.account),
        order,
        client.post(authorization),
    ]
    for reply in replies:
        told = reply.content.decode() + reply.headers.get("Replay-Nonce", "") + reply.headers.get("Location", "")
        assert "=" not in told


def test_6_1_base64url_with_padding_is_refused_wherever_it_stands(ca):
    client = Client(ca).register()
    order = client.ready("example.org")
    assert client.post(client.account, None, nonce=client.nonce() + "=").problem == "malformed"
    assert client.post(order.json["finalize"], {"csr": "MAA="}).problem == "malformed"
    assert client.post("revoke-cert", {"certificate": "MAA="}).problem == "malformed"
    body = flattened(client.key, client.header(client.account), {})
    for member in body:
        assert client.deliver(client.account, body | {member: body[member] + "="}).problem == "malformed"
    jwk = jwk_of(client.key)
    assert Client(ca).post("new-account", {}, jwk=jwk | {"x": jwk["x"] + "="}).problem == "badPublicKey"
