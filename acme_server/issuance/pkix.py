"""Runs pkilint's PKIX checks on a certificate: what RFC 5280 and its neighbours say of form, judged by others' code.

The CA/Browser Forum's checks are left out on purpose: they demand what a CA of the public web has (policies, no
clientAuth, no otherName), and SRVName and xmppAddr are what this one exists for. Import it only where a certificate is
to be looked at: it costs 0.15 s. RFC 5280 §4, RFC 4985 §2, RFC 6120 §13.7.1.4.
"""

from __future__ import annotations

import functools
import re

from pkilint.loader import load_der_certificate
from pkilint.pkix import certificate as rules
from pkilint.pkix.extension import EXTENSION_MAPPINGS
from pkilint.pkix.name import ATTRIBUTE_TYPE_MAPPINGS
from pkilint.validation import ValidationFindingSeverity, ValidatorContainer
from pyasn1.type.char import IA5String, UTF8String
from pyasn1.type.univ import ObjectIdentifier

from acme_server.issuance.profiles import SRV_NAME, XMPP_ADDR

__all__ = ["findings"]

_OTHER_NAMES = {
    ObjectIdentifier(SRV_NAME.dotted_string): IA5String(),
    ObjectIdentifier(XMPP_ADDR.dotted_string): UTF8String(),
}
"""pkilint does not know our two: told what is in them, it decodes them too."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII)
"""RFC 1034 §3.5 as relaxed by RFC 1123 §2.1, with one wildcard label before it (RFC 9525 §6.3)."""

_DNS_SYNTAX = "pkix.invalid_domain_name_syntax"
_URI_SYNTAX = "pkix.invalid_uri_syntax"


def findings(der: bytes) -> list[str]:
    """What is wrong with a certificate: every finding of severity ERROR or FATAL, with its place. Empty: nothing."""
    return [
        f"{description} at {result.node.path}"
        for result in _checks().validate(load_der_certificate(der).root)
        for description in result.finding_descriptions
        if description.finding.severity <= ValidationFindingSeverity.ERROR
        and not _is_ours_to_say(description.finding.code, str(result.node.pdu))
    ]


@functools.cache
def _checks() -> ValidatorContainer:
    """What pkilint itself chooses for a certificate by RFC 5280 (`lint_pkix_cert`), and our otherNames."""
    decoders = rules.create_decoding_validators(
        ATTRIBUTE_TYPE_MAPPINGS, EXTENSION_MAPPINGS, [rules.create_other_name_decoder(_OTHER_NAMES)]
    )
    return rules.create_pkix_certificate_validator_container(
        decoders,
        [
            rules.create_issuer_validator_container(),
            rules.create_validity_validator_container(),
            rules.create_subject_validator_container(),
            rules.create_extensions_validator_container(),
            rules.create_spki_validator_container(),
        ],
    )


def _is_ours_to_say(code: str, value: str) -> bool:
    """Two rules of pkilint's are narrower than the RFCs.

    It knows no wildcards, nor host names of one label, which a CI's container has and which may have an own certificate
    of the CA's: the syntax of a dNSName is judged here instead. And of the URLs it wants a host with a dot: they are
    the operator's, and `lint.check_pointers` compares each with the configuration.
    """
    return code == _URI_SYNTAX or (code == _DNS_SYNTAX and _NAME.fullmatch(value) is not None)
