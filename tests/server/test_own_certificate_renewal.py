"""The certificate of the CA's own web server is renewed while it serves, and nobody is kept waiting for it."""

from __future__ import annotations

import shutil
import ssl
import sys
from pathlib import Path

from cryptography import x509

from tests.peers.https import fetch
from tests.peers.process import ServerProcess, until
from tests.peers.xmpp_ica import initialise

IMPATIENT = """
import sys
from acme_server.cli import main
sys.modules["acme_server.cli.serve"].RENEWAL_CHECK = 0.3
main(sys.argv[1:])
"""
"""`xmpp-ica` that looks for a due renewal three times a second and not once an hour."""


def served(port: int) -> int:
    """Serial of the certificate that is served."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode()).serial_number


def kept(folder: Path) -> int:
    """Serial of the certificate in the file."""
    return x509.load_pem_x509_certificates((folder / "tls" / "cert.pem").read_bytes())[0].serial_number


def test_a_due_certificate_is_renewed_and_served_without_a_restart(tmp_path) -> None:
    folder = tmp_path / "ca"
    url = initialise(folder)
    port = int(url.rpartition(":")[2])
    other = tmp_path / "other"
    initialise(other)
    argv = [sys.executable, "-c", IMPATIENT, "serve", "--config", str(folder / "xmpp-ica.toml")]
    with ServerProcess(argv, log=folder / "serve.log") as process:
        process.wait_for_port(port)
        before = served(port)
        # A key that is not the certificate's, as an interrupted renewal leaves it: due at the next look.
        shutil.copy(other / "tls" / "key.pem", folder / "tls" / "key.pem")
        until(lambda: kept(folder) != before, "a new certificate")
        # For a moment the processes that end and those that follow them both take connections.
        until(lambda: {served(port) for _ in range(10)} == {kept(folder)}, "all processes to serve it")
        assert b"newNonce" in fetch(f"{url}/directory", folder / "ca" / "root.pem")
