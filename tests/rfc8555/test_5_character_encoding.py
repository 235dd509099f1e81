"""RFC 8555 §5: everything that goes to and fro is UTF-8; what comes in otherwise is in `test_6_2_encoding.py`."""

from __future__ import annotations

import json

from tests.acme_requests import Client


def test_5_replies_are_utf_8_whatever_names_they_tell(ca):
    names = ["bücher.example", "例え.example"]
    reply = Client(ca).register().post("new-order", {"identifiers": [{"type": "dns", "value": name} for name in names]})

    told = json.loads(reply.content.decode("utf-8"))
    assert [part["identifier"]["value"] for part in told["subproblems"]] == names
    assert not reply.content.isascii()
