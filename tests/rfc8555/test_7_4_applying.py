"""RFC 8555 §7.4: newOrder, finalize, and what stands between them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme_requests import Client, b64, csr, ec_key, rsa_key
from tests.in_process import HoldingPool


@pytest.fixture
def client(ca):
    return Client(ca).register()


def dns(name):
    return {"type": "dns", "value": name}


def certificates(ca):
    return ca.rows("SELECT count(*) FROM certificates")[0][0]


def test_7_4_a_new_order_is_201_pending_with_one_authorization_for_each_name(ca, client):
    reply = client.order("example.org", "www.example.org")
    assert reply.location.startswith(f"{ca.url}/acme/order/")
    order = reply.json
    assert order["status"] == "pending"
    assert order["identifiers"] == [dns("example.org"), dns("www.example.org")]
    assert order["profile"] == "xmpp"
    assert order["expires"] == "2026-06-08T12:00:00Z"
    assert order["finalize"] == reply.location + "/finalize"
    assert len(order["authorizations"]) == 2
    assert client.post(reply.location).json == order
    assert "certificate" not in order
    assert "error" not in order


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("EXAMPLE.org", "example.org"),
        ("xn--bcher-kva.example.org", "xn--bcher-kva.example.org"),
        ("a" * 63 + ".example.org", "a" * 63 + ".example.org"),
        (".".join(["a" * 49] * 4) + ".example.org", ".".join(["a" * 49] * 4) + ".example.org"),
    ],
)
def test_7_4_a_name_is_taken_in_lower_case(client, asked, got):
    assert client.order(asked).json["identifiers"] == [dns(got)]


BAD_NAMES = [
    *("", ".", "org", "localhost", "co.uk", "github.io", "host.local", "x.onion", "x.arpa"),
    *("*.example.org", "a.*.example.org", "*", ".example.org", "example.org.", "a..example.org"),
    *("192.0.2.1", "2130706433", "0x7f.1", "1.2.3.4.5", "[2001:db8::1]", "2001:db8::1"),
    *("exa mple.org", "example.org\n", "example.org\0", "\texample.org", "a_b.example.org", "-a.example.org"),
    *("a-.example.org", "user@example.org", "example.org/res", "https://example.org", "example.org:443"),
    *("bücher.example.org", "\u212aexample.org", "\uff45xample.org", "example\u3002org", "exam\u200dple.org"),
    *("xn--a.example.org", "xn--bcher-kva-.example.org", "xn--fa-hia.xn--.org", "ab--c.example.org", "xn--strae-oqa."),
    *("a" * 64 + ".example.org", "a." * 127 + "org", "a" * 40_000 + ".org"),
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_7_4_a_name_that_nobody_can_prove_or_everybody_reads_otherwise_is_rejectedIdentifier(ca, client, name):
    reply = client.post("new-order", {"identifiers": [dns("example.org"), dns(name)]})
    assert (reply.status, reply.problem) == (400, "rejectedIdentifier")
    assert len(reply.content) < 1000
    assert ca.rows("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM authorizations)") == [(0,)]


@pytest.mark.parametrize(
    ("identifiers", "problem"),
    [
        (None, "malformed"),
        ([], "malformed"),
        ({}, "malformed"),
        ("example.org", "malformed"),
        (["example.org"], "malformed"),
        ([None], "malformed"),
        ([{}], "malformed"),
        ([{"type": "dns"}], "malformed"),
        ([{"value": "example.org"}], "malformed"),
        ([{"type": "dns", "value": 1}], "malformed"),
        ([{"type": ["dns"], "value": "example.org"}], "malformed"),
        ([{"type": "dns", "value": "example.org", "ancestorDomain": 1}], "malformed"),
        ([dns(f"n{number}.example.org") for number in range(101)], "malformed"),
        ([dns("example.org")] * 101, "malformed"),
        ([{"type": "DNS", "value": "example.org"}], "unsupportedIdentifier"),
        ([{"type": "ip", "value": "192.0.2.1"}], "unsupportedIdentifier"),
        ([{"type": "email", "value": "a@example.org"}], "unsupportedIdentifier"),
        ([{"type": "\0", "value": "example.org"}], "unsupportedIdentifier"),
    ],
)
def test_7_4_identifiers_that_are_not_a_list_of_one_to_a_hundred_dns_names_are_refused(client, identifiers, problem):
    assert client.post("new-order", {"identifiers": identifiers}).problem == problem


def test_7_4_an_order_takes_a_hundred_names(client):
    assert len(client.order(*(f"n{number}.example.org" for number in range(100))).json["authorizations"]) == 100


def test_7_4_a_name_asked_for_twice_is_taken_once(client):
    assert client.order("example.org", "Example.ORG").json["identifiers"] == [dns("example.org")]


@pytest.mark.parametrize("profile", ["xmpp", "xmpp-compat", "tls"])
def test_7_4_the_profile_asked_for_is_shown_and_made(client, profile):
    order = client.ready("example.org", profile=profile)
    assert order.json["profile"] == profile
    leaf = client.post(client.finalize(order).json["certificate"]).leaf
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert len(list(names)) == {"xmpp": 4, "xmpp-compat": 3, "tls": 1}[profile]


@pytest.mark.parametrize("profile", ["", "XMPP", "none", None, 1, ["xmpp"], {"xmpp": 1}])
def test_7_4_an_unknown_profile_is_invalidProfile(client, profile):
    assert (
        client.post("new-order", {"identifiers": [dns("example.org")], "profile": profile}).problem == "invalidProfile"
    )


def test_7_4_the_default_profile_is_configured(make_ca):
    assert Client(make_ca(acme={"default_profile": "tls"})).register().order("example.org").json["profile"] == "tls"


def test_7_4_finalize_before_ready_is_orderNotReady(ca, client):
    order = client.order("example.org", "www.example.org")
    reply = client.finalize(order)
    assert (reply.status, reply.problem) == (403, "orderNotReady")
    client.post(client.publish(order.json["authorizations"][0])["url"], {})
    assert client.finalize(order).problem == "orderNotReady"
    assert client.post(order.location).json["status"] == "pending"
    assert certificates(ca) == 0


def test_7_4_proved_names_make_the_order_ready_and_finalize_makes_it_valid(ca, client):
    order = client.ready("example.org", "www.example.org")
    assert client.post(order.location).json["status"] == "ready"
    done = client.finalize(order)
    assert (done.status, done.json["status"], done.location) == (200, "valid", order.location)
    assert done.json["certificate"].startswith(f"{ca.url}/acme/certificate/")
    assert client.post(order.location).json == done.json


@pytest.mark.parametrize(
    "request_",
    [
        lambda: csr([]),
        lambda: csr(["example.org"]),
        lambda: csr(["example.org", "www.example.org", "evil.example.org"]),
        lambda: csr(["example.org", "evil.example.org"]),
        lambda: csr(["example.org", "www.example.org"], common_name="evil.example.org"),
        lambda: csr(["example.org", "*.example.org"]),
        lambda: csr(["example.org", "www.example.org"], ec_key(ec.SECP256K1())),
        lambda: csr(["example.org", "www.example.org"], rsa.generate_private_key(65537, 1024)),
        lambda: b64(b"rubbish"),
        lambda: "",
        lambda: csr(["example.org", "www.example.org"]) + "AAAA",
    ],
    ids=range(11),
)
def test_7_4_a_csr_that_is_not_the_orders_is_badCSR_and_the_order_stays_ready(ca, client, request_):
    order = client.ready("example.org", "www.example.org")
    reply = client.finalize(order, request_())
    assert (reply.status, reply.problem) == (400, "badCSR")
    assert client.post(order.location).json["status"] == "ready"
    assert certificates(ca) == 0
    assert client.finalize(order).json["status"] == "valid"


def test_7_4_a_csr_by_ed25519_is_taken(client):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("example.org")]), critical=False)
    der = builder.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.DER)
    assert client.finalize(client.ready("example.org"), b64(der)).json["status"] == "valid"


@pytest.mark.parametrize("value", [None, 1, [], "a b", "AAA=", "A"])
def test_7_4_a_csr_that_is_not_base64url_is_malformed(client, value):
    order = client.ready("example.org")
    assert client.post(order.json["finalize"], {"csr": value}).problem == "malformed"
    assert client.post(order.json["finalize"], {}).problem == "malformed"


def test_7_4_a_csr_larger_than_any_sound_one_is_badCSR(client):
    order = client.ready("example.org")
    assert client.post(order.json["finalize"], {"csr": "A" * 700_000}).problem == "badCSR"


@pytest.mark.parametrize("key", [ec_key(), rsa_key()], ids=["EC", "RSA"])
def test_11_1_the_account_key_is_no_certificate_key(ca, key):
    client = Client(ca, key).register()
    order = client.ready("example.org")
    assert client.finalize(order, csr(["example.org"], key)).problem == "badCSR"
    assert certificates(ca) == 0


def test_7_4_the_same_finalize_again_is_answered_with_the_order(ca, client):
    order, request = client.ready("example.org"), csr(["example.org"])
    first, again = client.finalize(order, request), client.finalize(order, request)
    assert (again.status, again.json) == (200, first.json)
    assert certificates(ca) == 1


def test_7_4_another_finalize_of_a_valid_order_is_orderNotReady(ca, client):
    order = client.ready("example.org")
    client.finalize(order)
    assert client.finalize(order).problem == "orderNotReady"
    assert certificates(ca) == 1


def test_7_4_parallel_finalizes_make_one_certificate(ca, client):
    order = client.ready("example.org")

    def finalize(_):
        clone = Client(ca, client.key)
        clone.account = client.account
        return clone.finalize(order, csr(["example.org"]))

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(finalize, range(16)))
    good = [reply for reply in replies if reply.status == 200]
    assert len(good) == 1
    assert {reply.problem for reply in replies if reply.status != 200} == {"orderNotReady"}
    assert certificates(ca) == 1
    assert ca.events().count("certificate_issued") == 1


def test_7_4_while_it_is_made_the_order_is_processing_with_Retry_After(make_ca):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool})
    client = Client(ca).register()
    order = client.order("example.org")
    challenge = client.publish(order.json["authorizations"][0])
    client.post(challenge["url"], {})
    pool.let_go()
    request = csr(["example.org"])
    for reply in (client.finalize(order, request), client.post(order.location), client.finalize(order, request)):
        assert (reply.status, reply.json["status"], reply.headers["Retry-After"]) == (200, "processing", "1")
        assert "certificate" not in reply.json
    assert client.finalize(order).problem == "orderNotReady"
    pool.let_go()
    done = client.post(order.location)
    assert done.json["status"] == "valid"
    assert "Retry-After" not in done.headers


@pytest.mark.parametrize("loss", ["authorization", "account", "time"])
def test_7_4_what_is_lost_between_finalize_and_signature_ends_the_order_without_certificate(make_ca, loss):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool})
    client = Client(ca).register()
    order = client.order("example.org", "www.example.org")
    for authorization in order.json["authorizations"]:
        client.post(client.publish(authorization)["url"], {})
    pool.let_go()
    assert client.finalize(order).json["status"] == "processing"
    if loss == "authorization":
        client.post(order.json["authorizations"][1], {"status": "deactivated"})
    elif loss == "account":
        client.post(client.account, {"status": "deactivated"})
    else:
        ca.clock.advance(days=11)
    pool.let_go()
    (error,) = ca.rows("SELECT error FROM orders")[0]
    assert "unauthorized" in error
    assert certificates(ca) == 0
    if loss != "account":
        shown = client.post(order.location).json
        assert (shown["status"], shown["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:unauthorized")


def test_7_4_an_order_ends_when_it_expires(ca, client):
    order = client.ready("example.org")
    ca.clock.advance(days=7)
    assert client.post(order.location).json["status"] == "invalid"
    assert client.finalize(order).problem == "orderNotReady"


def test_7_4_a_valid_order_stays_valid_after_its_expiry(ca, client):
    order = client.ready("example.org")
    client.finalize(order)
    ca.clock.advance(days=400)
    assert client.post(order.location).json["status"] == "valid"


def test_7_4_the_rsa_key_of_a_certificate_is_taken(client):
    assert client.issue("example.org", key=rsa_key()).leaf.public_key().key_size == 2048
