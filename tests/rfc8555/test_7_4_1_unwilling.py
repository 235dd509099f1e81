"""RFC 8555 §7.4.1: what the server would not issue for is refused before there is an authorization."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client


@pytest.mark.parametrize(
    ("identifier", "problem"),
    [
        ({"type": "dns", "value": "localhost"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "co.uk"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "refused.example"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "below.refused.example"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "yahoo.com"}, "rejectedIdentifier"),
        ({"type": "email", "value": "a@example.org"}, "unsupportedIdentifier"),
        ({"type": "ip", "value": "192.0.2.1"}, "unsupportedIdentifier"),
    ],
)
def test_7_4_1_an_identifier_that_is_not_issued_for_is_403_with_the_reason_and_nothing_is_made(
    make_ca, identifier, problem
):
    ca = make_ca(names={"refused": ["refused.example"], "high_value": ["yahoo.com"]})
    reply = Client(ca).register().post("new-authz", {"identifier": identifier})
    assert reply.problem == problem
    assert len(reply.json["detail"]) > 10
    assert ca.rows("SELECT count(*) FROM authorizations") == [(0,)]
    assert reply.status == 403
