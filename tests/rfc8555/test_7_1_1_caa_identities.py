"""RFC 8555 §7.1.1: the names by which DNS records speak of this CA, as its clients are told them."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        ((), ["ca.example"]),
        (("ca.example.net",), ["ca.example.net"]),
        (("b.example", "a.example"), ["b.example", "a.example"]),
    ],
)
def test_7_1_1_caaIdentities_are_the_names_that_records_are_compared_with(make_ca, configured, told):
    ca = make_ca(acme={"caa_identities": list(configured)})
    meta = Client(ca).send("GET", f"{ca.url}/directory").json["meta"]
    assert meta["caaIdentities"] == told
    assert list(ca.services.ca.issuer_domain_names) == told
