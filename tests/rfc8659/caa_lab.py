"""What the tests of CAA share: records in tables, what a look-up says of them, and what an order ends with."""

from __future__ import annotations

from dataclasses import dataclass, field

from acme_server.validation.caa import Asked, Property
from acme_server.validation.caa_lookup import CaaLookup, CaaRecords
from challenges.base import Error, Fault
from tests.acme_requests import URN, Client, Reply
from tests.in_process import Ca

ISSUER = "ca.example"
ACCOUNT = "https://ca.example/acme/account/1"
FORBIDDEN = Fault(Error("caa", "CAA at org forbids it"), transient=False)
FAILED = Fault(Error("dns", "CAA could not be checked"), transient=True)
LOOPED = Fault(Error("dns", "a loop of CNAMEs"), transient=False)


def asked(name: str) -> Asked:
    return Asked(name.removeprefix("*."), ACCOUNT, "dns-01", name.startswith("*."))


def issue(value: str, tag: str = "issue") -> Property:
    return Property(0, tag, value.encode())


@dataclass
class Tables:
    """Implements `CaaRecords`."""

    table: dict[str, tuple[Property, ...] | Fault]
    asked: list[str] = field(default_factory=list)

    def caa(self, name: str, deadline: float) -> tuple[Property, ...]:
        self.asked.append(name)
        found = self.table.get(name, ())
        if isinstance(found, Fault):
            raise found
        return found


def refused(records: CaaRecords, *names: str, **options: float) -> dict[str, tuple[str, bool, str]]:
    """Name -> kind, whether it passes, and detail of its refusal."""
    found = CaaLookup(records, (ISSUER,), **options).refusals([asked(name) for name in names])
    return {
        ("*." if each.wildcard else "") + each.name: (fault.error.kind, fault.transient, fault.error.detail)
        for each, fault in found.items()
    }


def error_of(client: Client, order: Reply) -> tuple[str, list[tuple[str, str]]]:
    """The problem that the order has ended with: kind, and (kind, name) of its subproblems."""
    shown = client.post(order.location).json
    assert shown["status"] == "invalid"
    parts = [(part["type"], part["identifier"]["value"]) for part in shown["error"].get("subproblems", ())]
    return shown["error"]["type"].removeprefix(URN), [(kind.removeprefix(URN), name) for kind, name in parts]


def nothing_was_signed(ca: Ca) -> bool:
    return ca.rows("SELECT count(*) FROM certificates") == [(0,)]
