"""Our client with a CA nobody here wrote: Debian's pebble, by http-01, from the order to the revocation."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.conftest import Site
from tests.peers.pebble import pebble


@pytest.fixture
def webroot(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder on a web server, and its port."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    root = tmp_path / "www"
    root.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield root, server.server_port
        server.shutdown()
        thread.join()


def test_7_4_http_01_from_the_first_order_to_the_revocation(peer, nameserver, webroot, tmp_path) -> None:
    root, port = webroot
    names = ("chat.example.org", "rooms.chat.example.org")
    nameserver.host(*names)
    with pebble(peer("pebble"), tmp_path, http_port=port, nameserver=nameserver.address) as ca:
        trust = tmp_path / "issued-root.pem"
        trust.write_bytes(ca.root())
        own = Site(tmp_path / "config.toml", tmp_path / "state")
        own.path.write_text(
            f'directory = "{ca.directory}"\nca_bundle = "{ca.tls.root}"\nroot = "{trust}"\nstate = "{own.state}"\n'
            'contact = ["mailto:admin@example.org"]\nagree_terms = true\n'
            f'[[certificate]]\ndomains = {list(names)}\nwebroot = "{root}"\n',
            "utf-8",
        )
        issued = own.run("issue")
        assert issued.exit_code == 0, issued.output
        assert own.run("renew").output.startswith("nothing is due")
        renewed = own.run("renew", "--force")
        assert renewed.exit_code == 0, renewed.output
        revoked = own.run("revoke", names[0], "--old", "1", "--reason", "superseded")
        assert revoked.exit_code == 0, revoked.output
        serial = own.run("show", "--old", "1", "--json").output.split('"serial": "')[1].split('"')[0]
        assert b"Revoked" in ca.get(f"/cert-status-by-serial/{serial}")
    assert list(root.iterdir()) == []
