"""Chains beside the usual one: read from `alternates/*.pem`, or refused at the start (RFC 8555 §7.4.2, §9.1)."""

import base64
import secrets
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance.authority import UnusableAuthority, create, load
from acme_server.issuance.issuer import issue, prepare
from acme_server.issuance.serials import new_serial
from acme_server.issuance.signers import load_key
from tests.cross_signing import write_alternate, write_chain
from tests.peers.tls import cross_sign


@pytest.fixture
def pki(tmp_path, now):
    create(tmp_path / "pki", "Example XMPP CA", now - timedelta(days=2), secrets.token_bytes)
    return tmp_path / "pki"


@pytest.fixture
def other(tmp_path, now):
    return create(tmp_path / "elsewhere", "Other CA", now - timedelta(days=2), secrets.token_bytes)


@pytest.fixture
def alternate(pki):
    return pki / "alternates" / "other.pem"


def refused(pki, now):
    with pytest.raises(UnusableAuthority) as error:
        load(pki, now)
    return str(error.value)


def test_without_the_folder_or_with_an_empty_one_there_are_none(pki, now):
    assert load(pki, now).issuer.alternates == ()
    (pki / "alternates").mkdir()
    (pki / "alternates" / "README").write_text("nothing to see")
    assert load(pki, now).issuer.alternates == ()


def test_7_4_2_they_come_in_the_sequence_of_their_names(pki, now):
    chains = {name: write_alternate(pki, now, name) for name in ("30", "20", "50", "10", "60", "40")}
    issuer = load(pki, now).issuer
    assert issuer.alternates == tuple(chains[name] for name in sorted(chains))
    assert issuer.chain == (issuer.certificate,)


def test_9_1_a_leaf_verifies_by_either_chain(pki, alternate, other, now, request_for, tmp_path):
    issuer = load(pki, now).issuer
    root_key = load_key(tmp_path / "elsewhere" / "root.key")
    write_chain(alternate, (cross_sign(issuer.certificate, other.root, root_key),))
    issuer = load(pki, now).issuer
    leaf = issue(prepare(request_for(), issuer, now, new_serial(secrets.token_bytes)), issuer)
    (tmp_path / "leaf.pem").write_bytes(x509.load_der_x509_certificate(leaf).public_bytes(Encoding.PEM))
    for root, chain in ((pki, pki / "issuer.pem"), (tmp_path / "elsewhere", alternate)):
        command = ["openssl", "verify", "-attime", str(int(now.timestamp())), "-x509_strict"]
        command += ["-CAfile", str(root / "root.pem"), "-untrusted", str(chain), str(tmp_path / "leaf.pem")]
        run = subprocess.run(command, capture_output=True, timeout=30, check=False)
        assert run.returncode == 0, run.stderr


def test_9_1_the_issuers_own_certificate_below_a_cross_signed_root_is_a_chain_too(pki, alternate, other, now, tmp_path):
    authority = load(pki, now)
    root = cross_sign(authority.root, other.root, load_key(tmp_path / "elsewhere" / "root.key"))
    write_chain(alternate, (authority.issuer.certificate, root))
    assert load(pki, now).issuer.alternates == ((authority.issuer.certificate, root),)


def test_the_first_certificate_is_the_issuers_by_name_key_and_key_identifier(pki, alternate, other, now):
    write_chain(alternate, (other.issuer.certificate,))
    assert "other.pem: the first certificate has not the name" in refused(pki, now)
    cross, above = write_alternate(pki, now)
    other_identifier = cross_sign(cross, other.issuer.certificate, other.issuer.signer, identifier=b"x" * 20)
    write_chain(alternate, (other_identifier, above))
    assert "other.pem: the first certificate has not the name" in refused(pki, now)


def test_each_link_is_verified(pki, alternate, other, now):
    cross, above = write_alternate(pki, now)
    write_chain(alternate, (cross, other.issuer.certificate))
    assert "other.pem: certificate 1 is not signed by the one after it" in refused(pki, now)
    write_chain(alternate, (cross, above, other.root))
    assert "other.pem: certificate 2 is not signed by the one after it" in refused(pki, now)


def test_each_certificate_is_valid_now(pki, alternate, other, now):
    issuer = load(pki, now).issuer.certificate
    end = now.replace(microsecond=0) - timedelta(seconds=1)
    write_chain(alternate, (cross_sign(issuer, other.issuer.certificate, other.issuer.signer, end=end),))
    assert "other.pem: certificate 1 is valid from 2026-05-30 to 2026-06-01, and not now" in refused(pki, now)
    (alternate).unlink()
    write_alternate(pki, now + timedelta(days=30))
    assert "other.pem: certificate 2 is valid from" in refused(pki, now)


def test_each_certificate_is_one_of_a_ca(pki, alternate, now, request_for):
    issuer = load(pki, now).issuer
    cross, _ = write_alternate(pki, now)
    leaf = x509.load_der_x509_certificate(
        issue(prepare(request_for(), issuer, now, new_serial(secrets.token_bytes)), issuer)
    )
    write_chain(alternate, (cross, leaf))
    assert "other.pem: certificate 2 is not one of a CA" in refused(pki, now)


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_certificates_is_named(content, pki, alternate, now):
    alternate.parent.mkdir()
    alternate.write_bytes(content)
    assert "other.pem holds no PEM certificates" in refused(pki, now)


def test_a_chain_that_says_nothing_new_or_one_thing_twice_is_refused(pki, alternate, now):
    write_chain(alternate, (load(pki, now).issuer.certificate,))
    assert "other.pem is the usual chain" in refused(pki, now)
    cross, above = write_alternate(pki, now)
    write_chain(alternate, (cross, above, above))
    assert "other.pem: a certificate is there twice" in refused(pki, now)


def test_5280_4_2_1_9_a_ca_that_may_have_no_ca_below_it_is_refused(pki, alternate, other, now):
    issuer = load(pki, now).issuer.certificate
    cross = cross_sign(issuer, other.issuer.certificate, other.issuer.signer)
    write_chain(alternate, (cross, other.issuer.certificate))
    assert "other.pem: certificate 2 may not sign what is below it" in refused(pki, now)


def test_what_the_parser_cannot_take_is_named_and_no_traceback(pki, alternate, now):
    cross, _ = write_alternate(pki, now)
    der = bytearray(cross.public_bytes(Encoding.DER))
    der[der.index(b"\xa0\x03\x02\x01\x02") + 4] = 7  # a version that there is not
    alternate.write_bytes(
        b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(bytes(der)) + b"\n-----END CERTIFICATE-----\n"
    )
    assert "other.pem holds no PEM certificates that can be used" in refused(pki, now)
