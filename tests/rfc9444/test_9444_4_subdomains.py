"""RFC 9444 §4: one authorization for a domain and what is below it, asked for by `ancestorDomain`."""

from __future__ import annotations

import pytest
from cryptography import x509

from challenges.mail_code import answer, parse_code
from tests.acme_requests import Client, thumbprint

HOST = {"type": "dns", "value": "example.org"}
COMPONENTS = ("conference.example.org", "upload.example.org", "xn--bcher-kva.example.org")
FOUR = (HOST, *({"type": "dns", "value": name, "ancestorDomain": "example.org"} for name in COMPONENTS))


@pytest.fixture
def ca(make_ca, mail_sink):
    mail_sink.start()
    return make_ca(mail={"from": "acme@ca.example", "smarthost": mail_sink.address})


@pytest.fixture
def client(ca):
    return Client(ca).register()


def prove_by_mail(client, authorization, sink):
    challenge = client.challenge(authorization, "email-01")
    client.post(challenge["url"], {})
    client.ca.work_off()
    code = parse_code(sink.code())
    response = answer(code, f"{challenge['token']}.{thumbprint(client.key)}")
    return client.post(challenge["url"], {"response": response})


def test_9444_4_1_a_host_and_its_components_rest_on_one_authorization_of_the_host(client):
    order = client.order(*FOUR)
    assert [part["value"] for part in order.json["identifiers"]] == ["example.org", *COMPONENTS]
    assert all("ancestorDomain" not in part for part in order.json["identifiers"])
    (authorization,) = order.json["authorizations"]
    shown = client.post(authorization).json
    assert (shown["identifier"], shown["subdomainAuthAllowed"]) == (HOST, True)
    assert [challenge["type"] for challenge in shown["challenges"]] == ["email-01"]


def test_9444_one_mail_proves_four_names_and_the_certificate_has_them_all(ca, client, mail_sink):
    order = client.order(*FOUR)
    reply = prove_by_mail(client, order.json["authorizations"][0], mail_sink)
    assert reply.json["status"] == "valid"
    assert len(mail_sink.mails) == 1
    mail = mail_sink.mails[0]
    text = mail.get_payload(decode=True).decode()
    assert mail["To"] == "postmaster@example.org"
    assert all(name in text for name in ("example.org", *COMPONENTS))
    done = client.finalize(order)
    leaf = client.post(done.json["certificate"]).leaf
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["example.org", *COMPONENTS]
    assert ca.rows("SELECT assurance, subdomains FROM authorizations") == [("mail", 1)]


def test_9444_the_next_order_of_the_same_names_needs_no_mail_for_ninety_days(ca, client, mail_sink):
    first = client.order(*FOUR)
    prove_by_mail(client, first.json["authorizations"][0], mail_sink)
    ca.clock.advance(days=89)
    again = client.order(*FOUR)
    assert (again.json["status"], again.json["authorizations"]) == ("ready", first.json["authorizations"])
    ca.clock.advance(days=1)
    assert client.order(*FOUR).json["status"] == "pending"
    assert len(mail_sink.mails) == 1


def test_9444_a_component_that_is_asked_for_later_rests_on_the_same_authorization(client, mail_sink):
    first = client.order(*FOUR)
    prove_by_mail(client, first.json["authorizations"][0], mail_sink)
    later = client.order({"type": "dns", "value": "pubsub.example.org", "ancestorDomain": "example.org"})
    assert (later.json["status"], later.json["authorizations"]) == ("ready", first.json["authorizations"])


def test_9444_4_an_authorization_without_the_flag_proves_no_name_below_it(ca, client):
    """Proved by http-01, or by email-01 for the one name only."""
    single = client.ready("example.org")
    order = client.order(*FOUR)
    assert order.json["authorizations"] != single.json["authorizations"]
    assert order.json["status"] == "pending"


def test_9444_4_an_authorization_with_the_flag_is_not_used_for_an_order_that_does_not_ask_for_it(client, mail_sink):
    first = client.order(*FOUR)
    prove_by_mail(client, first.json["authorizations"][0], mail_sink)
    plain = client.order("conference.example.org")
    assert plain.json["status"] == "pending"
    types = client.post(plain.json["authorizations"][0]).json["challenges"]
    assert [challenge["type"] for challenge in types] == ["http-01", "email-01"]


@pytest.mark.parametrize(
    ("name", "ancestor"),
    [
        ("conference.example.org", "example.net"),
        ("example.org", "conference.example.org"),
        ("example.org", "example.org"),
        ("notexample.org", "example.org"),
        ("conference.example.org", "org"),
        ("conference.example.org", ""),
        ("conference.example.org", "*.example.org"),
        ("conference.example.org", "example.org."),
        ("a.example.co.uk", "co.uk"),
        ("a.b.github.io", "github.io"),
    ],
)
def test_9444_4_a_domain_that_may_not_vouch_for_the_name_is_rejected(ca, client, name, ancestor):
    identifier = {"type": "dns", "value": name, "ancestorDomain": ancestor}
    assert client.post("new-order", {"identifiers": [identifier]}).problem == "rejectedIdentifier"
    assert ca.rows("SELECT count(*) FROM authorizations") == [(0,)]


def test_9444_4_without_a_challenge_that_proves_a_domain_as_a_whole_the_order_is_rejected(make_ca):
    client = Client(make_ca(mail=None)).register()
    assert client.post("new-order", {"identifiers": list(FOUR)}).problem == "rejectedIdentifier"
    assert client.order("example.org").status == 201


def test_7_6_and_9444_whoever_has_proved_the_domain_may_revoke_what_is_below_it(ca, client, mail_sink):
    from cryptography.hazmat.primitives.serialization import Encoding

    from tests.acme_requests import b64

    leaf = client.issue("conference.example.org").leaf
    other = Client(ca).register()
    payload = {"certificate": b64(leaf.public_bytes(Encoding.DER))}
    order = other.order(*FOUR)
    assert other.post("revoke-cert", payload).problem == "unauthorized"
    prove_by_mail(other, order.json["authorizations"][0], mail_sink)
    assert other.post("revoke-cert", payload).status == 200
