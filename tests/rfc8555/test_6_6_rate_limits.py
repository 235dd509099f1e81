"""RFC 8555 §6.6: too much is 429 `rateLimited`, with Retry-After; what is refused spends nothing."""

from __future__ import annotations

import pytest
from cryptography import x509

from acme_server.limits import Limit
from tests.acme_requests import Client, b64, ec_key

OFF = {limit.value: "none" for limit in Limit}
HELP = "https://ca.example/about/limits"


@pytest.fixture
def limited(make_ca):
    """A CA with these limits and no other."""
    return lambda **limits: make_ca(limits=OFF | {"help": HELP} | limits)


def refused(reply, *words, after):
    assert (reply.status, reply.problem) == (429, "rateLimited"), reply.content
    assert reply.headers["Retry-After"] == str(after)
    assert f'<{HELP}>;rel="help"' in reply.headers.get_all("Link")
    for word in (*words, "come back after 2026-"):
        assert word in reply.json["detail"]


def rows(ca):
    return ca.rows("SELECT name, subject FROM limits ORDER BY 1, 2")


def fails(client, name):
    """One failed validation of the name."""
    authorization = client.order(name).json["authorizations"][0]
    return client.post(client.challenge(authorization, "http-01")["url"], {})


def test_6_6_new_accounts_are_limited_by_address_and_others_go_on(limited):
    ca = limited(new_accounts_per_address="2/1h")
    Client(ca).register()
    Client(ca).register()
    client = Client(ca)
    refused(client.post("new-account", {}), "new accounts from 127.0.0.1", "2 in 1 hour", after=1800)
    assert ca.events().count("account_created") == 2
    other = Client(ca)
    other._http.environ_base["REMOTE_ADDR"] = "2001:db8:7::1"
    assert other.post("new-account", {}).status == 201
    ca.clock.advance(seconds=1799)
    refused(client.post("new-account", {}), after=1)
    ca.clock.advance(seconds=1)
    assert client.post("new-account", {}).status == 201


def test_6_6_an_account_that_there_is_is_found_whatever_the_limit(limited):
    ca = limited(new_accounts_per_address="1/1h")
    client = Client(ca).register()
    client.register()
    assert client.account


def test_6_6_new_orders_are_limited_by_account_and_ten_names_count_as_one(limited):
    ca = limited(new_orders_per_account="3/3h")
    client, other = Client(ca).register(), Client(ca).register()
    client.order(*[f"n{number}.example.org" for number in range(11)])
    client.order("example.org")
    reply = client.post("new-order", {"identifiers": [{"type": "dns", "value": "example.org"}]})
    refused(reply, "new orders by the account", "3 in 3 hours", after=3600)
    reply = client.post("new-authz", {"identifier": {"type": "dns", "value": "a.example.org"}})
    refused(reply, "new orders by the account", after=3600)
    other.order("example.org")
    assert len(ca.rows("SELECT id FROM orders")) == 3
    ca.clock.advance(hours=1)
    client.order("example.org")


def test_6_6_failed_validations_are_limited_by_account_and_name(limited):
    ca = limited(failed_validations_per_name="2/1h")
    client, other = Client(ca).register(), Client(ca).register()
    for _ in range(2):
        assert fails(client, "example.org").json["status"] == "invalid"
    refused(fails(client, "example.org"), "failed validations of example.org", "2 in 1 hour", after=1800)
    # Nothing was begun, and the same challenge may be answered later.
    assert ca.rows("SELECT status, count(*) FROM challenges GROUP BY 1 ORDER BY 1")[0][0] == "invalid"
    assert client.ready("b.example.org").status == 201
    assert other.ready("example.org").status == 201
    ca.clock.advance(minutes=30)
    assert client.ready("example.org").status == 201


def test_6_6_a_validation_that_fails_by_a_fault_of_ours_counts_too(limited):
    """Else a host whose answer leads to one would be asked without end."""
    ca = limited(failed_validations_per_name="1/1d")
    client = Client(ca).register()
    first, second = (client.order("example.org").json["authorizations"][0] for _ in range(2))

    def fault():
        raise RuntimeError("ours")

    ca.network.before = fault
    client.post(client.challenge(first, "http-01")["url"], {})
    for _ in range(10):
        ca.clock.advance(hours=1)
        ca.work_off()
    assert client.post(first).json["status"] == "invalid"
    refused(client.post(client.challenge(second, "http-01")["url"], {}), "failed validations", after=14 * 3600)


def test_6_6_new_certificates_are_limited_by_registrable_domain_and_renewals_are_not(limited):
    ca = limited(certificates_per_domain="2/7d")
    client, other = Client(ca).register(), Client(ca).register()
    client.issue("a.example.org", "conference.a.example.org")
    other.issue("b.example.org")
    refused(
        other.post("new-order", {"identifiers": [{"type": "dns", "value": "c.example.org"}]}),
        "new certificates for example.org",
        "2 in 7 days",
        after=302400,
    )
    refused(
        other.post("new-order", {"identifiers": [{"type": "dns", "value": "a.example.org"}]}),
        "example.org",
        after=302400,
    )
    assert client.issue("conference.a.example.org", "a.example.org").status == 200
    assert other.issue("b.example.net").status == 200


def test_6_6_a_renewal_is_one_even_when_the_limits_have_long_rested(limited):
    """Two months later: the row is swept only when no certificate of the names can live any more."""
    ca = limited(certificates_per_domain="1/7d")
    client = Client(ca).register()
    client.issue("a.example.org")
    ca.clock.advance(days=60)
    Client(ca).register().issue("b.example.org")
    with ca.store.write() as transaction:
        ca.services.limiter._sweep(transaction, 1_000_000 * int(ca.clock().timestamp()))
    assert client.issue("a.example.org").status == 200


def test_6_6_orders_that_are_ready_at_once_do_not_get_past_the_limit_together(limited):
    ca = limited(certificates_per_domain="2/7d")
    client = Client(ca).register()
    orders = [client.ready(f"n{number}.example.org") for number in range(3)]
    assert [client.finalize(order).status for order in orders[:2]] == [200, 200]
    refused(client.finalize(orders[2]), "example.org", after=302400)
    assert client.post(orders[2].location).json["status"] == "ready"
    ca.clock.advance(days=3.5)
    assert client.finalize(orders[2]).json["status"] == "valid"


def test_6_6_certificates_for_exactly_the_same_names_are_limited_renewals_and_all(limited):
    ca = limited(certificates_per_names="2/7d")
    client = Client(ca).register()
    client.issue("example.org", "a.example.org")
    client.issue("a.example.org", "example.org")
    reply = client.post(
        "new-order", {"identifiers": [{"type": "dns", "value": n} for n in ("example.org", "a.example.org")]}
    )
    refused(reply, "exactly the names a.example.org,example.org", "2 in 7 days", after=302400)
    assert client.issue("example.org").status == 200
    assert Client(ca).register().issue("example.org", "a.example.org").status == 200


def test_6_6_of_several_limits_the_one_that_lasts_longest_is_told(limited):
    limits = {"new_orders_per_account": "2/2h", "certificates_per_domain": "1/7d", "certificates_per_names": "1/1h"}
    ca = limited(**limits)
    client = Client(ca).register()
    client.issue("a.example.org")
    client.order("example.net")
    names = [{"type": "dns", "value": name} for name in ("a.example.net", "b.example.org")]
    refused(client.post("new-order", {"identifiers": names}), "new certificates for example.org", after=604800)
    refused(client.post("new-order", {"identifiers": names[:1]}), "new orders", after=3600)
    refused(client.post("new-order", {"identifiers": [{"type": "dns", "value": "a.example.org"}]}), after=3600)
    ca.clock.advance(hours=1)
    assert client.issue("a.example.org").status == 200


def test_6_6_what_a_certificate_replaces_counts_for_no_domain_of_which_it_has_no_new_name(limited):
    ca = limited(certificates_per_domain="1/7d")
    client = Client(ca).register()
    old = client.issue("a.example.org", "b.example.org").leaf
    identifier = old.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    serial = old.serial_number.to_bytes(old.serial_number.bit_length() // 8 + 1, "big")
    replaces = f"{b64(identifier)}.{b64(serial)}"
    Client(ca).register().issue("x.example.net")
    name = {"type": "dns", "value": "b.example.org"}
    refused(client.post("new-order", {"identifiers": [name]}), "example.org", after=604800)
    for more in ("b.example.net", "c.example.org"):
        order = {"identifiers": [name, {"type": "dns", "value": more}], "replaces": replaces}
        refused(client.post("new-order", order), f"for {more[2:]}", after=604800)
    assert client.issue("b.example.org", replaces=replaces).status == 200


def test_6_6_changes_of_an_account_are_limited_and_its_end_is_not(limited):
    ca = limited(changes_per_account="2/1h")
    client = Client(ca).register()
    for letter in "ab":
        assert client.post(client.account, {"contact": [f"mailto:{letter}@example.org"]}).status == 200
    refused(client.post(client.account, {"contact": []}), "changes of the account", after=1800)
    refused(client.post("key-change", client.key_change(ec_key())), "changes of the account", after=1800)
    assert client.post(client.account, {}).json["contact"] == ["mailto:b@example.org"]
    assert client.post(client.account, {"status": "deactivated"}).json["status"] == "deactivated"


def test_6_6_refusals_that_are_recorded_are_limited_by_address(limited):
    ca = limited(refusals_per_address="2/1h")
    client = Client(ca).register()
    for _ in range(5):
        assert client.post("new-order", {}).problem == "malformed"
    assert ca.events().count("refused") == 2
    ca.clock.advance(seconds=1800)
    assert client.post("new-order", {}).problem == "malformed"
    assert ca.events().count("refused") == 3
    assert client.ready("example.org").status == 201


def test_6_6_a_limit_that_is_reached_is_recorded_like_any_refusal(limited):
    ca = limited(new_orders_per_account="1/1h")
    client = Client(ca).register()
    client.order("example.org")
    assert client.post("new-order", {"identifiers": [{"type": "dns", "value": "example.org"}]}).status == 429
    assert ca.audit()[-1].detail["type"] == "urn:ietf:params:acme:error:rateLimited"


def test_6_6_without_a_help_url_the_ca_s_website_helps_and_without_that_there_is_no_link(make_ca):
    for acme, link in (({"website": "https://ca.example/"}, '<https://ca.example/>;rel="help"'), ({}, None)):
        ca = make_ca(limits=OFF | {"new_orders_per_account": "1/1h"}, acme=acme)
        client = Client(ca).register()
        client.order("example.org")
        links = client.post("new-order", {"identifiers": [{"type": "dns", "value": "a.b.example"}]}).headers.get_all(
            "Link"
        )
        assert [found for found in links if "help" in found] == ([link] if link else [])


def test_6_6_with_no_limits_there_is_no_row_but_the_one_that_tells_a_renewal(limited):
    ca = limited()
    client = Client(ca).register()
    client.issue("example.org")
    fails(client, "x.example.org")
    account = client.account.rpartition("/")[2]
    assert rows(ca) == [("certificates_per_names", f"{account} example.org")]


def test_6_6_nothing_is_limited_by_the_defaults_that_a_client_does_in_a_day(make_ca):
    ca = make_ca(limits={})
    client = Client(ca).register()
    for name in ("example.org", "example.net", "example.com") * 2:
        assert client.issue(name, f"conference.{name}", f"upload.{name}").status == 200
