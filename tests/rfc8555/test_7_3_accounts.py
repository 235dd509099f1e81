"""RFC 8555 §7.3: newAccount, finding one by its key, updates, terms, deactivation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acme_requests import Client, csr, ec_key
from tests.in_process import HoldingPool

TERMS = "https://ca.example/terms"


@pytest.fixture
def client(ca):
    return Client(ca).register(contact=["mailto:admin@example.org"])


def test_7_3_a_new_account_is_201_with_its_url_and_what_was_asked_for(ca):
    reply = Client(ca).post("new-account", {"contact": ["mailto:admin@example.org"], "termsOfServiceAgreed": True})
    assert reply.status == 201
    assert reply.location.startswith(f"{ca.url}/acme/account/")
    assert reply.json == {
        "status": "valid",
        "orders": f"{reply.location}/orders",
        "contact": ["mailto:admin@example.org"],
        "termsOfServiceAgreed": True,
    }
    assert ca.events() == ["account_created"]


def test_7_3_members_that_a_client_must_not_set_are_ignored(ca):
    reply = Client(ca).post("new-account", {"status": "revoked", "orders": "http://x", "id": "1", "x": [{}]})
    assert reply.json == {"status": "valid", "orders": f"{reply.location}/orders"}


def test_7_3_a_second_newAccount_with_the_key_is_200_and_changes_nothing(ca, client):
    again = Client(ca, client.key).post("new-account", {"contact": ["mailto:other@example.org"]})
    assert (again.status, again.location) == (200, client.account)
    assert again.json["contact"] == ["mailto:admin@example.org"]


def test_7_3_parallel_newAccounts_with_one_key_make_one_account(ca):
    key = ec_key()
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: Client(ca, key).post("new-account", {}), range(32)))
    assert sorted(reply.status for reply in replies) == [200] * 31 + [201]
    assert len({reply.location for reply in replies}) == 1
    assert ca.rows("SELECT count(*) FROM accounts") == [(1,)]
    assert ca.events() == ["account_created"]


def test_7_3_1_onlyReturnExisting_finds_the_account_and_makes_none(ca, client):
    found = Client(ca, client.key).post("new-account", {"onlyReturnExisting": True})
    assert (found.status, found.location) == (200, client.account)
    missing = Client(ca).post("new-account", {"onlyReturnExisting": True, "termsOfServiceAgreed": True})
    assert (missing.status, missing.problem) == (400, "accountDoesNotExist")
    assert ca.rows("SELECT count(*) FROM accounts") == [(1,)]


@pytest.mark.parametrize("name", ["onlyReturnExisting", "termsOfServiceAgreed"])
@pytest.mark.parametrize("value", ["true", 1, [True], {}])
def test_7_3_a_flag_that_is_no_boolean_is_malformed(ca, name, value):
    assert Client(ca).post("new-account", {name: value}).problem == "malformed"
    assert ca.rows("SELECT count(*) FROM accounts") == [(0,)]


@pytest.mark.parametrize("payload", [None, b"[]", b"x", b"{", b"null"])
def test_7_3_a_payload_that_is_no_object_is_malformed(ca, payload):
    assert Client(ca).post("new-account", payload).problem == "malformed"


@pytest.mark.parametrize(
    ("contact", "problem"),
    [
        ("mailto:a@example.org", "malformed"),
        ([1], "malformed"),
        ([["mailto:a@example.org"]], "malformed"),
        ({"a": 1}, "malformed"),
        (["tel:+123"], "unsupportedContact"),
        (["https://example.org"], "unsupportedContact"),
        (["a@example.org"], "unsupportedContact"),
        ([""], "unsupportedContact"),
        (["mailto:"], "invalidContact"),
        (["mailto:a"], "invalidContact"),
        (["mailto:a@example.org,b@example.org"], "invalidContact"),
        (["mailto:a@example.org?subject=x"], "invalidContact"),
        (["mailto:a@example.org?to=b@example.org"], "invalidContact"),
        (["mailto:?to=b@example.org"], "invalidContact"),
        (["mailto:a?cc=b@example.org"], "invalidContact"),
        (["mailto:a%2Cb@example.org"], "invalidContact"),
        (["mailto:a%40example.org"], "invalidContact"),
        (["mailto:a#b@example.org"], "invalidContact"),
        (["mailto:a&b@example.org"], "invalidContact"),
        (["mailto://a@example.org"], "invalidContact"),
        (["mailto:<a@example.org>"], "invalidContact"),
        (["mailto:a@example.org\r\nBcc: b@example.org"], "invalidContact"),
        (["mailto:a@example.org\n"], "invalidContact"),
        (["mailto:a b@example.org"], "invalidContact"),
        (["mailto:\u212a@example.org"], "invalidContact"),
        (["mailto:" + "a" * 65 + "@example.org"], "invalidContact"),
        (["mailto:a@example.org"] * 6, "invalidContact"),
        (["mailto:a@example.org"] * 1000, "invalidContact"),
    ],
)
def test_7_3_contacts_are_mailto_urls_of_one_address_each(ca, client, contact, problem):
    assert Client(ca).post("new-account", {"contact": contact}).problem == problem
    assert client.post(client.account, {"contact": contact}).problem == problem
    assert client.post(client.account).json["contact"] == ["mailto:admin@example.org"]


def test_7_3_a_contact_of_another_scheme_is_told_which_are_taken(client):
    reply = client.post(client.account, {"contact": ["tel:+123"]})
    assert (reply.status, reply.problem) == (400, "unsupportedContact")
    assert "mailto:" in reply.json["detail"]


@pytest.mark.parametrize(
    "address", ["a@example.org", "a.b+c_d-e@xn--bcher-kva.example", "o'neil@example.org", "A*$!~@b"]
)
@pytest.mark.parametrize("scheme", ["mailto", "MailTo"])
def test_7_3_an_address_that_needs_no_encoding_in_a_url_is_taken_as_it_is(client, scheme, address):
    contact = [f"{scheme}:{address}"]
    assert client.post(client.account, {"contact": contact}).json["contact"] == contact


def test_7_3_2_contacts_can_be_changed_and_taken_away(ca, client):
    changed = client.post(client.account, {"contact": ["mailto:new@example.org"], "orders": "x"})
    assert changed.json["contact"] == ["mailto:new@example.org"]
    assert "contact" not in client.post(client.account, {"contact": []}).json
    account = client.post(client.account).json
    assert account == {"status": "valid", "orders": f"{client.account}/orders", "termsOfServiceAgreed": True}
    assert ca.events() == ["account_created", "account_updated", "account_updated"]


@pytest.mark.parametrize("status", ["valid", "revoked"])
def test_7_3_2_members_that_an_update_cannot_change_are_ignored(client, status):
    """certbot sends the whole account object back, its status with it."""
    ignored = {"status": status, "orders": "https://x", "termsOfServiceAgreed": False, "initialIp": "::1", "x": [{}]}
    changed = client.post(client.account, {"contact": ["mailto:new@example.org"]} | ignored)
    assert (changed.status, changed.json["contact"]) == (200, ["mailto:new@example.org"])
    after = client.post(client.account).json
    assert (after["status"], after["termsOfServiceAgreed"]) == ("valid", True)
    assert after["orders"] == f"{client.account}/orders"


def test_7_3_2_an_update_that_was_not_taken_changes_nothing(ca, client):
    before = client.post(client.account).json
    refused = client.post(client.account, {"contact": ["mailto:new@example.org", "tel:+1"]})
    assert refused.problem == "unsupportedContact"
    assert client.post(client.account).json == before
    assert ca.events() == ["account_created"]


def test_7_3_2_an_update_of_nothing_changes_nothing(ca, client):
    assert client.post(client.account, {}).json == client.post(client.account).json
    assert ca.events() == ["account_created"]


def test_7_3_3_without_agreement_to_the_terms_there_is_no_account_and_the_reply_links_them(make_ca):
    client = Client(make_ca(acme={"terms_of_service": TERMS}))
    for payload in ({}, {"termsOfServiceAgreed": False}):
        reply = client.post("new-account", payload)
        assert (reply.status, reply.problem) == (403, "userActionRequired")
        assert f'<{TERMS}>;rel="terms-of-service"' in reply.headers.get_all("Link")
    assert client.post("new-account", {"termsOfServiceAgreed": True}).status == 201


@pytest.mark.parametrize("status", ["", "deactivate", "Deactivated", "pending", None, 1, ["deactivated"], {}])
def test_7_3_6_no_other_status_can_be_set(client, status):
    assert client.post(client.account, {"status": status}).problem == "malformed"
    assert client.post(client.account).json["status"] == "valid"


def test_7_3_6_a_deactivation_ends_the_issuance_that_was_under_way(make_ca):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool})
    client = Client(ca).register()
    order = client.order("example.org")
    client.post(client.publish(order.json["authorizations"][0])["url"], {})
    pool.let_go()
    assert client.finalize(order).json["status"] == "processing"
    assert client.post(client.account, {"status": "deactivated"}).status == 200
    pool.let_go()
    ca.work_off()
    pool.let_go()
    assert ca.rows("SELECT count(*) FROM certificates") == [(0,)]
    assert ca.events()[-1] == "order_failed"


def test_7_3_6_a_deactivated_account_is_told_401_unauthorized_whatever_it_asks(ca, client):
    order = client.ready("example.org")
    assert client.post(client.account, {"status": "deactivated"}).json["status"] == "deactivated"
    challenge = order.json["authorizations"][0]
    for url, payload in [
        (client.account, None),
        (client.account, {"status": "deactivated"}),
        (client.account, {"contact": []}),
        ("new-order", {"identifiers": [{"type": "dns", "value": "example.org"}]}),
        (order.location, None),
        (challenge, None),
        (order.json["finalize"], {"csr": csr(["example.org"])}),
        ("revoke-cert", {"certificate": ""}),
    ]:
        reply = client.post(url, payload)
        assert (reply.status, reply.problem) == (401, "unauthorized"), url
    again = Client(ca, client.key).post("new-account", {})
    assert (again.status, again.problem) == (401, "unauthorized")
    assert ca.events()[-1] == "account_deactivated"
    assert ca.rows("SELECT count(*) FROM certificates") == [(0,)]


def test_7_3_6_parallel_deactivations_happen_once(ca, client):
    with ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(lambda client: client.post(client.account, {"status": "deactivated"}), _clones(ca, client, 8))
        )
    assert [reply.status for reply in replies].count(200) == 1
    assert ca.events().count("account_deactivated") == 1


def _clones(ca, client, count):
    for _ in range(count):
        clone = Client(ca, client.key)
        clone.account = client.account
        yield clone
