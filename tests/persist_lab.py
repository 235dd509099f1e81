"""A server that offers dns-persist-01 and nothing else, and the zone that it looks into."""

from __future__ import annotations

from datetime import timedelta

from challenges.base import TxtAnswer
from challenges.dns_persist_01 import DnsPersist01
from challenges.persist_record import hashed_account
from tests.acme_requests import ec_key, thumbprint
from tests.in_process import NOW, Clock

__all__ = ["NAME", "URN", "Zone", "answer", "build", "change_key", "record", "seconds"]

NAME = "_validation-persist.example.org"
URN = "urn:ietf:params:acme:error:"


class Zone:
    """The TXT records at that name, and how often somebody has asked."""

    def __init__(self):
        self.records, self.asked, self.fault = [], [], None

    def txt(self, name):
        self.asked.append(name)
        if self.fault is not None:
            raise self.fault
        return TxtAnswer(name, tuple(record.encode() for record in self.records), name)


def build(make_ca, zone, **sections):
    clock = Clock()
    parts = {"clock": clock, "network": zone, "challenges": {"dns-persist-01": DnsPersist01(now=clock)}}
    made = make_ca(parts=parts, **sections)
    made.clock = clock
    return made


def seconds(**change):
    return int((NOW + timedelta(**change)).timestamp())


def record(client, meta, more="", *, key=None, domain="example.org"):
    account = hashed_account(meta["accountHashPrefix"], domain, thumbprint(key or client.key), client.account)
    return f"{meta['issuerDomainNames'][0]}; accounturi={account}{more}"


def answer(client, *identifiers):
    """The challenge after a response to it, of a new order; and the order."""
    order = client.order(*(identifiers or ("example.org",)))
    (authorization,) = order.json["authorizations"]
    challenge = client.challenge(authorization, "dns-persist-01")
    return client.post(challenge["url"], {}).json, order


def change_key(client):
    new = ec_key()
    assert client.post("key-change", client.key_change(new)).status == 200
    client.key = new
