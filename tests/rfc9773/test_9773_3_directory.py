"""RFC 9773 §3: where the directory says that renewal information is to be had."""

from __future__ import annotations

from tests.acme_requests import Client


def test_3_the_directory_names_renewalInfo(ca):
    client = Client(ca)
    url = client.send("GET", f"{ca.url}/directory").json["renewalInfo"]
    assert url.startswith(f"{ca.url}/")
    # A name that no certificate can have: the resource is there and says so.
    assert client.send("GET", f"{url}/x").problem == "malformed"
