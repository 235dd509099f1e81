"""The documentation and the program, compared: every command, option and setting is in the reference, and no other.

A reference page has a heading for each command, with its options in the first column of a table; and below `## Settings`
the settings in the first column, a heading for each TOML table.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec.inspect
import pytest

import acme_server.cli
import acme_server.config
import xmpp_client.cli
import xmpp_client.config
from tests.peers import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md")) + sorted(ROOT.glob("*.md")) + [ROOT / "bench" / "README.md"]
CODE = re.compile(r"`([^`]+)`")
HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
CELL = re.compile(r"^\| *((?:`[^`]+`(?:, )?)+) *\|", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, up to the next one."""

    title: str
    level: int
    text: str

    def first_column(self) -> set[str]:
        """What is marked as code in the first column of its tables."""
        return {code for cell in CELL.findall(self.text) for code in CODE.findall(cell)}


def sections(page: Path) -> list[Section]:
    text = page.read_text(encoding="utf-8")
    heads = list(HEADING.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [Section(h[2], len(h[1]), text[h.end() : end]) for h, end in zip(heads, ends, strict=True)]


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and those below it, each with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")


def options(command: click.Command) -> set[str]:
    return {name for param in command.params if isinstance(param, click.Option) for name in param.opts}


PROGRAMS = {"xmpp-ica": acme_server.cli.main, "xmpp-cert": xmpp_client.cli.cli}
KNOWN = {path: command for name, program in PROGRAMS.items() for path, command in commands(program, name)}
COMMANDS = {path: command for path, command in KNOWN.items() if not isinstance(command, click.Group)}
REFERENCE = sorted((DOCS / "reference").glob("*.md"))


def called(words: str) -> str | None:
    """The command that a line or a heading begins with: the longest there is."""
    found = [path for path in KNOWN if f"{words} ".startswith(f"{path} ")]
    return max(found, key=len, default=None)


def documented(path: str) -> Section:
    """The section on a command: that whose heading calls it."""
    found = [s for page in REFERENCE for s in sections(page) if re.match(rf"`{re.escape(path)}[` ]", s.title)]
    assert len(found) == 1, f"docs/reference/ wants one heading `{path} …`"
    return found[0]


@pytest.mark.parametrize(("path", "command"), COMMANDS.items(), ids=COMMANDS)
def test_each_command_is_documented_with_exactly_its_options(path: str, command: click.Command) -> None:
    told = {code.split(" ")[0] for code in documented(path).first_column() if code.startswith("-")}

    assert told == options(command)


@pytest.mark.parametrize("page", REFERENCE, ids=lambda page: page.name)
def test_each_command_that_is_documented_exists(page: Path) -> None:
    titles = [s.title.strip("`") for s in sections(page) if s.title.startswith(tuple(f"`{name} " for name in PROGRAMS))]

    assert [title for title in titles if called(title) not in COMMANDS] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_options_of_the_whole_program_are_documented(name: str) -> None:
    page = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")

    assert options(PROGRAMS[name]) <= {code.split(" ")[0] for code in CODE.findall(page)}


def server_settings(kind: msgspec.inspect.Type, prefix: str = "") -> Iterator[str]:
    """The dotted paths of the server's settings; `NAME` stands for a key of the administrator's choice."""
    if isinstance(kind, msgspec.inspect.UnionType):
        for part in kind.types:
            yield from server_settings(part, prefix)
    elif isinstance(kind, msgspec.inspect.DictType):
        yield from server_settings(kind.value_type, f"{prefix}NAME.")
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            inner = list(server_settings(field.type, f"{prefix}{field.encode_name}."))
            yield from inner or [prefix + field.encode_name]


def settings_of(name: str) -> set[str]:
    """The program's settings, tables left out: their settings stand for them."""
    if name == "xmpp-ica":
        whole = set(server_settings(msgspec.inspect.type_info(acme_server.config.Config)))
        return whole - {"directory"}  # the folder of the file itself, which `load` fills in
    paths = {setting.path for setting in xmpp_client.config.SETTINGS}
    return {path for path in paths if not any(other.startswith(path + ".") for other in paths)}


def documented_settings(page: Path) -> set[str]:
    """What stands below `## Settings`, with the TOML table of its heading before it."""
    told: set[str] = set()
    inside = False
    for section in sections(page):
        if section.level == 2:
            inside = section.title == "Settings"
        table = re.fullmatch(r"`\[+([\w.]+)\]+`.*", section.title)
        prefix = f"{table[1]}." if table and section.level > 2 else ""
        told |= {prefix + code for code in section.first_column()} if inside else set()
    return told


@pytest.mark.parametrize("name", PROGRAMS)
def test_exactly_the_settings_there_are_are_documented(name: str) -> None:
    assert documented_settings(DOCS / "reference" / f"{name}.md") == settings_of(name)


def test_what_the_readme_has_one_make_can_be_made() -> None:
    told = set(re.findall(r"\bmake ([a-z][a-z-]*)", " ".join(CODE.findall((ROOT / "README.md").read_text()))))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert {"demo", "test"} <= told <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_examples_exist_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(r"(?:sudo )?(xmpp-ica|xmpp-cert)(?: --?\S+ \S+)* ?([a-z].*)?", line)
            if match and match[2]:
                path = called(f"{match[1]} {match[2]}")
                assert path in COMMANDS, line
                used = set(re.findall(r" (--[a-z-]+)", line))
                assert used <= options(KNOWN[path]) | options(KNOWN[match[1]]), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_configurations_in_examples_are_accepted(page: Path) -> None:
    for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        assert xmpp_client.config.parse(tomllib.loads(block)).certificate


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have in links, as GitHub makes them."""
    titles = (section.title.lower() for section in sections(page))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def test_every_decision_is_in_the_index() -> None:
    folder = DOCS / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in folder.glob("0*.md") if f"({page.name})" not in index] == []
