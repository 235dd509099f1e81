"""RFC 8555 §6.3: everything but the directory, newNonce and the CA's own files is read by signed POSTs."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client

SIGNED = [
    "new-account",
    "new-order",
    "revoke-cert",
    "account/x",
    "order/x",
    "order/x/finalize",
    "authorization/x",
    "challenge/x",
    "certificate/x",
]


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("url", SIGNED)
def test_6_3_another_method_than_POST_is_405_malformed_and_says_which_is_right(client, url, method):
    reply = client.send(method, url)
    assert reply.status == 405
    assert "POST" in reply.headers["Allow"]
    if method != "HEAD":
        assert reply.problem == "malformed"


def test_6_3_a_GET_of_ones_own_objects_tells_nothing(client):
    order = client.ready("example.org")
    done = client.finalize(order)
    for url in (client.account, order.location, *order.json["authorizations"], done.json["certificate"]):
        reply = client.send("GET", url)
        assert (reply.status, reply.problem) == (405, "malformed")
        assert b"example.org" not in reply.content


@pytest.mark.parametrize("resource", ["directory", "acme/new-nonce"])
def test_6_3_directory_and_new_nonce_take_a_POST_as_GET_too(ca, client, resource):
    url = f"{ca.url}/{resource}"
    reply, plain = client.post(url), client.send("GET", url)
    assert (reply.status, reply.content) == (plain.status, plain.content)
    assert client.post(url, {}).problem == "malformed"


@pytest.mark.parametrize("payload", [{}, {"status": "valid"}, b"x"])
def test_6_3_a_POST_as_GET_has_an_empty_payload(client, payload):
    order = client.ready("example.org")
    done = client.finalize(order)
    for url in (order.location, done.json["certificate"]):
        assert client.post(url, payload).problem == "malformed"


def test_6_3_a_read_changes_nothing(ca, client):
    order = client.order("example.org")
    before = ca.rows("SELECT * FROM orders"), ca.rows("SELECT * FROM challenges"), ca.rows("SELECT * FROM audit")
    authorization = order.json["authorizations"][0]
    for url in (order.location, authorization, client.challenge(authorization, "http-01")["url"]):
        assert client.post(url).status == 200
    assert before == (
        ca.rows("SELECT * FROM orders"),
        ca.rows("SELECT * FROM challenges"),
        ca.rows("SELECT * FROM audit"),
    )


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/acme",
        "/acme/",
        "/acme/new-order/",
        "//acme/new-order",
        "/acme//new-order",
        "/x",
        "/directory/",
        "/pki/x.cer",
        "/pki/x.crl",
        "/pki/..%2fca%2fissuer.key",
        "/static/x",
        "/\udcff",
        "/%ff%00",
    ],
)
def test_6_3_a_url_that_is_none_is_404_malformed_and_never_a_redirect(ca, client, url):
    for method in ("GET", "POST"):
        reply = client.send(method, ca.url + url.encode("utf-8", "replace").decode())
        assert reply.status in {404, 405}
        assert reply.problem == "malformed"
