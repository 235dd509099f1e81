"""The tables of conformance: every row has its code and its tests, the page is made from them, and a MUST is enforced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import PAGE, Demand, Document, documents, faults, page, unproved
from tests.peers import ROOT

ROW = Demand("7.1.2", "MUST", "a thing is so", ("tests.conformance:page",), ("rfc8555/test_a.py::test_7_1_2_so",))


def with_rows(*rows: Demand) -> Document:
    return Document("RFC 8555", "ACME", "https://example.org/", "rfc8555", rows)


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_every_demand_has_code_and_a_test_of_its_section_or_a_reason(document: Document) -> None:
    assert list(faults(document)) == []


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_no_demand_is_listed_twice(document: Document) -> None:
    rows = [(row.section, row.demand) for row in document.demands]

    assert len(set(rows)) == len(rows)


def test_the_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(documents()), "run `make docs`"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"keyword": "MAY"}, "no key word"),
        ({"code": ()}, "wants code and tests"),
        ({"tests": ()}, "wants code and tests"),
        ({"does_not_arise": "never"}, "wants code and tests"),
        ({"code": (), "tests": (), "not_met": "no time"}, "must be met"),
        ({"code": ("tests.conformance:nothing",)}, "no code"),
        ({"code": ("tests.nowhere:page",)}, "no code"),
        ({"code": ("tests.conformance",)}, "no code"),
        ({}, "no test rfc8555/test_a.py"),
        ({"tests": ("test_conformance.py::test_the_page_is_made_from_the_tables",)}, "has its section"),
        ({"section": "7.1.20", "tests": ("rfc8555/test_a.py::test_7_1_2_so",)}, "has its section"),
        ({"section": "7.1", "tests": ("rfc8555/test_a.py::test_7_1_2_so",)}, "has its section"),
        ({"tests": ("rfc9444/test_a.py::test_7_1_2_so",)}, "has its section"),
    ],
)
def test_a_row_that_proves_nothing_is_found(change: dict[str, object], said: str) -> None:
    row = Demand(**{**vars(ROW), **change})

    assert any(said in fault for fault in faults(with_rows(row)))


@pytest.mark.parametrize("name", ["test_7_1_2_so", "test_7_1_so", "test_8555_7_1_2_so", "test_6_2_and_7_1_2_so"])
def test_a_test_is_named_by_its_section_or_one_around_it(name: str) -> None:
    row = Demand(**{**vars(ROW), "tests": (f"rfc8555/test_a.py::{name}",)})

    assert [fault for fault in faults(with_rows(row)) if "has its section" in fault] == []


TEST = ROW.tests[0]


@pytest.mark.parametrize(
    ("passed", "failed", "said"),
    [
        ({TEST}, set(), []),
        ({TEST, "rfc8555/test_b.py::test_x"}, {"rfc8555/test_b.py::test_x"}, []),
        (set(), set(), ["did not run"]),
        (set(), {TEST}, ["did not pass"]),
        ({TEST}, {TEST}, ["did not pass"]),  # one case did, another did not
    ],
)
def test_a_MUST_is_proved_by_tests_that_all_pass(passed: set[str], failed: set[str], said: list[str]) -> None:
    found = unproved([with_rows(ROW)], frozenset(passed), frozenset(failed))

    assert [line.rpartition("test_7_1_2_so ")[2] for line in found] == said


def test_a_SHOULD_is_not_enforced() -> None:
    row = Demand(**{**vars(ROW), "keyword": "SHOULD"})

    assert unproved([with_rows(row)], frozenset(), frozenset()) == []


SUITE = """
import pytest
@pytest.mark.parametrize("case", [1, 2])
def test_7_1_2_so(case):
    {body}
@pytest.mark.long
def test_long():
    pass
def test_other():
    pass
"""
CONFTEST = """
from tests.conformance import Demand, Document, Enforcement
ROW = Demand("7.1.2", "MUST", "a thing is so", ("a:b",), ("rfc8555/test_a.py::test_7_1_2_so",))
def pytest_configure(config):
    config.pluginmanager.register(Enforcement(lambda: [Document("RFC 8555", "", "", "rfc8555", (ROW,))]))
"""
INI = "[pytest]\ntestpaths = tests\nmarkers = long\naddopts = -p no:cacheprovider -p no:randomly\n"


def run(folder: Path, body: str, *arguments: str) -> tuple[int, str]:
    """A run of a suite of its own under the plugin: its exit status and what it said about that MUST."""
    tests = folder / "tests" / "rfc8555"
    tests.mkdir(parents=True)
    (tests / "test_a.py").write_text(SUITE.format(body=body))
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(INI)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RFC 8555 §7.1.2")), "")
    return done.returncode, line


@pytest.mark.parametrize(
    ("body", "arguments", "status", "said"),
    [
        ("pass", ["-m", "not long"], 0, ""),
        ("pass", [], 0, ""),
        ("pytest.skip('x')", ["-m", "not long"], 1, "did not pass"),
        ("case == 1 or pytest.skip('x')", ["-m", "not long"], 1, "did not pass"),
        ("pytest.xfail('x')", ["-m", "not long"], 1, "did not pass"),
        ("assert case == 1", ["-m", "not long"], 1, "did not pass"),
        ("assert case == 2", ["-m", "not long", "-x"], 1, ""),
        ("pytest.skip('x')", ["tests/rfc8555"], 0, ""),
        ("pytest.skip('x')", ["-k", "other"], 0, ""),
        ("pytest.skip('x')", ["-m", "long"], 0, ""),
        ("pytest.skip('x')", ["--deselect", "tests/rfc8555/test_a.py::test_other"], 0, ""),
        ("pytest.skip('x')", ["--collect-only"], 0, ""),
    ],
)
def test_a_run_of_everything_fails_for_a_MUST_that_is_not_proved_and_any_other_says_nothing(
    tmp_path: Path, body: str, arguments: list[str], status: int, said: str
) -> None:
    code, line = run(tmp_path, body, *arguments)

    assert code == status
    assert line.endswith(said)
    assert bool(line) is bool(said)
