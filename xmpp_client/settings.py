"""Tables of a TOML file into frozen dataclasses, by the types of their fields.

It must never let a key pass that no field has, nor guess a value of another type.
TOML 1.0; the texts in the fields' `Annotated` types are the settings' documentation.
"""

from __future__ import annotations

import types
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

__all__ = ["Setting", "TableError", "read_table", "settings_of"]


class TableError(ValueError):
    """A value in the file cannot be used."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        """Such as `certificate[0].mail.reader`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, for the documentation and its test."""

    path: str
    """Dotted, such as `certificate.mail.reader`."""
    doc: str
    default: Any
    """None where it is required or unset."""


def settings_of(cls: type, prefix: str = "") -> tuple[Setting, ...]:
    """All settings of a table and the tables in it, in their order."""
    hints = get_type_hints(cls, include_extras=True)
    found: list[Setting] = []
    for entry in fields(cls):
        path = prefix + entry.name
        hint, doc = get_args(hints[entry.name])
        found.append(Setting(path, doc, None if entry.default is MISSING else entry.default))
        inner = _table_in(hint)
        if inner is not None:
            found.extend(settings_of(inner, path + "."))
    return tuple(found)


def read_table(cls: type, table: dict[str, Any], path: str) -> Any:
    """An instance of the dataclass `cls` from a TOML table. Raises TableError."""
    hints = get_type_hints(cls)
    known = {entry.name: entry for entry in fields(cls)}
    for key in table:
        if key not in known:
            raise TableError(path + key, "there is no such setting")
    values = {key: _value(hints[key], value, path + key) for key, value in table.items()}
    for entry in known.values():
        if entry.name not in values and entry.default is MISSING:
            raise TableError(path + entry.name, "is missing")
    return cls(**values)


def _table_in(hint: Any) -> type | None:
    """The dataclass a type is made of, if any."""
    parts = [hint, *get_args(hint)]
    return next((part for part in parts if isinstance(part, type) and is_dataclass(part)), None)


def _value(hint: Any, value: Any, path: str) -> Any:
    """The value as the type the field wants. Raises TableError."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise TableError(path, "must be a list")
        return tuple(_item(get_args(hint)[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    return _item(hint, value, path)


def _item(hint: Any, value: Any, path: str) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise TableError(path, "must be a table")
        return read_table(hint, value, path + ".")
    if hint is Path:
        if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
            raise TableError(path, "must be an absolute path")
        return Path(value)
    if type(value) is not hint:
        raise TableError(path, f"must be a {_NOUNS[hint]}")
    if hint is str and not value.isprintable():
        raise TableError(path, "holds a control character")
    return value


_NOUNS = {str: "string", int: "whole number", bool: "boolean (true or false)"}
