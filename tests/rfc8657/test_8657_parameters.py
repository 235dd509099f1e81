"""RFC 8657: records that are for one account, or for some ways of proving a name, as tables."""

from __future__ import annotations

import pytest

from acme_server.validation.caa import Asked, Property, obstacle

US = "https://ca.example/acme/account/Zk3q"
OTHER = "https://ca.example/acme/account/zk3q"
TYPES = ["http-01", "dns-01", "tls-alpn-01", "dns-account-01", "dns-persist-01", "email-01", "xmpp-01"]


def judged(*values: str, method: str = "dns-01", wildcard: bool = False) -> str | None:
    tag = "issuewild" if wildcard else "issue"
    records = [Property(0, tag, value.encode("latin-1")) for value in values]
    return obstacle(records, Asked("example.org", US, method, wildcard), ("ca.example",))


@pytest.mark.parametrize("wildcard", [False, True])
@pytest.mark.parametrize("tag", ["accounturi", "AccountURI"])
def test_3_a_property_with_accounturi_permits_this_account_alone(tag, wildcard):
    assert judged(f"ca.example; {tag}={US}", wildcard=wildcard) is None
    assert judged(f"ca.example;{tag} = {US}", wildcard=wildcard) is None
    assert "it is for the account" in judged(f"ca.example; {tag}={OTHER}", wildcard=wildcard)


def test_3_a_property_without_accounturi_permits_any_account():
    assert judged("ca.example; other=x") is None


@pytest.mark.parametrize(
    "uri",
    ["", "Zk3q", US + "/", US.upper(), US.replace("https", "http"), US + "?", f'"{US}"', "https://[", US + "," + US],
)
def test_3_a_property_with_a_uri_that_is_not_recognised_permits_nobody(uri):
    assert judged(f"ca.example; accounturi={uri}") is not None


@pytest.mark.parametrize("second", [US, OTHER, ""])
@pytest.mark.parametrize("tag", ["accounturi", "ACCOUNTURI"])
def test_3_a_property_with_two_accounturis_permits_nobody(second, tag):
    assert judged(f"ca.example; accounturi={US}; {tag}={second}") is not None
    assert judged(f"ca.example; {tag}={second}; accounturi={US}") is not None


def test_3_an_accounturi_in_a_record_for_another_ca_means_nothing_here():
    assert judged(f"other.example; accounturi={US}") is not None


def test_3_several_properties_name_several_accounts():
    assert judged(f"ca.example; accounturi={OTHER}", f"ca.example; accounturi={US}") is None
    assert judged(f"ca.example; accounturi={OTHER}", "ca.example") is None
    assert judged(f"ca.example; accounturi={OTHER}", f"ca.example; accounturi={OTHER}") is not None


@pytest.mark.parametrize("method", TYPES)
@pytest.mark.parametrize("wildcard", [False, True])
def test_4_a_property_with_validationmethods_permits_these_alone(method, wildcard):
    assert judged("ca.example", method=method, wildcard=wildcard) is None
    for listed in (method, f"x-01,{method}", f"{method},y-01", f"x-01,{method},y-01"):
        assert judged(f"ca.example; validationmethods={listed}", method=method, wildcard=wildcard) is None
    for others in ("x-01", f"x{method}", f"{method}x", method.upper(), ",".join(set(TYPES) - {method})):
        said = judged(f"ca.example; ValidationMethods={others}", method=method, wildcard=wildcard)
        assert f"not by {method}" in said


@pytest.mark.parametrize("method", TYPES)
def test_4_methods_that_are_ours_alone_have_a_name_that_begins_with_ca_as_well(method):
    said = judged(f"ca.example; validationmethods=ca-{method}", method=method)

    assert (said is None) == (method in {"email-01", "xmpp-01"})


@pytest.mark.parametrize("listed", ["", ",", "dns-01,", ",dns-01", "dns-01,,x", "dns-01,x_y", "dns-01:x", "dns-01,*"])
def test_4_a_list_outside_the_grammar_permits_nothing(listed):
    assert judged(f"ca.example; validationmethods={listed}") is not None


@pytest.mark.parametrize("more", ["dns-01", "http-01"])
def test_4_a_property_with_two_lists_permits_nothing(more):
    assert judged(f"ca.example; validationmethods=dns-01; validationmethods={more}") is not None


@pytest.mark.parametrize(
    ("account", "method", "permitted"),
    [(US, "dns-01", True), (US, "http-01", False), (OTHER, "dns-01", False), (OTHER, "http-01", False)],
)
def test_4_a_property_with_both_wants_both(account, method, permitted):
    said = judged(f"ca.example; accounturi={account}; validationmethods={method}")

    assert (said is None) == permitted


def test_4_what_one_property_lacks_another_may_not_lend():
    values = [
        f"ca.example; accounturi={US}; validationmethods=http-01",
        f"ca.example; accounturi={OTHER}; validationmethods=dns-01",
    ]

    assert judged(*values) is not None
    assert judged(*values, method="http-01") is None
