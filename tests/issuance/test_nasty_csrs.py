"""Each hostile CSR of `nasty_csrs` is badCSR and nothing else; what is not refused is not copied (RFC 8555 §7.4)."""

import secrets
import warnings

import pytest
from cryptography import x509
from nasty_csrs import NOT_COPIED, REFUSED, asking_for
from raw_csr import NAME, XMPP, accept, identifiers

from acme_server.errors import BadCSR
from acme_server.issuance.csr import match, read_csr
from acme_server.issuance.issuer import issue, prepare
from acme_server.issuance.profiles import Request
from acme_server.issuance.serials import new_serial

CASES = [pytest.param(*case, id=f"{row}-{name}") for row, cases in REFUSED.items() for name, case in cases.items()]


@pytest.mark.parametrize(("der", "reason"), CASES)
def test_7_4_a_hostile_csr_is_badcsr_and_nothing_else(der, reason):
    with warnings.catch_warnings():
        # As in production: the test suite's own filter would make errors of the parser's warnings.
        warnings.simplefilter("ignore")
        with pytest.raises(BadCSR) as refused:
            match(read_csr(der), identifiers(*NAME), XMPP)
    assert reason in refused.value.detail


@pytest.mark.parametrize(("der", "reason"), CASES)
def test_7_4_also_where_warnings_are_errors(der, reason):
    with pytest.raises(BadCSR) as refused:
        match(read_csr(der), identifiers(*NAME), XMPP)
    assert refused.value.detail.isprintable()
    assert len(refused.value.detail) < 300


@pytest.mark.parametrize("extensions", NOT_COPIED.values(), ids=NOT_COPIED)
def test_7_4_no_extension_is_copied(extensions, request_for, issuer, now):
    request = accept(asking_for(extensions))
    asked = Request(XMPP, identifiers(*NAME), request.public_key, "http://ca.example/pki")
    ticket = prepare(asked, issuer, now, new_serial(secrets.token_bytes))
    certificate = x509.load_der_x509_certificate(issue(ticket, issuer))
    plain = prepare(request_for(names=NAME), issuer, now, new_serial(secrets.token_bytes))
    usual = x509.load_der_x509_certificate(issue(plain, issuer))
    kinds = [x509.SubjectKeyIdentifier]  # the only one that depends on the CSR: on its key
    assert [e for e in certificate.extensions if type(e.value) not in kinds] == [
        e for e in usual.extensions if type(e.value) not in kinds
    ]
