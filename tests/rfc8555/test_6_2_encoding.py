"""RFC 8555 §6.2, RFC 7515, RFC 8259: the octets of a request can be read in one way only, or are refused."""

from __future__ import annotations

import json

import pytest

from tests.acme_requests import Client, ec_key, flattened

KEY = ec_key()


@pytest.fixture
def client(ca):
    return Client(ca, KEY).register()


def refused(reply):
    """(status, error), of a reply that Client.deliver has found to be a problem document with a nonce."""
    return reply.status, reply.problem


BAD_JSON = [
    '{"alg":"ES256","alg":"ES256"%s}',
    '{"x":{"a":1,"a":2}%s}',
    '{"x":[{"a":1,"\\u0061":2}]%s}',
    '{"x":NaN%s}',
    '{"x":-Infinity%s}',
    '{"x":1e999%s}',
    '{"x":-1e999%s}',
    '{"x":' + "9" * 33 + "%s}",
    '{"x":' + "9" * 20000 + "%s}",
    '{"x":1.' + "9" * 40 + "%s}",
    '{"x":"\\ud800"%s}',
    '{"\\udfff":1%s}',
    '{"x":' + "[" * 20000 + "]" * 20000 + "%s}",
    '{"x":' + "[" * 40000,
    '{"x":' + '{"a":' * 7000,
    "{\"x\":'a'%s}",
    '{"x":1,%s}',
    '{"x":01%s}',
    '{"x":"\x01"%s}',
    '\ufeff{"x":1%s}',
    '{"x":1%s} {}',
    "[]",
    '"a"',
    "1",
    "null",
    "",
    " ",
]
BAD_OCTETS = [b"\xff", b'{"x":"\xc0\xaf"}', b'{"x":"\xed\xa0\x80"}', '{"x":1}'.encode("utf-16")]


@pytest.mark.parametrize("text", [*BAD_JSON, *BAD_OCTETS], ids=range(len(BAD_JSON) + len(BAD_OCTETS)))
def test_6_2_json_that_two_parsers_read_in_two_ways_is_malformed_wherever_it_stands(client, text):
    def filled(members):
        if isinstance(text, bytes):
            return text
        return text.replace("%s", "," + json.dumps(members)[1:-1] if members else "").encode()

    header = client.header("new-order")
    in_header = flattened(KEY, filled(header), b"{}")
    in_payload = flattened(KEY, header, filled({"identifiers": []}))
    in_body = filled(flattened(KEY, header, b"{}"))
    assert refused(client.deliver("new-order", in_header)) == (400, "malformed")
    assert refused(client.deliver("new-order", in_body)) == (400, "malformed")
    assert refused(client.deliver("new-order", in_payload)) == (400, "malformed")


def test_6_2_a_body_of_nothing_but_brackets_is_too_large_before_it_is_parsed(client):
    assert refused(client.deliver("new-order", b"[" * 100_000)) == (413, "malformed")
    assert refused(client.deliver("revoke-cert", b"[" * 100_000)) == (400, "malformed")
    assert refused(client.deliver("revoke-cert", b"[" * (1024 * 1024 + 1))) == (413, "malformed")


@pytest.mark.parametrize("member", ["protected", "payload", "signature"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "=",
        lambda text: text + "==",
        lambda text: text[:8] + " " + text[8:],
        lambda text: text[:8] + "\n" + text[8:],
        lambda text: text + "\n",
        lambda text: text[:8] + "+/" + text[8:],
        lambda text: text + "é",
        lambda text: "A",
        lambda text: "AAAAA",
        lambda text: "AB",  # the last four bits encode nothing and are not zero
        lambda text: "AAB",
        lambda text: 1,
        lambda text: None,
        lambda text: [text],
    ],
    ids=range(14),
)
def test_6_2_only_canonical_base64url_without_padding(client, member, change):
    body = flattened(KEY, client.header("new-order"), {"identifiers": [{"type": "dns", "value": "example.org"}]})
    reply = client.deliver("new-order", body | {member: change(body[member])})
    assert refused(reply) == (400, "malformed")


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body | {"header": {"kid": "x"}},
        lambda body: body | {"header": {}},
        lambda body: body | {"x": 1},
        lambda body: {name: value for name, value in body.items() if name != "signature"},
        lambda body: {name: value for name, value in body.items() if name != "payload"},
        lambda body: {name: value for name, value in body.items() if name != "protected"},
        lambda body: {"payload": body["payload"], "signatures": [{k: body[k] for k in ("protected", "signature")}]},
        lambda body: body | {"signatures": [{k: body[k] for k in ("protected", "signature")}]},
        lambda body: [body],
        lambda body: {},
    ],
    ids=range(10),
)
def test_6_2_nothing_but_a_flattened_jws_without_unprotected_header(client, change):
    body = change(flattened(KEY, client.header(client.account), None))
    assert refused(client.deliver(client.account, json.dumps(body).encode())) == (400, "malformed")


def test_6_2_a_compact_jws_is_malformed(client):
    body = flattened(KEY, client.header(client.account), None)
    compact = f"{body['protected']}.{body['payload']}.{body['signature']}"
    for text in (compact, json.dumps(compact)):
        assert refused(client.deliver(client.account, text.encode())) == (400, "malformed")
