"""RFC 8555 §6.7, §6.7.1: no error type outside the registry, and no identifier at the top of a problem document."""

from __future__ import annotations

import ast

import pytest

from acme_server import errors
from challenges.base import Error, Identifier
from tests.acme_requests import Client
from tests.peers import ROOT
from tests.rfc8555.test_6_7_errors import KINDS

MODULES = sorted([*(ROOT / "acme_server").rglob("*.py"), *(ROOT / "challenges").rglob("*.py")])


def kinds(module):
    """The first argument of every `Error(…)`, `_fault(…)`, `_error(…)` that is written out."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Error", "_error"} and node.args:
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_6_7_every_error_that_code_can_name_is_registered():
    named = {kind for module in MODULES for kind in kinds(module)}
    assert {"dns", "incorrectResponse", "serverInternal"} <= named
    assert named <= KINDS


@pytest.mark.parametrize("count", [1, 2])
def test_6_7_1_an_identifier_stands_in_subproblems_alone(ca, count):
    names = ["localhost", "*.invalid"][:count]
    reply = Client(ca).register().post("new-order", {"identifiers": [{"type": "dns", "value": name} for name in names]})
    assert "identifier" not in reply.json
    for part in reply.json.get("subproblems", []):
        assert set(part["identifier"]) == {"type", "value"}
    told = errors.Malformed("no", [errors.Subproblem(Error("caa", "no"), Identifier("dns", "example.org"))]).to_json()
    assert "identifier" not in told
    assert told["subproblems"][0]["identifier"] == {"type": "dns", "value": "example.org"}
