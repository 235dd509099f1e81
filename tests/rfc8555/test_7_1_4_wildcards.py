"""RFC 8555 §7.1.3, §7.1.4: wildcard names, where they are switched on."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.acme_requests import Client, csr
from tests.open_challenge import OpenChallenge, opened

STAR = {"type": "dns", "value": "*.example.org"}
SINGLE = OpenChallenge("single-01", wildcards=False)


@pytest.fixture
def zone():
    return OpenChallenge("zone-01")


@pytest.fixture
def ca(make_ca, zone):
    return make_ca(acme={"wildcards": True}, parts={"challenges": opened(SINGLE, zone)})


@pytest.fixture
def client(ca):
    return Client(ca).register()


def prove(client, order):
    for url in order.json["authorizations"]:
        client.post(client.challenge(url, "zone-01")["url"], {})


def test_7_1_4_the_authorization_of_a_wildcard_has_its_base_and_says_so(client):
    order = client.order("*.example.org")
    assert order.json["identifiers"] == [STAR]
    (authorization,) = order.json["authorizations"]
    shown = client.post(authorization).json
    assert (shown["identifier"], shown["wildcard"]) == ({"type": "dns", "value": "example.org"}, True)


def test_7_1_4_it_offers_only_what_speaks_for_a_zone(client, zone):
    (authorization,) = client.order("*.example.org").json["authorizations"]
    shown = client.post(authorization).json["challenges"]
    assert [challenge["type"] for challenge in shown] == ["zone-01"]
    assert {identifier.value for identifier in zone.offered} == {"example.org"}


def test_7_1_4_its_type_is_told_what_it_proves(client, zone):
    prove(client, client.order("*.example.org"))
    (task,) = zone.tasks
    assert (task.identifier.value, task.wildcard) == ("example.org", True)


@pytest.mark.parametrize("profile", ["xmpp", "tls"])
def test_7_4_its_certificate_has_it_as_a_dns_name_and_nothing_more(client, profile):
    order = client.order("*.example.org", profile=profile)
    prove(client, order)
    done = client.finalize(order, csr(["*.example.org"]))
    leaf = client.post(done.json["certificate"]).leaf
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("*.example.org")]


@pytest.mark.parametrize(
    "names", [["example.org"], ["a.example.org"], ["*.example.org", "example.org"], ["*.a.example.org"]]
)
def test_7_4_a_csr_for_other_names_than_the_wildcard_is_badCSR(client, names):
    order = client.order("*.example.org")
    prove(client, order)
    assert client.finalize(order, csr(names)).problem == "badCSR"
    assert client.finalize(order, csr(["*.example.org"])).json["status"] == "valid"


def test_7_4_a_wildcard_and_its_base_are_two_names_and_two_proofs(client):
    order = client.order("*.example.org", "example.org")
    assert len(order.json["authorizations"]) == 2
    shown = [client.post(url).json for url in order.json["authorizations"]]
    assert [part.get("wildcard", False) for part in shown] == [True, False]
    assert {part["identifier"]["value"] for part in shown} == {"example.org"}
    client.post(client.challenge(order.json["authorizations"][0], "zone-01")["url"], {})
    assert client.post(order.location).json["status"] == "pending"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["*.example.org"], ["example.org"]),
        (["example.org"], ["*.example.org"]),
        (["*.example.org"], ["a.example.org"]),
        (["*.example.org"], [{"type": "dns", "value": "a.example.org", "ancestorDomain": "example.org"}]),
        ([{"type": "dns", "value": "a.example.org", "ancestorDomain": "example.org"}], ["*.example.org"]),
    ],
)
def test_7_1_4_no_proof_passes_between_a_wildcard_and_other_names(client, first, second):
    prove(client, client.order(*first))
    assert client.order(*first).json["status"] == "ready"
    assert client.order(*second).json["status"] == "pending"


def test_7_5_2_the_authorization_of_a_wildcard_can_be_deactivated(client):
    order = client.order("*.example.org")
    prove(client, order)
    shown = client.post(order.json["authorizations"][0], {"status": "deactivated"}).json
    assert (shown["status"], shown["wildcard"]) == ("deactivated", True)
    assert client.order("*.example.org").json["status"] == "pending"


@pytest.mark.parametrize(
    "name",
    ["*.co.uk", "*.org", "*.github.io", "*", "*.*.example.org", "a.*.example.org", "*.local", "*.192.0.2.1"],
)
def test_7_1_3_a_wildcard_of_what_is_many_parties_or_nobodys_is_rejectedIdentifier(client, name):
    assert client.post("new-order", {"identifiers": [{"type": "dns", "value": name}]}).problem == "rejectedIdentifier"


def test_9444_a_wildcard_has_no_ancestor(client):
    identifiers = [STAR | {"ancestorDomain": "example.org"}]
    assert client.post("new-order", {"identifiers": identifiers}).problem == "rejectedIdentifier"


def test_7_4_without_a_challenge_for_wildcards_they_are_rejected(make_ca):
    ca = make_ca(acme={"wildcards": True}, parts={"challenges": opened(SINGLE)})
    assert Client(ca).register().post("new-order", {"identifiers": [STAR]}).problem == "rejectedIdentifier"
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


def test_7_4_they_are_off_by_default(make_ca):
    reply = Client(make_ca()).register().post("new-order", {"identifiers": [STAR]})
    assert reply.problem == "rejectedIdentifier"
    assert "no wildcard names" in reply.json["detail"]


def test_8_a_challenge_without_token_has_no_such_member(make_ca):
    ca = make_ca(parts={"challenges": opened(OpenChallenge(has_token=False), OpenChallenge("with-01"))})
    client = Client(ca).register()
    order = client.order("example.org")
    shown = {part["type"]: part for part in client.post(order.json["authorizations"][0]).json["challenges"]}
    assert "token" not in shown["open-01"]
    assert len(shown["with-01"]["token"]) == 43
    assert client.post(shown["open-01"]["url"], {}).json["status"] == "valid"
    assert client.post(order.location).json["status"] == "ready"
