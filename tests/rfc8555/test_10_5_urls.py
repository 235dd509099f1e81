"""RFC 8555 §10.5: nobody can go from one resource to another by counting."""

from __future__ import annotations

import base64

from tests.acme_requests import Client


def test_10_5_every_url_of_a_resource_has_a_part_that_nobody_can_guess(ca):
    seen = []
    for name in ("a.example.org", "b.example.org"):
        client = Client(ca).register()
        order = client.ready(name)
        (authorization,) = order.json["authorizations"]
        challenge = client.challenge(authorization, "http-01")["url"]
        certificate = client.finalize(order).json["certificate"]
        seen.append([client.account, order.location, authorization, challenge, certificate])
    for first, second in zip(*seen, strict=True):
        ids = [url.rpartition("/")[2] for url in (first, second)]
        if "/certificate/" in first:
            octets = [int(id_, 16).to_bytes(20) for id_ in ids]
            assert all(any(number[:12]) for number in octets)
        else:
            octets = [base64.urlsafe_b64decode(id_ + "==") for id_ in ids]
            assert [len(id_) for id_ in octets] == [16, 16]
        # Two that were made one after the other share nothing.
        assert octets[0][-4:] != octets[1][-4:]
        assert octets[0][1:5] != octets[1][1:5]
