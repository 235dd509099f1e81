"""RFC 8555 §7.3.4: what the people who run the CA hand out, so that every client can use it."""

from __future__ import annotations

import base64
import json
import re
import secrets

from click.testing import CliRunner

from acme_server.cli.eab import eab, new_key


def test_7_3_4_a_kid_is_ascii_and_a_key_base64url_of_256_bits():
    for _ in range(200):
        kid, text, octets = new_key(secrets.token_bytes)
        assert re.fullmatch(r"[0-9a-f]{24}", kid)
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{42}", text)
        assert base64.urlsafe_b64decode(text + "=") == octets
        assert len(octets) == 32


def test_7_3_4_the_command_shows_the_key_in_base64url(ca):
    config = ca.database.parent / "xmpp-ica.toml"
    config.write_text(f'name = "CA"\nexternal_url = "{ca.url}"\nlisten = "127.0.0.1:443"\n')
    done = CliRunner().invoke(eab, ["create", "--json", "--config", str(config)], catch_exceptions=False)
    shown = json.loads(done.stdout)
    ((kid, octets),) = ca.rows("SELECT kid, mac_key FROM external_keys")
    assert (shown["kid"], base64.urlsafe_b64decode(shown["key"] + "=")) == (kid, octets)
