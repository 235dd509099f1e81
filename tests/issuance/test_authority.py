"""Root and issuer as `create` makes them and `load` finds them (RFC 5280 §4.2.1, RFC 6120 §13.7.1.1)."""

import os
import secrets
import stat
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance.authority import UnusableAuthority, create, load, make_issuer
from acme_server.issuance.keys import spki_sha256
from acme_server.issuance.signers import UnusableKey

FILES = ["issuer.key", "issuer.pem", "root.key", "root.pem"]


def listing(directory):
    return sorted(path.name for path in directory.iterdir())


def assert_is_ca(certificate, path_length):
    found = certificate.extensions
    constraints = found.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=path_length)
    usage = found.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    # RFC 6120 §13.7.1.1: a CA's keyUsage MUST have digitalSignature.
    assert all((usage.value.digital_signature, usage.value.key_cert_sign, usage.value.crl_sign))
    assert not any((usage.value.key_encipherment, usage.value.content_commitment, usage.value.key_agreement))
    own = found.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert own.value == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)
    assert len(found) == 4
    assert len(list(certificate.subject)) == 1


def test_5280_4_2_1_both_are_cas_and_the_issuer_signs_leaves_only(pki, now):
    authority = load(pki, now)
    assert_is_ca(authority.root, None)
    assert_is_ca(authority.issuer.certificate, 0)
    authority.root.verify_directly_issued_by(authority.root)
    authority.issuer.certificate.verify_directly_issued_by(authority.root)
    of_root = authority.root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    for certificate in (authority.root, authority.issuer.certificate):
        above = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert above.key_identifier == of_root


def test_the_root_lives_20_years_and_the_issuer_5(tmp_path, now):
    authority = create(tmp_path / "pki", "Example", now, secrets.token_bytes)
    start = now.replace(microsecond=0) - timedelta(hours=1)
    for certificate, years in ((authority.root, 20), (authority.issuer.certificate, 5)):
        assert certificate.not_valid_before_utc == start
        assert certificate.not_valid_after_utc == start + timedelta(days=365 * years, seconds=-1)


def test_openssl_verifies_the_issuer_strictly(pki, now):
    at = ["-attime", str(int(now.timestamp())), "-x509_strict", "-check_ss_sig"]
    command = ["openssl", "verify", *at, "-CAfile", str(pki / "root.pem"), str(pki / "issuer.pem")]
    run = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("mask", [0o000, 0o022], ids=oct)
def test_keys_are_0600_in_a_directory_of_0700_whatever_the_umask(mask, tmp_path, now):
    before = os.umask(mask)
    try:
        create(tmp_path / "a" / "pki", "Example", now, secrets.token_bytes)
    finally:
        os.umask(before)
    directory = tmp_path / "a" / "pki"
    assert listing(directory) == FILES
    assert listing(tmp_path / "a") == ["pki"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE((directory / name).stat().st_mode) for name in ("issuer.key", "root.key")} == {0o600}


def test_an_empty_directory_is_taken(tmp_path, now):
    (tmp_path / "pki").mkdir(mode=0o755)
    create(tmp_path / "pki", "Example", now, secrets.token_bytes)
    assert listing(tmp_path / "pki") == FILES
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


@pytest.mark.parametrize("there", ["root.key", "something else"])
def test_what_is_there_is_never_overwritten(there, tmp_path, now):
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / there).write_bytes(b"old")
    with pytest.raises(FileExistsError, match="never overwritten"):
        create(tmp_path / "pki", "Example", now, secrets.token_bytes)
    assert listing(tmp_path) == ["pki"]
    assert (tmp_path / "pki" / there).read_bytes() == b"old"


def test_a_file_in_the_directorys_place_is_not_overwritten(tmp_path, now):
    (tmp_path / "pki").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        create(tmp_path / "pki", "Example", now, secrets.token_bytes)
    assert (tmp_path / "pki").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["", "x" * 49, "two\nlines", "nul\0"])
def test_a_name_that_fits_no_cn_is_refused_before_anything_is_written(name, tmp_path, now):
    with pytest.raises(ValueError, match="name of a CA"):
        create(tmp_path / "pki", name, now, secrets.token_bytes)
    assert listing(tmp_path) == []


def test_the_names_say_who_is_who(tmp_path, now):
    authority = create(tmp_path / "pki", "Ünïcode CA " + "x" * 37, now, secrets.token_bytes)
    assert authority.root.subject.rfc4514_string() == "CN=Ünïcode CA " + "x" * 37 + " Root"
    assert authority.issuer.certificate.subject.rfc4514_string() == "CN=Ünïcode CA " + "x" * 37 + " Issuer"


def test_daily_work_needs_no_root_key(tmp_path, now):
    made = create(tmp_path / "pki", "Example", now, secrets.token_bytes)
    (tmp_path / "pki" / "root.key").unlink()
    loaded = load(tmp_path / "pki", now)
    assert loaded.root == made.root
    assert loaded.issuer.id == made.issuer.id
    assert loaded.issuer.chain == (made.issuer.certificate,)
    assert loaded.issuer.signer.public_key() == made.issuer.signer.public_key()


def test_the_issuers_id_is_the_start_of_its_keys_hash(issuer):
    assert issuer.id == spki_sha256(issuer.signer.public_key())[:8].hex()
    assert len(issuer.id) == 16


def test_the_repr_shows_no_key(issuer):
    assert repr(issuer) == f"Issuer({issuer.id})"


@pytest.fixture
def two(tmp_path, now):
    for name in ("a", "b"):
        create(tmp_path / name, name, now, secrets.token_bytes)
    return tmp_path / "a", tmp_path / "b"


def test_an_issuer_of_another_root_is_refused(two, now):
    ours, theirs = two
    (theirs / "root.pem").replace(ours / "root.pem")
    with pytest.raises(UnusableAuthority, match="not signed by"):
        load(ours, now)


def test_a_key_of_another_issuer_is_refused(two, now):
    ours, theirs = two
    (theirs / "issuer.key").replace(ours / "issuer.key")
    with pytest.raises(UnusableAuthority, match="not the one of its certificate"):
        load(ours, now)


def test_a_key_that_others_may_read_is_refused(two, now):
    (two[0] / "issuer.key").chmod(0o644)
    with pytest.raises(UnusableKey, match="chmod"):
        load(two[0], now)


@pytest.mark.parametrize("name", ["root.pem", "issuer.pem"])
def test_a_file_that_is_no_certificate_is_named(name, two, now):
    (two[0] / name).write_bytes(b"nothing")
    with pytest.raises(UnusableAuthority, match=name):
        load(two[0], now)


@pytest.mark.parametrize("name", ["root.pem", "issuer.pem", "issuer.key"])
def test_a_missing_file_is_an_oserror(name, two, now):
    (two[0] / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load(two[0], now)


def test_a_leaf_is_no_issuer(issuer, request_for, now, ec_key):
    from acme_server.issuance.issuer import issue, prepare

    leaf = x509.load_der_x509_certificate(issue(prepare(request_for(), issuer, now, 1 << 90), issuer))
    with pytest.raises(UnusableAuthority, match="one of a CA"):
        make_issuer(leaf, ec_key)


def test_certificates_are_pem_with_nothing_around(pki):
    for name in ("root.pem", "issuer.pem"):
        content = (pki / name).read_bytes()
        assert x509.load_pem_x509_certificate(content).public_bytes(Encoding.PEM) == content
