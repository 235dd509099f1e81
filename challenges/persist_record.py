"""The record of dns-persist-01, read and written: an issue-value of RFC 8659 §4.2 with parameters for this purpose.

Reading is strict where a record speaks of this CA, and looks no further where it speaks of another; it never takes
longer than the record is long. Implements draft-ietf-acme-dns-persist-02 §4.1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from challenges.base import base64url
from challenges.text import DOMAIN

__all__ = ["ANY_DOMAIN", "HASH", "IssueValue", "hashed_account", "issuer_of", "parse", "parse_time", "write"]

HASH = "sha-256"
"""The one hash algorithm taken, by its RFC 6920 name; the one that every implementation has (§4.1)."""
ANY_DOMAIN = "*"
"""Stands for the domain in a hash that is to serve for several (§4.1)."""
_BLANKS = " \t"
_TAG = re.compile(r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*")
_VALUE = re.compile(r"[!-:<-~]*")
_TIME = re.compile(r"[0-9]+")
_TIME_DIGITS = 11
"""Of a time before the year 5138; whoever writes a later one means for ever."""


@dataclass(frozen=True, slots=True)
class IssueValue:
    """A record that could be read."""

    issuer: str
    """An A-label name in lower case, empty where the record names none."""
    parameters: Mapping[str, str]
    """By their tags in lower case (RFC 8659 §4.2: matched without regard to case)."""


def issuer_of(record: bytes) -> str | None:
    """The issuer a record speaks of, in lower case; None where what stands there is no name. The rest is not read."""
    name = record.partition(b";")[0].decode("latin-1").strip(_BLANKS)
    return name.lower() if DOMAIN.fullmatch(name) else None


def parse(record: bytes) -> IssueValue:
    """The whole record. Raises ValueError, saying what is wrong with it."""
    text = record.decode("latin-1")
    name, separator, rest = text.partition(";")
    issuer = name.strip(_BLANKS)
    if issuer and not DOMAIN.fullmatch(issuer):
        raise ValueError("it does not begin with the name of an issuer")
    rest = rest.strip(_BLANKS)
    parameters: dict[str, str] = {}
    # RFC 8659 §4.2: ";" stands between parameters and after the issuer, but not at the end.
    for parameter in rest.split(";") if separator and rest else ():
        tag, value = _parameter(parameter)
        if tag in parameters:
            raise ValueError(f'"{tag}" stands in it twice')
        parameters[tag] = value
    return IssueValue(issuer.lower(), parameters)


def _parameter(text: str) -> tuple[str, str]:
    tag, separator, value = (part.strip(_BLANKS) for part in text.partition("="))
    if not separator or not _TAG.fullmatch(tag):
        raise ValueError(
            'a parameter must be a name of letters and digits, "=" and a value, and no ";" may end the record'
        )
    if not _VALUE.fullmatch(value):
        raise ValueError(f'the value of "{tag.lower()}" has a character that is not printable ASCII, or a blank')
    return tag.lower(), value


def parse_time(value: str) -> datetime | None:
    """A `persistUntil` (UNIX seconds); None for a time beyond all calendars. Raises ValueError."""
    if not _TIME.fullmatch(value):
        raise ValueError('"persistUntil" must be a whole number of seconds since 1970, in decimal digits')
    digits = value.lstrip("0") or "0"
    return None if len(digits) > _TIME_DIGITS else datetime.fromtimestamp(int(digits), UTC)


def hashed_account(prefix: str, domain: str, thumbprint: str, account_url: str) -> str:
    """The hashed URI of an account for a domain: an A-label name without `_validation-persist`, or `*` (§4.1)."""
    octets = bytes([len(domain)]) + f"{domain}{thumbprint}{account_url}".encode()
    return f"{prefix}{HASH}/{base64url(hashlib.sha256(octets).digest())}"


def write(issuer: str, account: str, *, wildcard: bool) -> str:
    """A record for a name, or for its wildcard and the names below as well."""
    return f"{issuer}; accounturi={account}" + ("; policy=wildcard" if wildcard else "")
