"""Reads the CSR of a finalize: it carries a key; its names must be the order's and are never used (RFC 8555 §7.4).

Whatever octets come in, the answer is a CertificateRequest or BadCSR; no extension is ever copied. RFC 2986, RFC 2985
§5.4.2 (extensionRequest), RFC 8555 §7.4, RFC 8738 §3 (addresses).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from acme_server.errors import BadCSR, BadPublicKey
from acme_server.issuance.keys import PublicKey, check_key, check_modulus
from acme_server.issuance.profiles import Profile, is_address, names, subject_alternative_names
from challenges.base import Identifier

__all__ = ["MAX_CSR", "CertificateRequest", "match", "read_csr"]

MAX_CSR = 64 * 1024
"""Octets. A hundred names of usual length with all their otherNames take 30,000."""

_MAX_COMMON_NAME = 64
_SHOWN = 10
"""How many of an order's names an error text repeats: enough to recognize the order."""
_EXTENSION_REQUESTS = frozenset(
    {
        "1.2.840.113549.1.9.14",  # RFC 2985 §5.4.2
        "1.3.6.1.4.1.311.2.1.14",  # the same by Microsoft, which the parser reads too
    }
)
_ALGORITHMS = frozenset(
    {
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.ED25519,
    }
)


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What a CSR says, as far as we listen."""

    public_key: PublicKey
    """Checked, and the CSR is signed by it."""
    dns_names: frozenset[str]
    """CN and dNSNames together, ASCII letters in lower case; not checked to be names of anything."""
    addresses: frozenset[object]
    """iPAddresses, and a CN that is one: IPv4Address or IPv6Address, or a network where there are octets too many."""
    other_names: frozenset[x509.OtherName]


def read_csr(der: bytes) -> CertificateRequest:
    """Read a DER CSR and check its key and its signature. Raises BadCSR."""
    if len(der) > MAX_CSR:
        raise BadCSR(f"A CSR may have at most {MAX_CSR} octets.")
    try:
        return _read(der)
    except BadPublicKey as problem:
        # RFC 8555 §6.7: a key that is wrong in a CSR makes the CSR bad.
        raise BadCSR(problem.detail) from problem
    except BadCSR:
        raise
    except Exception as error:
        # Hostile input in a parser that raises, at any later access, ValueError, TypeError, InvalidVersion,
        # DuplicateExtension, UnsupportedGeneralNameType, UnsupportedAlgorithm, warnings made errors and, for some
        # keys, errors of its own back end: none of them may become a fault of the server.
        raise BadCSR(
            "The CSR, its key or a name in it cannot be read: it must be a PKCS #10 request in DER (RFC 2986)."
        ) from error


def match(request: CertificateRequest, identifiers: Sequence[Identifier], profile: Profile) -> None:
    """Raise BadCSR unless the CSR asks for the order's identifiers and for nothing else.

    That its key is not the account's (RFC 8555 §11.1) is the caller's to see: compare `keys.spki_sha256`.
    """
    # RFC 8555 §7.4: exactly the same set of identifiers as in the newOrder request. A JID has no other place in a CSR
    # than an otherName, which few tools can write: it may be left out, for the certificate gets it from the order.
    addresses = frozenset(map(ip_address, names(identifiers, "ip")))
    if request.dns_names != frozenset(names(identifiers, "dns")) or request.addresses != addresses:
        raise BadCSR(_mismatch(identifiers))
    if not request.other_names <= frozenset(subject_alternative_names(profile, identifiers)):
        raise BadCSR(
            f"The CSR holds an otherName that profile `{profile.name}` does not build for these names. "
            "It needs none: they are made from the order."
        )


def _mismatch(identifiers: Sequence[Identifier]) -> str:
    if names(identifiers, "jid"):
        return "A CSR for a JID holds no CN, dNSName or iPAddress; it may hold the JID as xmppAddr, or no name at all."
    return (
        "The names of the CSR (CN and subjectAltName together) must be exactly those of the order: "
        + ", ".join(identifier.value for identifier in identifiers[:_SHOWN])
        + (" …" if len(identifiers) > _SHOWN else "")
    )


def _read(der: bytes) -> CertificateRequest:
    """Raises BadCSR, BadPublicKey, and whatever the parser does."""
    csr = x509.load_der_x509_csr(der)
    if csr.public_bytes(Encoding.DER) != der:
        raise BadCSR("The CSR is not in DER.")
    # The key's size before any arithmetic with it.
    public_key = csr.public_key()
    check_key(public_key)
    if csr.signature_algorithm_oid not in _ALGORITHMS:
        raise BadCSR("A CSR must be signed by Ed25519, or by ECDSA or RSA (PKCS #1 v1.5) with SHA-256, -384 or -512.")
    if not csr.is_signature_valid:
        raise BadCSR("The CSR is not signed by the key it holds.")
    check_modulus(cast("PublicKey", public_key))
    if sum(attribute.oid.dotted_string in _EXTENSION_REQUESTS for attribute in csr.attributes) > 1:
        raise BadCSR("The CSR has more than one extensionRequest.")
    # Clients put their first identifier into the CN, whatever it is.
    general_names, common_names = _general_names(csr.extensions), _common_names(csr.subject)
    written = [name.value for name in general_names if isinstance(name, x509.DNSName)]
    written += [name for name in common_names if not is_address(name)]
    addresses: list[object] = [name.value for name in general_names if isinstance(name, x509.IPAddress)]
    addresses += [ip_address(name) for name in common_names if is_address(name)]
    return CertificateRequest(
        public_key=cast("PublicKey", public_key),
        dns_names=frozenset(_folded(name) for name in written),
        addresses=frozenset(addresses),
        other_names=frozenset(name for name in general_names if isinstance(name, x509.OtherName)),
    )


def _general_names(extensions: x509.Extensions) -> list[x509.GeneralName]:
    """Those of the subjectAltName, if there is one; the parser refuses a second. Raises BadCSR for foreign kinds."""
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            found = list(extension.value)
            if not all(isinstance(name, x509.DNSName | x509.IPAddress | x509.OtherName) for name in found):
                raise BadCSR("A CSR's subjectAltName may hold dNSNames, iPAddresses and otherNames only.")
            return found
    return []


def _common_names(subject: x509.Name) -> list[str]:
    """Every CN. Other attributes of the subject name nobody we would certify, and are left alone."""
    found = [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if any(len(name) > _MAX_COMMON_NAME for name in found):
        raise BadCSR(f"A CN may have at most {_MAX_COMMON_NAME} characters (RFC 5280, ub-common-name).")
    return found


def _folded(name: str) -> str:
    """Lower case, of ASCII alone: the Kelvin sign's lower case would be an ASCII k. Raises BadCSR."""
    if not name.isascii():
        raise BadCSR("A name in a CSR must be written in ASCII (A-labels).")
    return name.lower()
