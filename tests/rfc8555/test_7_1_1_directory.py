"""RFC 8555 §7.1.1 and §7.2: the directory, and where nonces come from."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client

BASE = "https://ca.example/acme"


def test_7_1_1_the_directory_names_every_resource_by_the_external_url(ca):
    reply = Client(ca).send("GET", f"{ca.url}/directory")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert {name: url for name, url in reply.json.items() if name != "meta"} == {
        "newNonce": f"{BASE}/new-nonce",
        "newAccount": f"{BASE}/new-account",
        "newOrder": f"{BASE}/new-order",
        "newAuthz": f"{BASE}/new-authz",
        "revokeCert": f"{BASE}/revoke-cert",
        "keyChange": f"{BASE}/key-change",
        "renewalInfo": f"{BASE}/renewal-info",
    }


def test_7_1_1_nothing_is_in_the_directory_that_is_not_there(ca):
    """Who is led to a resource finds one: it wants a POST, or says that it is read in another way."""
    document = Client(ca).send("GET", f"{ca.url}/directory").json
    for name, url in document.items():
        if name not in {"meta", "renewalInfo"}:  # that one is only where other URLs begin (RFC 9773 §4.1)
            reply = Client(ca).send("POST", url, b"{}", "application/jose+json")
            assert reply.status in {400, 405}, name


def test_7_1_1_meta_says_profiles_and_subdomain_authorization_and_only_what_is_configured(ca, make_ca):
    meta = Client(ca).send("GET", f"{ca.url}/directory").json["meta"]
    dns = {"caaIdentities", "issuerDomainNames", "accountHashPrefix"}
    assert set(meta) == {"profiles", "subdomainAuthAllowed", "externalAccountRequired", *dns}
    assert meta["subdomainAuthAllowed"] is True
    assert set(meta["profiles"]) == {"xmpp", "xmpp-compat", "xmpp-user", "tls"}
    terms = {"terms_of_service": "https://ca.example/terms", "website": "https://ca.example/"}
    meta = Client(make_ca(acme=terms)).send("GET", f"{ca.url}/directory").json["meta"]
    assert (meta["termsOfService"], meta["website"]) == ("https://ca.example/terms", "https://ca.example/")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
def test_7_2_new_nonce_answers_without_body_and_with_a_fresh_nonce_that_no_cache_keeps(ca, method, status):
    replies = [Client(ca).send(method, "new-nonce") for _ in range(3)]
    assert {(reply.status, reply.content) for reply in replies} == {(status, b"")}
    assert len({reply.headers["Replay-Nonce"] for reply in replies}) == 3
    assert all("no-store" in reply.headers["Cache-Control"] for reply in replies)


def test_7_1_1_the_directory_is_given_without_a_nonce_of_its_own(ca):
    """RFC 8555 §7.2: nonces come from newNonce; a cached directory must not bring an old one."""
    assert "Replay-Nonce" not in Client(ca).send("GET", f"{ca.url}/directory").headers


@pytest.mark.parametrize("host", ["localhost:14000", "[::1]:14000"])
def test_7_1_1_a_ca_without_a_domain_name_of_its_own_says_none(make_ca, host):
    ca = make_ca(external_url=f"https://{host}")
    meta = Client(ca).send("GET", f"{ca.url}/directory").json["meta"]
    assert not {"caaIdentities", "issuerDomainNames", "accountHashPrefix"} & set(meta)
    client = Client(ca).register()
    offered = client.post(client.order("example.org").json["authorizations"][0]).json["challenges"]
    assert "dns-persist-01" not in {challenge["type"] for challenge in offered}
