"""The two steps of issuing, judged on the certificate and by openssl (RFC 5280 §4, RFC 6120 §13.7.1)."""

import dataclasses
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from foreign_keys import ForeignKey, Forger, Noise, NoSigner
from hypothesis import given, settings
from hypothesis import strategies as st
from issued import extension, issued, names_by_openssl, openssl

from acme_server.issuance import authority as authorities
from acme_server.issuance.issuer import TicketSpent, WrongSignature, issue, prepare
from acme_server.issuance.keys import spki_sha256
from acme_server.issuance.lint import LintError
from acme_server.issuance.serials import new_serial, serial_text
from acme_server.issuance.signers import hash_for

BOTH = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
HOSTS = ["example.org", "conference.example.org"]


def assert_is_leaf(certificate, issuer, purposes):
    """Every extension of a leaf but its names, with its critical bit."""
    assert certificate.version is x509.Version.v3
    assert len(certificate.extensions) == 8
    constraints = extension(certificate, x509.BasicConstraints)
    assert (constraints.value.ca, constraints.critical) == (False, True)
    usage = extension(certificate, x509.KeyUsage)
    is_rsa = isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert usage.critical
    assert (usage.value.digital_signature, usage.value.key_encipherment) == (True, is_rsa)
    assert not any((usage.value.key_cert_sign, usage.value.crl_sign, usage.value.key_agreement))
    assert not any((usage.value.content_commitment, usage.value.data_encipherment))
    extended = extension(certificate, x509.ExtendedKeyUsage)
    assert (list(extended.value), extended.critical) == (purposes, False)
    assert not extension(certificate, x509.SubjectAlternativeName).critical
    own = extension(certificate, x509.SubjectKeyIdentifier).value
    assert own == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    above = extension(certificate, x509.AuthorityKeyIdentifier).value
    assert above.key_identifier == extension(issuer.certificate, x509.SubjectKeyIdentifier).value.digest
    assert certificate.issuer == issuer.certificate.subject
    (access,) = extension(certificate, x509.AuthorityInformationAccess).value
    assert access.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    assert access.access_location.value == f"http://ca.example/pki/{issuer.id}.cer"
    (point,) = extension(certificate, x509.CRLDistributionPoints).value
    assert [name.value for name in point.full_name] == [f"http://ca.example/pki/{issuer.id}.crl"]
    certificate.verify_directly_issued_by(issuer.certificate)


@pytest.mark.parametrize(
    ("profile", "names", "purposes"),
    [
        ("xmpp", HOSTS, BOTH),
        ("xmpp-compat", HOSTS, BOTH),
        ("tls", HOSTS, [ExtendedKeyUsageOID.SERVER_AUTH]),
        ("xmpp-user", ["juliet@example.org"], [ExtendedKeyUsageOID.CLIENT_AUTH]),
    ],
)
@pytest.mark.parametrize("kind", ["ec_key", "rsa_key", "ed25519_key"])
def test_5280_4_2_a_leaf_has_our_eight_extensions(profile, names, purposes, kind, request, request_for, issuer, now):
    key = request.getfixturevalue(kind)
    certificate = issued(request_for(profile, names, key), issuer, now)
    assert certificate.public_key() == key.public_key()
    assert_is_leaf(certificate, issuer, purposes)


def test_6120_13_7_1_2_the_names_of_a_host_and_its_components_as_openssl_reads_them(request_for, issuer, now):
    hosts = ["example.org", "conference.example.org", "upload.example.org", "xn--bcher-kva.example.org"]
    srv_names = ["_xmpp-client.example.org"] + [f"_xmpp-server.{host}" for host in hosts]
    addresses = [*hosts[:3], "bücher.example.org"]
    dns = [f"DNS:{host}" for host in hosts]
    srv = [f"othername: SRVName::{name}" for name in srv_names]
    xmpp = [f"othername: XmppAddr::{address}" for address in addresses]
    assert names_by_openssl(issued(request_for("xmpp"), issuer, now)) == dns + srv + xmpp
    assert names_by_openssl(issued(request_for("xmpp-compat"), issuer, now)) == dns + srv
    assert names_by_openssl(issued(request_for("tls"), issuer, now)) == dns


def test_5280_6_openssl_verifies_the_chain_strictly_for_each_name(pki, request_for, issuer, now, names, tmp_path):
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(issued(request_for(), issuer, now).public_bytes(Encoding.PEM))
    at = ("-attime", int(now.timestamp()), "-x509_strict", "-check_ss_sig")
    for purpose in ("sslserver", "sslclient"):
        for name in names:
            chain = ("-CAfile", pki / "root.pem", "-untrusted", pki / "issuer.pem")
            assert "OK" in openssl("verify", *at, *chain, "-purpose", purpose, "-verify_hostname", name, leaf)


def test_6120_13_7_1_1_the_cn_is_the_first_name_that_fits(request_for, issuer, now):
    long = "a" * 60 + ".example.org"
    certificate = issued(request_for(names=(long, "b.example.org", "example.org")), issuer, now)
    assert [(part.oid, part.value) for part in certificate.subject] == [(NameOID.COMMON_NAME, "b.example.org")]


def test_6120_13_7_1_1_a_subject_without_a_short_name_is_not_null(request_for, issuer, now):
    certificate = issued(request_for(names=("a" * 60 + ".example.org",)), issuer, now)
    serial = serial_text(certificate.serial_number)
    assert [(part.oid, part.value) for part in certificate.subject] == [(NameOID.SERIAL_NUMBER, serial)]


def test_the_ticket_says_what_will_be_signed(request_for, issuer, now, ec_key):
    ticket = prepare(request_for(), issuer, now, 1 << 100)
    certificate = x509.load_der_x509_certificate(issue(ticket, issuer))
    assert ticket.tbs == certificate.tbs_certificate_bytes
    assert ticket.tbs_sha256 == hashlib.sha256(ticket.tbs).digest()
    assert (ticket.serial, ticket.issuer_id) == (certificate.serial_number, issuer.id)
    assert ticket.not_before == certificate.not_valid_before_utc
    assert ticket.not_after == certificate.not_valid_after_utc
    assert ticket.spki_sha256 == spki_sha256(ec_key.public_key())


def test_preparing_never_uses_the_issuers_key(request_for, issuer, now):
    assert prepare(request_for(), with_signer(issuer, NoSigner(issuer.signer)), now, 1 << 100).serial == 1 << 100


def test_a_ticket_is_redeemed_once(request_for, issuer, now):
    ticket = prepare(request_for(), issuer, now, 1 << 100)
    issue(ticket, issuer)
    with pytest.raises(TicketSpent, match="before"):
        issue(ticket, issuer)


def test_of_many_threads_that_redeem_a_ticket_one_gets_a_certificate(request_for, issuer, now):
    ticket = prepare(request_for(), issuer, now, 1 << 100)

    def redeem(_):
        try:
            return issue(ticket, issuer)
        except TicketSpent:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert len([der for der in pool.map(redeem, range(64)) if der]) == 1


def test_a_ticket_is_for_the_issuer_it_was_made_for(request_for, issuer, now, tmp_path):
    other = authorities.create(tmp_path / "other", "Other CA", now, secrets.token_bytes).issuer
    with pytest.raises(TicketSpent, match="another issuer"):
        issue(prepare(request_for(), issuer, now, 1 << 100), other)


def with_signer(issuer, signer):
    return dataclasses.replace(issuer, signer=signer)


def test_a_signer_is_any_object_that_behaves_as_a_pyca_key(request_for, issuer, now):
    foreign = with_signer(issuer, ForeignKey(issuer.signer))
    assert_is_leaf(issued(request_for(), foreign, now), issuer, BOTH)


@pytest.mark.parametrize("kind", [Forger, Noise])
def test_r11_a_signer_that_signs_anything_else_is_caught(kind, request_for, issuer, now):
    with pytest.raises(WrongSignature, match="signature"):
        issued(request_for(), with_signer(issuer, kind(issuer.signer)), now)


def test_r11_a_signature_by_another_key_is_caught(request_for, issuer, now):
    stranger = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(WrongSignature, match="signature"):
        issued(request_for(), with_signer(issuer, stranger), now)


def test_r11_octets_that_were_not_linted_are_not_let_out(request_for, issuer, now):
    ticket = prepare(request_for(), issuer, now, 1 << 100)
    changed = dataclasses.replace(ticket, tbs=ticket.tbs.replace(b"upload", b"sneaky"))
    with pytest.raises(WrongSignature, match="linted"):
        issue(changed, issuer)


def test_the_linter_sees_what_our_checks_have_passed_before_anything_is_signed(request_for, issuer, now):
    seen = []
    ticket = prepare(
        request_for(), with_signer(issuer, NoSigner(issuer.signer)), now, 1 << 100, lambda *all_: seen.append(all_)
    )
    ((candidate, request, _),) = seen
    assert (candidate.tbs_certificate_bytes, request) == (ticket.tbs, request_for())
    with pytest.raises(LintError, match="serial"):
        prepare(request_for(), issuer, now, 1, lambda *all_: seen.append(all_))
    assert len(seen) == 1


def test_lint_stops_a_serial_that_is_not_random(request_for, issuer, now):
    with pytest.raises(LintError, match="serial"):
        prepare(request_for(), issuer, now, 1)


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ecdsa-with-SHA384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ecdsa-with-SHA512"),
        (lambda: rsa.generate_private_key(65537, 3072), "sha256WithRSAEncryption"),
    ],
)
def test_5480_the_hash_goes_with_the_issuers_key(make, algorithm, request_for, pki, now):
    key = make()
    template = authorities.load(pki, now).issuer.certificate
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.subject)
    builder = builder.public_key(key.public_key()).serial_number(1 << 90)
    builder = builder.not_valid_before(template.not_valid_before_utc).not_valid_after(template.not_valid_after_utc)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    issuer = authorities.make_issuer(builder.sign(key, hash_for(key.public_key())), key)
    certificate = issued(request_for(), issuer, now)
    assert_is_leaf(certificate, issuer, BOTH)
    text = openssl("x509", "-noout", "-text", stdin=certificate.public_bytes(Encoding.PEM))
    assert text.count(f"Signature Algorithm: {algorithm}") == 2


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
SUBDOMAIN = st.one_of(LABEL, st.sampled_from(["xn--bcher-kva", "xn--fa-hia", "xn--80akhbyknj4f", "xn--4dbc"]))


@settings(deadline=None)
@given(
    subdomains=st.lists(
        st.one_of(st.lists(SUBDOMAIN, max_size=3), st.just(["*"])), min_size=1, max_size=12, unique_by=tuple
    ),
    profile=st.sampled_from(["tls", "xmpp", "xmpp-compat"]),
)
def test_whatever_the_names_the_certificate_passes_our_lint(subdomains, profile, issuer, now, request_for):
    names = tuple(".".join([*labels, "example.org"]) for labels in subdomains)
    certificate = issued(request_for(profile, names), issuer, now)
    assert extension(certificate, x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == list(names)


def test_br_7_1_serials_are_positive_and_below_2_to_the_159():
    draws = iter([bytes(20), b"\0" * 19 + b"\1", b"\xff" * 20])
    assert new_serial(lambda size: next(draws)) == (1 << 159) - 1
    assert len({new_serial(secrets.token_bytes) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(("serial", "text"), [(1, "1"), (255, "ff"), (0xABC, "abc"), (1 << 64, "1" + "0" * 16)])
def test_a_serial_is_written_in_lower_case_without_leading_zeros(serial, text):
    assert serial_text(serial) == text
