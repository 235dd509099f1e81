"""RFC 9773 §4: the name of a certificate, and when it is to be renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from acme_server.policy import renewal_window
from tests.acme_requests import Client, b64

SIX_HOURS = "21600"


@pytest.fixture
def client(ca):
    return Client(ca).register()


def serial_octets(number):
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def name_of(leaf, serial=None):
    identifier = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return f"{b64(identifier)}.{b64(serial_octets(leaf.serial_number) if serial is None else serial)}"


def look(client, name):
    return client.send("GET", f"{client.ca.url}/acme/renewal-info/{name}")


def window(reply):
    part = reply.json["suggestedWindow"]
    return tuple(datetime.fromisoformat(part[end]) for end in ("start", "end"))


def test_4_the_directory_has_the_url_without_a_slash_at_its_end(ca, client):
    assert client.send("GET", f"{ca.url}/directory").json["renewalInfo"] == f"{ca.url}/acme/renewal-info"


def test_4_2_anybody_is_told_the_window_and_when_to_look_again(client):
    leaf = client.issue("example.org").leaf
    reply = look(client, name_of(leaf))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert set(reply.json) == {"suggestedWindow"}
    assert reply.headers["Retry-After"] == SIX_HOURS
    assert "no-store" not in reply.headers["Cache-Control"]
    assert "max-age=" in reply.headers["Cache-Control"]
    assert "Replay-Nonce" not in reply.headers
    assert look(client, name_of(leaf)).json == reply.json


def test_4_2_the_window_lies_around_two_thirds_of_the_life(ca, client):
    leaf = client.issue("example.org").leaf
    start, end = window(look(client, name_of(leaf)))
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    assert begins + (ends - begins) / 2 < start < end < ends
    assert abs((start + (end - start) / 2) - (begins + (ends - begins) * 2 / 3)) <= timedelta(seconds=1)
    assert end - start == timedelta(days=2)
    ca.clock.advance(days=100)
    assert window(look(client, name_of(leaf))) == (start, end)


def test_4_2_a_short_life_has_a_short_window(client):
    leaf = client.issue("example.org", notAfter="2026-06-02T12:00:00Z").leaf
    start, end = window(look(client, name_of(leaf)))
    assert leaf.not_valid_before_utc < start < end < leaf.not_valid_after_utc
    assert end - start < timedelta(hours=3)


@given(st.integers(0, 4_000_000_000), st.integers(60, 90 * 86_400))
def test_4_2_a_window_begins_before_it_ends_and_lies_within_the_life(begin, life):
    not_before = datetime.fromtimestamp(begin, UTC)
    not_after = not_before + timedelta(seconds=life)
    start, end = renewal_window(not_before, not_after)
    assert not_before <= start < end <= not_after
    assert (start.microsecond, end.microsecond) == (0, 0)


def test_4_2_a_revoked_certificate_is_to_be_renewed_at_once(ca, client):
    leaf = client.issue("example.org").leaf
    assert client.post("revoke-cert", {"certificate": b64(leaf.public_bytes(Encoding.DER))}).status == 200
    start, end = window(look(client, name_of(leaf)))
    assert start < end <= ca.clock()


def test_4_1_a_certificate_that_is_not_ours_is_404(ca, client):
    leaf = client.issue("example.org").leaf
    for name in (name_of(leaf, b"\x01"), f"{b64(bytes(20))}.{name_of(leaf).partition('.')[2]}"):
        reply = look(client, name)
        assert (reply.status, reply.problem) == (404, "malformed")


def test_4_1_a_serial_that_was_only_reserved_is_404(ca, client):
    leaf = client.issue("example.org").leaf
    ca.change("UPDATE certificates SET der = NULL, status = 'reserved'")
    assert look(client, name_of(leaf)).status == 404


GOOD = b64(bytes(19) + b"\1")


@pytest.mark.parametrize(
    "name",
    [
        GOOD,
        ".",
        f"{GOOD}.",
        f".{GOOD}",
        f"{GOOD}.AQ.AQ",
        f"{GOOD}.AQ=",
        f"{GOOD}=.AQ",
        f"{GOOD}.AR",  # bits that encode nothing
        f"{GOOD}.A",
        f"{GOOD}.a+b_",
        f"{GOOD}.{b64(bytes([0]))}",  # zero
        f"{GOOD}.{b64(bytes([0, 1]))}",  # not as few octets as will do
        f"{GOOD}.{b64(bytes([0x80]))}",  # negative
        f"{GOOD}.{b64(bytes([1]) * 21)}",
        f"{GOOD}%2EAQ.",
        f"{GOOD}.AQ\u00e4",
        "x" * 5000,
    ],
)
def test_4_1_what_is_no_name_of_a_certificate_is_malformed(client, name):
    reply = look(client, name)
    assert (reply.status, reply.problem) == (400, "malformed")


def test_4_1_each_certificate_has_one_name(client):
    """A serial whose first bit is set has a zero before it, as in DER."""
    leaf = client.issue("example.org").leaf
    bare = leaf.serial_number.to_bytes((leaf.serial_number.bit_length() + 7) // 8, "big")
    status = look(client, name_of(leaf, bare)).status
    assert status == (200 if bare == serial_octets(leaf.serial_number) else 400)
    assert look(client, name_of(leaf, b"\0" + serial_octets(leaf.serial_number))).status == 400


def test_4_it_is_a_get_and_nothing_else(client):
    leaf = client.issue("example.org").leaf
    reply = client.post(f"{client.ca.url}/acme/renewal-info/{name_of(leaf)}")
    assert reply.status == 405
    assert "GET" in reply.headers["Allow"]


def test_4_2_the_ca_tells_it_of_its_own_web_certificate_too(ca, client):
    leaf = client.issue("example.org").leaf
    ca.change("UPDATE certificates SET account_id = NULL, order_id = NULL")
    assert look(client, name_of(leaf)).status == 200
