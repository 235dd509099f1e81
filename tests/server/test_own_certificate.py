"""The certificate of the CA's own web server: recorded like any other, renewed at two thirds of its life."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from acme_server.issuance import authority
from acme_server.issuance.own import OwnCertificate
from acme_server.issuance.profiles import PROFILES
from acme_server.issuance.signers import load_key, write_key
from tests.audit_chain import broken_link
from tests.in_process import NOW


@pytest.fixture
def own(ca):
    issuer = authority.load(ca.config.path("ca"), NOW).issuer
    return OwnCertificate(ca.store, issuer, PROFILES["tls"], "https://ca.example/pki", secrets.token_bytes)


@pytest.fixture
def files(tmp_path):
    return tmp_path / "tls" / "cert.pem", tmp_path / "tls" / "key.pem"


def make(own, files, now=NOW):
    return own.make("ca.example", *files, now, "user/root")


def test_it_is_recorded_before_it_is_signed_and_names_the_host_and_nothing_else(ca, own, files):
    serial = make(own, files)
    assert ca.rows("SELECT serial, status, order_id, account_id FROM certificates") == [(serial, "issued", None, None)]
    assert ca.events() == ["certificate_reserved", "certificate_issued"]
    assert {record.actor for record in ca.audit()} == {"user/root"}
    leaf, issuer = x509.load_pem_x509_certificates(files[0].read_bytes())
    leaf.verify_directly_issued_by(issuer)
    names = list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    assert names == [x509.DNSName("ca.example")]
    assert load_key(files[1]).public_key() == leaf.public_key()


def test_its_key_is_its_owners_alone(own, files):
    make(own, files)
    assert files[1].stat().st_mode & 0o777 == 0o600
    assert files[1].parent.stat().st_mode & 0o777 == 0o700


def test_it_is_due_at_two_thirds_of_its_life(own, files):
    make(own, files)
    leaf = x509.load_pem_x509_certificates(files[0].read_bytes())[0]
    start, life = leaf.not_valid_before_utc, leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert not own.is_due(*files, start + life * 2 / 3 - timedelta(seconds=1))
    assert own.is_due(*files, start + life * 2 / 3)


def test_a_renewal_replaces_both_files(ca, own, files):
    first = make(own, files)
    key = files[1].read_bytes()
    second = make(own, files, NOW + timedelta(days=30))
    assert first != second
    assert files[1].read_bytes() != key
    assert not own.is_due(*files, NOW + timedelta(days=30))
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["cert.pem", "key.pem"]


def test_a_renewal_that_was_cut_off_between_the_files_is_made_again(own, files):
    make(own, files)
    files[1].unlink()
    write_key(files[1], ec.generate_private_key(ec.SECP256R1()))
    assert own.is_due(*files, NOW)
    files[0].with_name("cert.pem.new").write_text("half")
    make(own, files)
    assert not own.is_due(*files, NOW)


def test_a_certificate_that_somebody_else_has_issued_is_never_replaced(own, files, tmp_path):
    other = authority.create(tmp_path / "other", "Other CA", NOW, secrets.token_bytes).issuer
    stranger = OwnCertificate(own.store, other, PROFILES["tls"], "https://x", secrets.token_bytes)
    make(stranger, files)
    assert not own.is_due(*files, NOW + timedelta(days=3650))


def test_what_an_interrupted_run_has_reserved_goes_onto_the_crl_at_the_next(ca, own, files, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(OSError, match="file"):
        own.make("ca.example", blocked / "cert.pem", blocked / "key.pem", NOW, "server")
    ca.change("UPDATE certificates SET status = 'reserved', der = NULL")  # as if it had been cut off at the signer
    serial = make(own, files)
    assert sorted(ca.rows("SELECT status, serial = ? FROM certificates", serial)) == [("issued", 1), ("orphan", 0)]
    assert "certificate_orphaned" in ca.events()
    ca.work_off()
    (der,) = ca.rows("SELECT der FROM crls")[0]
    assert len(list(x509.load_der_x509_crl(der))) == 1
    assert broken_link(ca.audit()) is None
