"""RFC 8555 §9.1: what a file of type application/pem-certificate-chain looks like."""

from __future__ import annotations

import itertools
import re

from cryptography import x509

from tests.acme_requests import Client

# RFC 7468 §3, stricttextualmsg: lines of exactly 64 characters but for the last, which is shorter and may be padded.
STRICT = re.compile(
    rb"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/]{64}\n)*"
    rb"(?=[^\n]{1,64}\n-)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?\n-----END CERTIFICATE-----\n"
)


def test_9_1_a_chain_is_strict_pem_and_nothing_else(ca):
    client = Client(ca).register()
    for names in (["example.org"], [f"n{number}.example.org" for number in range(20)]):
        reply = client.issue(*names)
        assert re.fullmatch(rb"(?:%s){2,}" % STRICT.pattern, reply.content)
        chain = x509.load_pem_x509_certificates(reply.content)
        for below, above in itertools.pairwise(chain):
            below.verify_directly_issued_by(above)
        constraints = [part.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for part in chain]
        assert constraints == [False] + [True] * (len(chain) - 1)
