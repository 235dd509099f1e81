"""A certificate as a person wants to see it: names by kind, purposes, validity, chain, fingerprint.

It shows what is in the file and judges nothing; it must never print a foreign octet as it came.
RFC 5280.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from xmpp_client.clock import to_text
from xmpp_client.errors import legible
from xmpp_client.names import to_u_label
from xmpp_client.subject import load_chain, names_of

__all__ = ["as_text", "describe"]

_PURPOSES = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}


def describe(pem: bytes) -> dict[str, Any]:
    """The leaf of a PEM chain and its issuers, ready for JSON. Raises VerificationError."""
    leaf, *issuers = load_chain(pem)
    return {
        "names": [{"kind": name.kind, "value": name.value} for name in names_of(leaf)],
        "purposes": _purposes(leaf),
        "serial": f"{leaf.serial_number:x}",
        "not_before": to_text(leaf.not_valid_before_utc),
        "not_after": to_text(leaf.not_valid_after_utc),
        "key": _key(leaf),
        "issuer": _subject(leaf.issuer),
        "chain": [
            {"subject": _subject(issuer.subject), "not_after": to_text(issuer.not_valid_after_utc)}
            for issuer in issuers
        ],
        "sha256": leaf.fingerprint(hashes.SHA256()).hex(":").upper(),
    }


def as_text(facts: dict[str, Any]) -> str:
    """Lines for a terminal."""
    lines = [f"{name['kind'] + ':':<10} {_with_u_label(name['value'])}" for name in facts["names"]]
    lines += [
        f"purposes:  {', '.join(facts['purposes']) or 'any'}",
        f"validity:  {facts['not_before']} to {facts['not_after']}",
        f"key:       {facts['key']}",
        f"serial:    {facts['serial']}",
        f"SHA-256:   {facts['sha256']}",
        f"issuer:    {facts['issuer']}",
    ]
    lines += [f"chain:     {link['subject']}, until {link['not_after']}" for link in facts["chain"]]
    return "\n".join(lines)


def _with_u_label(value: str) -> str:
    """The value, with its U-label form in brackets where that differs."""
    service, dot, domain = value.partition(".") if value.startswith("_") else ("", "", value)
    try:
        shown = to_u_label(domain)
    except ValueError:
        return value
    return value if shown == domain else f"{value} ({service}{dot}{shown})"


def _purposes(leaf: x509.Certificate) -> list[str]:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [_PURPOSES.get(oid, oid.dotted_string) for oid in usage]


def _key(leaf: x509.Certificate) -> str:
    key = leaf.public_key()
    size = getattr(key, "key_size", None)
    curve = getattr(key, "curve", None)
    return f"EC {curve.name}" if curve is not None else f"{type(key).__name__} {size or ''}".strip()


def _subject(name: x509.Name) -> str:
    return legible(", ".join(str(attribute.value) for attribute in name) or "(empty)", 200)
