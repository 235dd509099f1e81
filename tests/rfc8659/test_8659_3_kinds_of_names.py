"""RFC 8659 §3: which name is asked for where an identifier is not simply proved by itself."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from challenges.mail_code import answer, parse_code
from tests.acme_requests import Client, b64, csr, ec_key, thumbprint
from tests.open_challenge import opened
from tests.rfc8659.caa_lab import FAILED, FORBIDDEN, error_of, nothing_was_signed

OPEN = {"acme": {"wildcards": True}, "parts": {"challenges": opened()}}


def prove_openly(client, order):
    for url in order.json["authorizations"]:
        client.post(client.challenge(url, "open-01")["url"], {})
    return order


def test_3_names_that_rest_on_an_ancestor_are_asked_for_themselves_before_signing(make_ca):
    ca = make_ca(**OPEN)
    client = Client(ca).register()
    below = [{"type": "dns", "value": f"{part}.example.org", "ancestorDomain": "example.org"} for part in "ab"]
    order = prove_openly(client, client.order("example.org", *below))
    assert len(order.json["authorizations"]) == 1
    assert ca.caa.names() == {"example.org"}
    ca.caa.forbidden["b.example.org"] = FORBIDDEN
    client.finalize(order)
    assert {(each.name, each.method) for each in ca.caa.asked} == {
        ("a.example.org", "open-01"),
        ("b.example.org", "open-01"),
    }
    assert error_of(client, order) == ("caa", [("caa", "b.example.org")])
    assert nothing_was_signed(ca)


def test_3_a_wildcard_and_its_base_are_asked_for_each(make_ca):
    ca = make_ca(**OPEN)
    client = Client(ca).register()
    order = prove_openly(client, client.order("example.org", "*.example.org"))
    assert {(each.name, each.wildcard) for each in ca.caa.asked} == {("example.org", False), ("example.org", True)}
    ca.clock.advance(hours=9)
    ca.caa.names()
    ca.caa.forbidden["*.example.org"] = FORBIDDEN
    client.finalize(order)
    assert {(each.name, each.wildcard) for each in ca.caa.asked} == {("example.org", False), ("example.org", True)}
    assert error_of(client, order) == ("caa", [("caa", "*.example.org")])


def test_3_a_wildcard_that_is_forbidden_is_not_valid(make_ca):
    ca = make_ca(**OPEN)
    client = Client(ca).register()
    ca.caa.forbidden["*.example.org"] = FORBIDDEN
    order = prove_openly(client, client.order("*.example.org"))
    assert error_of(client, order) == ("caa", [("caa", "*.example.org")])


def test_3_for_a_jid_its_domain_is_asked_for(make_ca):
    ca = make_ca(parts={"challenges": opened()})
    client = Client(ca).register()
    jid = {"type": "jid", "value": "juliet@bücher.example.org"}
    order = prove_openly(client, client.order(jid, profile="xmpp-user"))
    assert [(each.name, each.wildcard) for each in ca.caa.asked] == [("xn--bcher-kva.example.org", False)]
    ca.clock.advance(hours=9)
    ca.caa.names()
    ca.caa.forbidden["xn--bcher-kva.example.org"] = FORBIDDEN
    client.finalize(order, csr([]))
    assert ca.caa.names() == {"xn--bcher-kva.example.org"}
    assert error_of(client, order) == ("caa", [("caa", jid["value"])])


def test_3_an_address_has_no_records(make_ca):
    ca = make_ca(
        parts={"challenges": opened(), "identifier_types": frozenset({"dns", "ip"})},
        validation={"exempt": ["192.0.2.0/24"]},
    )
    client = Client(ca).register()
    order = prove_openly(client, client.order({"type": "ip", "value": "192.0.2.1"}, profile="tls"))
    assert client.post(order.location).json["status"] == "ready"
    ca.clock.advance(hours=9)
    san = x509.SubjectAlternativeName([x509.IPAddress(ip_address("192.0.2.1"))])
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(san, critical=False)
    der = request.sign(ec_key(), hashes.SHA256()).public_bytes(Encoding.DER)
    assert client.finalize(order, b64(der)).json["status"] == "valid"
    assert ca.caa.asked == []


@pytest.mark.parametrize("fault", [FAILED, FORBIDDEN])
def test_3_a_code_from_a_mail_stays_good_while_the_lookup_is_made_again(make_ca, mail_sink, fault):
    mail_sink.start()
    ca = make_ca(mail={"from": "acme@ca.example", "smarthost": mail_sink.address})
    client = Client(ca).register()
    order = client.order("example.org")
    challenge = client.challenge(order.json["authorizations"][0], "email-01")
    client.post(challenge["url"], {})
    ca.work_off()
    code = answer(parse_code(mail_sink.code()), f"{challenge['token']}.{thumbprint(client.key)}")
    ca.caa.forbidden["example.org"] = fault
    client.post(challenge["url"], {"response": code})
    ca.caa.forbidden.clear()
    ca.clock.advance(seconds=3)
    ca.work_off()
    assert client.post(order.location).json["status"] == ("ready" if fault.transient else "invalid")
    assert {each.method for each in ca.caa.asked} == {"email-01"}
    assert len(mail_sink.mails) == 1
