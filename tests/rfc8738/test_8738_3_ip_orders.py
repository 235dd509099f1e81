"""RFC 8738 §3 and §7: addresses in orders and authorizations, and how they are written."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.validation.network import GuardedNetwork, dial
from challenges.dns_01 import DNS_01
from challenges.dns_account_01 import DNS_ACCOUNT_01
from challenges.dns_persist_01 import DNS_PERSIST_01
from challenges.http_01 import HTTP_01
from challenges.tls_alpn_01 import TLS_ALPN_01
from tests.acme_requests import Client, b64, ec_key
from tests.validation.servers import Names, answers, host

TYPES = {part.type: part for part in (HTTP_01, DNS_01, TLS_ALPN_01, DNS_ACCOUNT_01, DNS_PERSIST_01)}


@pytest.fixture
def ca(make_ca):
    return make_ca(
        parts={"identifier_types": frozenset({"dns", "ip"}), "challenges": TYPES},
        validation={"exempt": ["192.0.2.0/24", "2001:db8::/32"]},
    )


@pytest.fixture
def client(ca):
    return Client(ca).register()


def order(client, address):
    return client.post("new-order", {"identifiers": [{"type": "ip", "value": address}], "profile": "tls"})


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "2001:db8::", "2001:db8:0:1:1:1:1:1"])
def test_3_an_address_has_an_authorization_of_type_ip_as_the_documents_write_it(client, address):
    reply = order(client, address)
    assert reply.status == 201, reply.content
    assert reply.json["identifiers"] == [{"type": "ip", "value": address}]
    shown = client.post(reply.json["authorizations"][0]).json
    assert shown["identifier"] == {"type": "ip", "value": address}


@pytest.mark.parametrize(
    "address",
    [
        *(
            "192.0.2.01",
            "192.0.2",
            "3221225985",
            "0xc0.0.2.1",
            "192.0.2.1.",
            "192.0.2.1/32",
            " 192.0.2.1",
            "192.0.2.256",
        ),
        *("2001:DB8::1", "2001:db8:0:0:0:0:0:1", "2001:0db8::1", "[2001:db8::1]", "2001:db8::1%eth0", "2001:db8:::1"),
        *("2001:db8::192.0.2.1", "1.2.0.192.in-addr.arpa", "example.org", "", "::ffff:192.0.2.1"),
    ],
)
def test_3_any_other_way_to_write_an_address_is_refused(ca, client, address):
    assert order(client, address).problem in {"rejectedIdentifier", "malformed"}
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_7_no_challenge_of_the_dns_proves_an_address(client, address):
    (authorization,) = order(client, address).json["authorizations"]
    offered = {part["type"] for part in client.post(authorization).json["challenges"]}
    assert offered == {"http-01", "tls-alpn-01"}


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_5_host_is_the_address_as_the_documents_write_it(address, shown):
    with host(answers(b"x"), address=address) as served:
        network = GuardedNetwork(
            Names({}),
            exempt=frozenset({ip_network("127.0.0.0/8"), ip_network("::1/128")}),
            connect=lambda where, port, timeout: dial(where, served.port, timeout),  # it says 80
        )
        assert network.http_get(address, "/x", limit=10).body == b"x"
    assert f"Host: {shown}" in served.requests[0].split("\r\n")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_4_the_address_of_the_identifier_is_asked_and_stands_in_the_certificate(ca, client, address):
    made = order(client, address)
    challenge = client.publish(made.json["authorizations"][0])
    assert client.post(challenge["url"], {}).json["status"] == "valid"
    assert [host for host, _ in ca.network.asked] == [address]
    key = ec_key()
    done = client.finalize(made, _csr(address, key))
    assert done.json["status"] == "valid", done.content
    names = client.post(done.json["certificate"]).leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(name) for name in names.value.get_values_for_type(x509.IPAddress)] == [address]
    assert len(list(names.value)) == 1


def _csr(address, key):
    name = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(name, critical=False)
    return b64(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def test_3_without_the_type_switched_on_an_address_is_unsupportedIdentifier(make_ca):
    client = Client(make_ca()).register()
    reply = client.post("new-order", {"identifiers": [{"type": "ip", "value": "192.0.2.1"}]})
    assert reply.problem == "unsupportedIdentifier"
