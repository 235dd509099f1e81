"""An account does what it likes in any sequence, time goes on, jobs are lost: what must stay true stays true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from challenges.base import Error, Fault
from tests.acme_requests import Client, b64, csr, ec_key
from tests.audit_chain import broken_link
from tests.in_process import build

KEY = ec_key()
CERTIFICATE_KEY = ec_key()
NAMES = ("example.org", "www.example.org", "example.net")
REQUESTS = {name: csr([name], CERTIFICATE_KEY) for name in NAMES}
ORDER_STEPS = {
    "pending": {"ready", "processing", "valid", "invalid"},
    "ready": {"processing", "valid", "invalid"},
    "processing": {"valid", "invalid"},
    "valid": set(),
    "invalid": set(),
}
"""What may be seen next: between two looks more than one step may have been made (RFC 8555 §7.1.6)."""


class Issuance(RuleBasedStateMachine):
    copies: Callable[[], Path]

    def __init__(self):
        super().__init__()
        self.ca = build(type(self).copies(), mail=None)
        self.client = Client(self.ca, KEY).register()
        self.orders = []
        self.authorizations = set()
        self.seen = {}
        self.issued = {}

    def teardown(self):
        self.ca.close()

    def some_order(self, index):
        return self.orders[index % len(self.orders)]

    @rule(name=st.sampled_from(NAMES))
    def order(self, name):
        self.orders.append(self.client.order(name))

    @rule(name=st.sampled_from(NAMES), proved=st.booleans())
    def authorize_in_advance(self, name, proved):
        reply = self.client.post("new-authz", {"identifier": {"type": "dns", "value": name}})
        assert (reply.status, reply.json["status"] in {"pending", "valid"}) == (201, True)
        if proved and reply.json["status"] == "pending":
            self.ca.network.down = None
            self.client.post(self.client.publish(reply.location)["url"], {})
            # Unless an answer that came before has used up its tries.
            if self.client.post(reply.location).json["status"] == "valid":
                assert self.client.order(name).json["status"] == "ready"
        self.authorizations.add(reply.location)

    @rule(name=st.sampled_from(NAMES))
    def a_wildcard_is_refused(self, name):
        for resource, member in (("new-order", "identifiers"), ("new-authz", "identifier")):
            identifier = {"type": "dns", "value": f"*.{name}"}
            payload = {member: [identifier] if member == "identifiers" else identifier}
            assert self.client.post(resource, payload).problem == "rejectedIdentifier"

    @precondition(lambda self: self.authorizations)
    @rule(index=st.integers(0, 20))
    def give_up(self, index):
        url = sorted(self.authorizations)[index % len(self.authorizations)]
        was = self.client.post(url).json["status"]
        reply = self.client.post(url, {"status": "deactivated"})
        assert (reply.status == 200) == (was in {"pending", "valid"})
        assert self.client.post(url).json["status"] == ("deactivated" if reply.status == 200 else was)

    @precondition(lambda self: self.orders)
    @rule(index=st.integers(0, 20), how=st.sampled_from(["right", "wrong", "down"]))
    def respond(self, index, how):
        (authorization,) = self.some_order(index).json["authorizations"]
        shown = self.client.post(authorization).json["challenges"][0]
        self.ca.network.down = Fault(Error("connection", "down"), transient=True) if how == "down" else None
        if how == "right":
            self.client.publish(authorization)
        elif how == "wrong":
            self.ca.network.pages.clear()
        self.client.post(shown["url"], {})

    @precondition(lambda self: self.orders)
    @rule(index=st.integers(0, 20))
    def deactivate(self, index):
        self.client.post(self.some_order(index).json["authorizations"][0], {"status": "deactivated"})

    @precondition(lambda self: self.orders)
    @rule(index=st.integers(0, 20))
    def finalize(self, index):
        order = self.some_order(index)
        was = self.client.post(order.location).json["status"]
        reply = self.client.finalize(order, REQUESTS[order.json["identifiers"][0]["value"]])
        assert (reply.status == 200) == (was in {"ready", "processing", "valid"})

    @precondition(lambda self: self.issued)
    @rule(index=st.integers(0, 20))
    def revoke(self, index):
        url = sorted(self.issued)[index % len(self.issued)]
        der = self.client.post(url).leaf.public_bytes(Encoding.DER)
        assert self.client.post("revoke-cert", {"certificate": b64(der)}).status in {200, 400}

    @rule(seconds=st.sampled_from([1, 5, 61, 86_400, 4 * 86_400]))
    def time_goes_on(self, seconds):
        self.ca.clock.advance(seconds=seconds)

    @rule()
    def jobs_are_done(self):
        self.ca.work_off()

    @invariant()
    def an_order_moves_only_as_it_is_drawn(self):
        for order in self.orders:
            shown = self.client.post(order.location).json
            was = self.seen.get(order.location, "pending")
            assert shown["status"] == was or shown["status"] in ORDER_STEPS[was], (was, shown["status"])
            self.seen[order.location] = shown["status"]
            assert ("error" in shown) == (shown["status"] == "invalid")
            if shown["status"] == "valid":
                self.issued.setdefault(shown["certificate"], order.location)
                assert self.issued[shown["certificate"]] == order.location

    @invariant()
    def no_certificate_is_unrecorded_and_none_rests_on_nothing(self):
        certificates = self.ca.rows("SELECT serial, order_id, status FROM certificates")
        assert {status for _, _, status in certificates} <= {"issued"}
        orders = dict(self.ca.rows("SELECT certificate, id FROM orders WHERE certificate IS NOT NULL"))
        assert {serial: order for serial, order, _ in certificates} == orders
        proved = {
            record.detail["identifier"]["value"] for record in self.ca.audit() if record.event == "authorization_valid"
        }
        assert {name for (name,) in self.ca.rows(QUERY)} <= proved

    @invariant()
    def the_audit_chain_holds(self):
        assert broken_link(self.ca.audit()) is None


QUERY = "SELECT i.value FROM order_identifiers i JOIN orders o ON o.id = i.order_id WHERE o.certificate IS NOT NULL"


@pytest.fixture(scope="module", autouse=True)
def _folders(_copies):
    Issuance.copies = staticmethod(_copies)


TestIssuance = Issuance.TestCase
TestIssuance.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
