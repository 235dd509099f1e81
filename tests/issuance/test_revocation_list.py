"""The CRL, judged by openssl too (RFC 5280 §5), and the reasons of subscribers (RFC 8555 §7.6)."""

import secrets
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.errors import BadRevocationReason
from acme_server.issuance.crl import Revoked, build_crl, check_reason, crl_number
from acme_server.issuance.issuer import issue, prepare
from acme_server.issuance.serials import new_serial


def crl_of(issuer, now, *entries, **options):
    return x509.load_der_x509_crl(build_crl(issuer, entries, crl_number(now), now, **options))


def test_5280_5_1_an_empty_crl_is_one(issuer, now):
    crl = crl_of(issuer, now)
    assert len(crl) == 0
    assert crl.is_signature_valid(issuer.public_key)
    assert crl.issuer == issuer.certificate.subject


def test_5280_5_1_2_it_holds_from_an_hour_ago_for_a_week(issuer, now):
    crl = crl_of(issuer, now)
    second = now.replace(microsecond=0)
    assert (crl.last_update_utc, crl.next_update_utc) == (second - timedelta(hours=1), second + timedelta(days=7))
    assert crl_of(issuer, now, lifetime=timedelta(days=2)).next_update_utc == second + timedelta(days=2)


def test_5280_5_2_it_has_key_identifier_and_number_and_no_more(issuer, now):
    crl = crl_of(issuer, now)
    assert len(crl.extensions) == 2
    assert not any(extension.critical for extension in crl.extensions)
    above = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert above.key_identifier == own.digest
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == crl_number(now)


@pytest.mark.parametrize(
    ("reason", "flag"),
    [
        (None, None),
        (0, None),  # RFC 5280 §5.3.1: absent rather than unspecified
        (1, x509.ReasonFlags.key_compromise),
        (3, x509.ReasonFlags.affiliation_changed),
        (4, x509.ReasonFlags.superseded),
        (5, x509.ReasonFlags.cessation_of_operation),
        (9, x509.ReasonFlags.privilege_withdrawn),
    ],
)
def test_5280_5_3_1_an_entry_has_the_reason_that_was_given(reason, flag, issuer, now):
    at = now - timedelta(hours=3)
    (entry,) = crl_of(issuer, now, Revoked(1 << 80, at, reason))
    assert (entry.serial_number, entry.revocation_date_utc) == (1 << 80, at.replace(microsecond=0))
    assert [extension.value.reason for extension in entry.extensions] == ([flag] if flag else [])


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 10, 11, -1])
def test_5280_5_3_1_no_entry_has_any_other_reason(reason, issuer, now):
    with pytest.raises(ValueError, match="not a reason"):
        crl_of(issuer, now, Revoked(1, now, reason))


def test_5280_5_2_3_numbers_rise_with_time_and_fit_into_20_octets():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    numbers = [crl_number(start + timedelta(microseconds=step)) for step in range(5)]
    assert numbers == sorted(set(numbers))
    assert crl_number(datetime(9999, 1, 1, tzinfo=UTC)).bit_length() < 160


def test_openssl_reads_it_and_refuses_the_revoked_certificate_alone(pki, issuer, request_for, now, tmp_path):
    leaves = []
    for name in ("good", "bad"):
        serial = new_serial(secrets.token_bytes)
        leaf = x509.load_der_x509_certificate(issue(prepare(request_for(), issuer, now, serial), issuer))
        (tmp_path / f"{name}.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
        leaves.append(serial)
    crl = crl_of(issuer, now, Revoked(leaves[1], now, 1))
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))

    def run(*command):
        return subprocess.run(
            ["openssl", *command], cwd=tmp_path, capture_output=True, timeout=30, text=True, check=False
        )

    text = run("crl", "-in", "crl.pem", "-noout", "-text").stdout
    octets = leaves[1].to_bytes((leaves[1].bit_length() + 7) // 8, "big")  # OpenSSL prints whole octets
    assert f"Serial Number: {octets.hex().upper()}" in text
    assert "Key Compromise" in text
    assert str(leaves[0]) not in text
    options = ["-attime", str(int(now.timestamp())), "-crl_check", "-CRLfile", "crl.pem"]
    chain = ["-CAfile", str(pki / "root.pem"), "-untrusted", str(pki / "issuer.pem")]
    assert run("verify", *options, *chain, "good.pem").returncode == 0
    refused = run("verify", *options, *chain, "bad.pem")
    assert refused.returncode != 0
    assert "certificate revoked" in refused.stderr


@pytest.mark.parametrize("reason", [0, 1, 3, 4, 5])
def test_8555_7_6_a_subscriber_may_give_these_reasons(reason):
    assert check_reason(reason) == reason


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 9, 10, -1, 1 << 70, True, False, 1.0, "1", None, [1], {}])
def test_8555_7_6_and_no_others(reason):
    with pytest.raises(BadRevocationReason, match="keyCompromise"):
        check_reason(reason)
