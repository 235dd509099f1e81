"""What the documents demand of a server, where the code does it, and which tests prove it.

`docs/conformance/*.toml` holds the demands, one file a document; `python -m tests.conformance` writes
`docs/reference/conformance.md` from them. In a run of the whole test suite every test of a MUST has to pass: one that
failed, was skipped or is missing fails the run, by the demand it was to prove. Nothing here says what a demand means.
"""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.peers import ROOT

__all__ = ["PAGE", "Demand", "Document", "Enforcement", "documents", "faults", "page", "unproved"]

TABLES = ROOT / "docs" / "conformance"
PAGE = ROOT / "docs" / "reference" / "conformance.md"
TESTS = ROOT / "tests"

MUST = ("MUST", "MUST NOT", "REQUIRED", "SHALL", "SHALL NOT")
SHOULD = ("SHOULD", "SHOULD NOT", "RECOMMENDED", "NOT RECOMMENDED")


@dataclass(frozen=True)
class Demand:
    """One row: something that a document wants of a server."""

    section: str
    keyword: str
    """As the document has it (RFC 2119)."""
    demand: str
    """In our words."""
    code: tuple[str, ...] = ()
    """`package.module:object`, or `package.module:Class.method`."""
    tests: tuple[str, ...] = ()
    """`folder/file.py::function` below `tests/`; every case of it counts."""
    does_not_arise: str = ""
    """Why its condition is never met here."""
    not_met: str = ""
    """Why a SHOULD is not followed."""

    @property
    def must(self) -> bool:
        return self.keyword in MUST

    @property
    def state(self) -> str:
        """`met`, `not met` or `does not arise`."""
        return "does not arise" if self.does_not_arise else "not met" if self.not_met else "met"


@dataclass(frozen=True)
class Document:
    """An RFC or an Internet-Draft, by the version that is followed."""

    name: str
    title: str
    url: str
    tests: str
    """The folder below `tests/` in which each of its demands has a test."""
    demands: tuple[Demand, ...]
    note: str = ""
    """What whoever runs a server has to know of it."""


@cache
def documents() -> tuple[Document, ...]:
    """All tables, RFCs first, in the order of their numbers. Raises TypeError for a key that is none."""
    found = [_document(tomllib.loads(path.read_text(encoding="utf-8"))) for path in TABLES.glob("*.toml")]
    return tuple(sorted(found, key=lambda document: (not document.name.startswith("RFC"), document.name)))


def _document(table: dict[str, Any]) -> Document:
    rows = [
        Demand(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})
        for row in table.pop("demands")
    ]
    return Document(**table, demands=tuple(sorted(rows, key=lambda row: _numbers(row.section))))


def _numbers(section: str) -> list[int]:
    """`7.1.10` after `7.1.2`."""
    return [int(number) for number in section.split(".")]


def faults(document: Document) -> Iterator[str]:
    """What is wrong with a document's rows, for people."""
    for row in document.demands:
        where = f"{document.name} §{row.section} ({row.demand})"
        if row.keyword not in (*MUST, *SHOULD):
            yield f"{where}: {row.keyword} is no key word"
        if bool(row.code and row.tests) + bool(row.does_not_arise) + bool(row.not_met) != 1:
            yield f"{where}: wants code and tests, or a reason"
        if row.not_met and row.must:
            yield f"{where}: a {row.keyword} must be met"
        yield from (f"{where}: there is no code {path}" for path in row.code if not _exists(path))
        yield from (f"{where}: there is no test {test}" for test in row.tests if test not in _all_tests())
        if row.tests and not any(_proves(document, row, test) for test in row.tests):
            yield f"{where}: no test in {document.tests}/ has its section in the name"


_NAMED = re.compile(r"((?:\d+_)+)((?:and_(?:\d+_)+)*)")


def _proves(document: Document, row: Demand, test: str) -> bool:
    """Whether the test is where it is looked for: in the document's folder, named by the section or one around it."""
    path, _, name = test.rpartition("::")
    number = document.tests.removeprefix("rfc") + "_"
    named = _NAMED.match(name.removeprefix("test_").removeprefix(number))
    if named is None or not path.startswith(f"{document.tests}/"):
        return False
    return any(f"{row.section}.".startswith(part.replace("_", ".")) for part in (named[1], *named[2].split("and_")[1:]))


def _exists(path: str) -> bool:
    module, _, name = path.partition(":")
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return bool(name)


@cache
def _all_tests() -> frozenset[str]:
    """Every test function there is, found without importing any."""
    return frozenset(
        f"{path.relative_to(TESTS).as_posix()}::{node.name}"
        for path in TESTS.rglob("test_*.py")
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def page(all_documents: Iterable[Document]) -> str:
    """The reference page. Pure."""
    all_documents = list(all_documents)
    lines = [
        "# Conformance",
        "",
        "Made by `make docs` from `docs/conformance/`; a test fails where the two differ. Each demand of a document on",
        "a server is a row: where the code meets it, and the tests that prove it. A MUST whose tests do not all pass",
        "fails the build.",
        "",
        "| document | MUST: met | does not arise | SHOULD: met | not met | does not arise |",
        "|---|---|---|---|---|---|",
    ]
    for document in all_documents:
        counts = [
            _count(document, must=True, state="met"),
            _count(document, must=True, state="does not arise"),
            *(_count(document, must=False, state=state) for state in ("met", "not met", "does not arise")),
        ]
        lines.append(f"| [{document.name}](#{_anchor(document)}) | {' | '.join(map(str, counts))} |")
    for document in all_documents:
        lines += ["", f"## {document.name}", "", f"[{document.title}]({document.url})", ""]
        lines += [document.note, ""] if document.note else []
        lines += ["| § | key word | demand | code | tests |", "|---|---|---|---|---|"]
        lines += [_row(row) for row in document.demands]
    return "\n".join(lines) + "\n"


def _count(document: Document, *, must: bool, state: str) -> int:
    return sum(row.must is must and row.state == state for row in document.demands)


def _anchor(document: Document) -> str:
    return document.name.lower().replace(" ", "-")


def _row(row: Demand) -> str:
    code = "<br>".join(f"`{path}`" for path in row.code)
    tests = "<br>".join(f"`{test}`" for test in row.tests)
    if row.does_not_arise or row.not_met:
        code, tests = f"{row.state}: {row.does_not_arise or row.not_met}", ""
    return f"| {row.section} | {row.keyword} | {row.demand} | {code} | {tests} |"


def unproved(all_documents: Iterable[Document], passed: frozenset[str], failed: frozenset[str]) -> list[str]:
    """Each MUST that has a test which did not pass, with that test. Pure.

    `passed` and `failed` hold tests as the tables name them; one of which a case passed and a case failed is in both.
    """
    return [
        f"{document.name} §{row.section} {row.keyword}: {row.demand}: {test} "
        + ("did not pass" if test in failed else "did not run")
        for document in all_documents
        for row in document.demands
        if row.must
        for test in row.tests
        if test in failed or test not in passed
    ]


class Enforcement:
    """The pytest plugin: at the end of a run of everything, each MUST has to be proved."""

    def __init__(self, all_documents: Callable[[], Iterable[Document]] = documents) -> None:
        self._documents = all_documents
        self._whole = False
        self._passed: set[str] = set()
        self._failed: set[str] = set()
        self._unproved: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Only `pytest` and `pytest -m "not long"`, with no choice of tests beside, is a run of everything."""
        config, option = session.config, session.config.option
        everywhere = config.args_source is config.ArgsSource.TESTPATHS
        chosen = any(
            getattr(option, name, None)
            for name in ("keyword", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")
        )
        self._whole = everywhere and option.markexpr in {"", "not long"} and not chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has passed when its call has, and nothing before or after it has failed or been skipped."""
        test = report.nodeid.partition("[")[0].removeprefix("tests/")
        if not report.passed:
            self._failed.add(test)
        elif report.when == "call":
            self._passed.add(test)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail the run. One that was stopped half-way (`-x`, ^C) has failed already, and proves nothing."""
        ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        if not self._whole or not ended or session.shouldstop or session.shouldfail:
            return
        self._unproved = unproved(self._documents(), frozenset(self._passed), frozenset(self._failed))
        if self._unproved and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name them."""
        if self._unproved:
            terminalreporter.section("a MUST without a passing test (docs/conformance)")
            for line in self._unproved:
                terminalreporter.line(line, red=True)


if __name__ == "__main__":
    PAGE.write_text(page(documents()), encoding="utf-8")
