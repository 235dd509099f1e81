"""RFC 8659 §5: CAA through a validating resolver, over zones that are signed, unsigned, spoilt or cut short."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dns.dnssec
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdataset
import dns.zone
import pytest

from acme_server.validation.resolver import DnsResolver
from tests.acme_requests import URN, Client
from tests.peers.unbound import signed, unbound, unsigned
from tests.rfc8659.caa_lab import refused

PERMITS = '@ 300 IN CAA 0 issue "ca.example"\n'
FORBIDS = '@ 300 IN CAA 0 issue "other.example"\n'
HOST = "www 300 IN A 192.0.2.1\n"


def exchanged(zone: dns.zone.Zone) -> None:
    """The record that forbids becomes one that permits."""
    permitting = dns.rdataset.from_text("IN", "CAA", 300, '0 issue "ca.example"')
    zone.replace_rdataset(zone.origin, permitting)


def suppressed(zone: dns.zone.Zone) -> None:
    """The record that forbids is gone."""
    zone.delete_rdataset(zone.origin, "CAA")


def unproved(zone: dns.zone.Zone) -> None:
    """It is gone, and with it what could show that it was there."""
    for kind in ("CAA", "NSEC"):
        zone.delete_rdataset(zone.origin, kind)


def without_signature(zone: dns.zone.Zone) -> None:
    for covers in ("CAA", "NSEC"):
        zone.delete_rdataset(zone.origin, "RRSIG", covers)


ZONES = {
    "permits.org": signed("permits.org", PERMITS + HOST),
    "forbids.org": signed("forbids.org", FORBIDS + HOST),
    "silent.org": signed("silent.org", HOST),
    "exchanged.org": signed("exchanged.org", FORBIDS + HOST, spoil=exchanged),
    "suppressed.org": signed("suppressed.org", FORBIDS + HOST, spoil=suppressed),
    "unproved.org": signed("unproved.org", FORBIDS + HOST, spoil=unproved),
    "stripped.org": signed("stripped.org", PERMITS + HOST, spoil=without_signature),
    "expired.org": signed("expired.org", PERMITS + HOST, until=time.time() - 86400),
    "early.org": signed("early.org", PERMITS + HOST, until=time.time() + 4 * 86400),
    "plain.org": unsigned(PERMITS + HOST),
    "plain-forbids.org": unsigned(FORBIDS + HOST),
}


@pytest.fixture(scope="module")
def resolver(peer, tmp_path_factory) -> Iterator[tuple[str, int]]:
    with unbound(peer("unbound"), tmp_path_factory.mktemp("unbound"), ZONES) as address:
        yield address


def kinds(address: tuple[str, int], *names: str) -> dict[str, str]:
    return {name: kind for name, (kind, _, _) in refused(DnsResolver([address]), *names).items()}


@pytest.mark.parametrize("name", ["permits.org", "www.permits.org", "no.such.permits.org", "*.permits.org"])
def test_5_1_a_signed_record_that_permits_is_believed(resolver, name):
    assert kinds(resolver, name) == {}


@pytest.mark.parametrize("name", ["forbids.org", "www.forbids.org", "no.such.forbids.org", "*.forbids.org"])
def test_5_1_a_signed_record_that_forbids_is_believed(resolver, name):
    assert kinds(resolver, name) == {name: "caa"}


@pytest.mark.parametrize("name", ["silent.org", "www.silent.org", "nothing.silent.org"])
def test_5_1_a_signed_proof_that_there_is_no_record_is_an_answer(resolver, name):
    assert kinds(resolver, name) == {}


def test_5_1_records_of_a_zone_without_signatures_count_all_the_same(resolver):
    assert kinds(resolver, "plain.org", "www.plain.org", "plain-forbids.org", "www.plain-forbids.org") == {
        "plain-forbids.org": "caa",
        "www.plain-forbids.org": "caa",
    }


@pytest.mark.parametrize(
    "zone", ["exchanged.org", "suppressed.org", "unproved.org", "stripped.org", "expired.org", "early.org"]
)
@pytest.mark.parametrize("below", ["", "www."])
def test_5_4_an_answer_that_dnssec_finds_bogus_refuses(resolver, zone, below):
    found = refused(DnsResolver([resolver]), below + zone)[below + zone]

    assert found[:2] == ("dns", True)
    assert "SERVFAIL: look at the zone's name servers and its DNSSEC" in found[2]


def test_5_4_a_bogus_name_refuses_itself_alone(resolver):
    assert kinds(resolver, "permits.org", "suppressed.org", "silent.org") == {"suppressed.org": "dns"}


def test_5_1_the_resolver_of_these_tests_does_validate(resolver):
    def answered(name: str) -> tuple[str, bool]:
        query = dns.message.make_query(name, "CAA", want_dnssec=True)
        answer = dns.query.udp(query, resolver[0], port=resolver[1], timeout=5)
        return dns.rcode.to_text(answer.rcode()), bool(answer.flags & dns.flags.AD)

    assert answered("permits.org") == ("NOERROR", True)
    assert answered("silent.org") == ("NOERROR", True)
    assert answered("no.silent.org") == ("NXDOMAIN", True)
    assert answered("plain.org") == ("NOERROR", False)
    assert answered("suppressed.org") == ("SERVFAIL", False)


def test_5_4_the_server_asks_the_resolver_of_its_configuration(make_ca, resolver):
    ca = make_ca(parts={"caa": None}, validation={"nameservers": [f"{resolver[0]}:{resolver[1]}"]})
    client = Client(ca).register()
    names = ["www.permits.org", "www.forbids.org", "www.suppressed.org"]
    kinds = []
    for name in names:
        order = client.order(name)
        (url,) = order.json["authorizations"]
        client.post(client.publish(url)["url"], {})
        (challenge,) = [part for part in client.post(url).json["challenges"] if part["type"] == "http-01"]
        kinds.append((challenge["status"], challenge.get("error", {}).get("type", "").removeprefix(URN)))
    assert kinds == [("valid", ""), ("invalid", "caa"), ("processing", "dns")]


def test_5_1_a_name_that_a_signed_zone_permits_is_certified(make_ca, resolver):
    ca = make_ca(parts={"caa": None}, validation={"nameservers": [f"{resolver[0]}:{resolver[1]}"]})
    client = Client(ca).register()
    order = client.ready("www.permits.org", "www.silent.org", "www.plain.org")
    ca.clock.advance(hours=9)
    assert client.finalize(order).json["status"] == "valid"
