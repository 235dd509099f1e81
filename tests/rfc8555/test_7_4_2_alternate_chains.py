"""RFC 8555 §7.4.2: other chains of the same certificate, each linked from all others."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta

import pytest
from cryptography import x509

from tests.acme_requests import Client
from tests.cross_signing import write_alternate, write_chain
from tests.in_process import NOW
from tests.peers.tls import cross_sign, make_root


def links(reply):
    return re.findall(r'<([^>]*)>;rel="alternate"', ", ".join(reply.headers.get_all("Link")))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_7_4_2_each_chain_links_the_others_and_begins_with_the_same_certificate(make_ca, count):
    folder = make_ca().database.parent
    others = [write_alternate(folder / "ca", NOW, f"{number}-other") for number in range(count)]
    ca = make_ca(folder)
    client = Client(ca).register()
    order = client.ready("example.org")
    url = client.finalize(order).json["certificate"]
    urls = [url, *links(client.post(url))]
    assert len(set(urls)) == count + 1
    chains = []
    for each in urls:
        reply = client.post(each)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/pem-certificate-chain")
        assert sorted(links(reply)) == sorted(set(urls) - {each})
        chains.append(x509.load_pem_x509_certificates(reply.content))
        for below, above in itertools.pairwise(chains[-1]):
            below.verify_directly_issued_by(above)
    assert len({chain[0] for chain in chains}) == 1
    assert [tuple(chain[1:]) for chain in chains[1:]] == [tuple(chain) for chain in others]
    assert client.post(f"{url}/alternate/{count + 1}").status == 404
    assert client.post(f"{url}/alternate/0").status == 404
    stranger = Client(ca).register()
    assert {stranger.post(each).problem for each in urls} == {"unauthorized"}


def test_7_4_2_a_chain_that_has_ended_is_not_offered_any_more(make_ca):
    folder = make_ca().database.parent
    issuer = x509.load_pem_x509_certificate((folder / "ca" / "issuer.pem").read_bytes())
    root, key = make_root("Other root")
    write_chain(folder / "ca" / "alternates" / "a.pem", (cross_sign(issuer, root, key, end=NOW + timedelta(days=2)),))
    write_alternate(folder / "ca", NOW, "b")
    ca = make_ca(folder)
    client = Client(ca).register()
    url = client.finalize(client.ready("example.org")).json["certificate"]
    short, long = links(client.post(url))
    ca.clock.advance(days=3)
    assert links(client.post(url)) == [long]
    assert client.post(short).status == 404
    assert client.post(long).status == 200
