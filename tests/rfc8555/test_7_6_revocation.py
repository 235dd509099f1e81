"""RFC 8555 §7.6: who may revoke what, once, for which reason; and the CRL that says so (RFC 5280 §5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance import authority, der
from acme_server.issuance.serials import serial_text
from tests.acme_requests import Client, b64, ec_key
from tests.in_process import NOW
from tests.open_challenge import opened

NAMES = ("example.org", "www.example.org")


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def key():
    return ec_key()


@pytest.fixture
def leaf(client, key):
    return client.issue(*NAMES, key=key).leaf


def certificate(leaf, **members):
    return {"certificate": b64(leaf.public_bytes(Encoding.DER))} | members


def listed(ca):
    """The serials of the published CRL, with their reasons."""
    ca.work_off()
    issuer = authority.load(ca.config.path("ca"), NOW).issuer
    reply = Client(ca).send("GET", f"{ca.url}/pki/{issuer.id}.crl")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/pkix-crl")
    crl = x509.load_der_x509_crl(reply.content)
    assert crl.is_signature_valid(issuer.public_key)
    return {
        entry.serial_number: next(
            (e.value.reason.value for e in entry.extensions if isinstance(e.value, x509.CRLReason)), None
        )
        for entry in crl
    }


def test_7_6_the_account_that_ordered_it_revokes_with_an_empty_200_and_the_crl_lists_it(ca, client, leaf):
    assert listed(ca) == {}
    reply = client.post("revoke-cert", certificate(leaf))
    assert (reply.status, reply.content) == (200, b"")
    ca.clock.advance(seconds=1)
    assert listed(ca) == {leaf.serial_number: None}


def test_7_6_the_certificates_own_key_revokes_it_without_any_account(ca, leaf, key):
    holder = Client(ca, key)
    assert holder.post("revoke-cert", certificate(leaf, reason=1)).status == 200
    assert listed(ca) == {leaf.serial_number: "keyCompromise"}
    assert ca.audit()[-1].actor.startswith("key/")


def test_7_6_an_account_that_has_proved_all_its_names_revokes_it(ca, leaf):
    other = Client(ca).register()
    other.ready(*NAMES)
    assert other.post("revoke-cert", certificate(leaf)).status == 200


def test_7_6_an_account_that_has_proved_some_of_its_names_does_not(ca, leaf):
    other = Client(ca).register()
    other.ready(NAMES[0])
    assert other.post("revoke-cert", certificate(leaf)).problem == "unauthorized"
    other.order(*NAMES)  # asked for is not proved
    assert other.post("revoke-cert", certificate(leaf)).problem == "unauthorized"


def test_7_6_whoever_has_proved_a_domain_with_its_subdomains_has_not_proved_its_wildcard(make_ca):
    ca = make_ca(acme={"wildcards": True}, parts={"challenges": opened()})
    owner, other = Client(ca).register(), Client(ca).register()
    orders = [
        owner.order("*.example.org"),
        other.order({"type": "dns", "value": "a.example.org", "ancestorDomain": "example.org"}),
    ]
    for client, order in zip((owner, other), orders, strict=True):
        challenge = client.challenge(order.json["authorizations"][0], "open-01")
        assert client.post(challenge["url"], {}).json["status"] == "valid"
    leaf = owner.post(owner.finalize(orders[0]).json["certificate"]).leaf
    assert other.post("revoke-cert", certificate(leaf)).problem == "unauthorized"
    assert owner.post("revoke-cert", certificate(leaf)).status == 200


@pytest.mark.parametrize("end", ["expired", "deactivated"])
def test_7_6_an_authorization_that_has_ended_revokes_nothing(ca, leaf, end):
    other = Client(ca).register()
    order = other.ready(*NAMES)
    if end == "expired":
        ca.clock.advance(days=10)
    else:
        other.post(order.json["authorizations"][1], {"status": "deactivated"})
    assert other.post("revoke-cert", certificate(leaf)).problem == "unauthorized"


def test_7_6_another_account_and_another_key_are_refused(ca, client, leaf):
    others = [Client(ca).register(), Client(ca), Client(ca, client.key)]  # the last: the account's key as `jwk`
    for other in others:
        reply = other.post("revoke-cert", certificate(leaf))
        assert (reply.status, reply.problem) == (403, "unauthorized")
    assert listed(ca) == {}
    assert ca.rows("SELECT revoked_at FROM certificates") == [(None,)]


def test_7_6_a_second_time_is_alreadyRevoked_whoever_asks(ca, client, leaf, key):
    client.post("revoke-cert", certificate(leaf, reason=4))
    for again in (client, Client(ca, key)):
        reply = again.post("revoke-cert", certificate(leaf, reason=1))
        assert (reply.status, reply.problem) == (400, "alreadyRevoked")
    assert listed(ca) == {leaf.serial_number: "superseded"}


def test_7_6_parallel_revocations_happen_once(ca, client, leaf):
    def revoke(_):
        clone = Client(ca, client.key)
        clone.account = client.account
        return clone.post("revoke-cert", certificate(leaf)).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(revoke, range(16))) == [200] + [400] * 15
    assert ca.events().count("certificate_revoked") == 1
    assert ca.rows("SELECT event FROM notices") == [("certificate_issued",), ("certificate_revoked",)]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (0, None),
        (1, "keyCompromise"),
        (3, "affiliationChanged"),
        (4, "superseded"),
        (5, "cessationOfOperation"),
        (None, None),
    ],
)
def test_7_6_the_reasons_a_subscriber_may_give(ca, client, leaf, reason, shown):
    assert client.post("revoke-cert", certificate(leaf, reason=reason)).status == 200
    assert listed(ca) == {leaf.serial_number: shown}


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 9, 10, 11, -1, 10**30, 1.0, "1", True, [1], {}])
def test_7_6_every_other_reason_is_badRevocationReason_and_revokes_nothing(ca, client, leaf, reason):
    reply = client.post("revoke-cert", certificate(leaf, reason=reason))
    assert (reply.status, reply.problem) == (400, "badRevocationReason")
    assert listed(ca) == {}


def look_alike(leaf, signer):
    """The same serial and names, signed by somebody else."""
    return (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .serial_number(leaf.serial_number)
        .public_key(leaf.public_key())
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc + timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )


def test_7_6_a_certificate_of_somebody_else_or_a_look_alike_is_not_found(ca, client, leaf, key):
    fake = look_alike(leaf, key)
    issuer = authority.load(ca.config.path("ca"), NOW).issuer.certificate
    for der_ in (fake, issuer, x509.load_pem_x509_certificate(ca.config.path("ca/root.pem").read_bytes())):
        for asker in (client, Client(ca, key)):
            reply = asker.post("revoke-cert", certificate(der_))
            assert (reply.status, reply.problem) == (404, "malformed")
    assert listed(ca) == {}


def with_version(leaf, version):
    """The leaf with another version number: v1 is 0, and 7 is none."""
    octets = leaf.public_bytes(Encoding.DER)
    return octets.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([version]), 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda leaf: b"",
        lambda leaf: b"rubbish",
        lambda leaf: leaf.public_bytes(Encoding.PEM),
        lambda leaf: leaf.public_bytes(Encoding.DER)[:-1],
        lambda leaf: leaf.public_bytes(Encoding.DER) + b"\0",
        lambda leaf: leaf.public_bytes(Encoding.DER)[:100],
        lambda leaf: with_version(leaf, 7),
        lambda leaf: with_version(leaf, 0),
        lambda leaf: leaf.tbs_certificate_bytes,
        lambda leaf: der.encode(der.SEQUENCE, b""),
        lambda leaf: b"\x30\x84\xff\xff\xff\xff",
        lambda leaf: b"\x30\x80" * 20_000,
    ],
    ids=range(12),
)
def test_7_6_what_is_no_certificate_is_malformed(ca, client, leaf, change):
    assert client.post("revoke-cert", {"certificate": b64(change(leaf))}).problem == "malformed"
    assert ca.rows("SELECT revoked_at FROM certificates") == [(None,)]


@pytest.mark.filterwarnings("ignore:Parsed a serial")  # the parser warns of serials that RFC 5280 forbids
@pytest.mark.parametrize("serial", [b"\x00", b"\xff", b"\x80" + bytes(30), b"\x7f" * 5000])
def test_7_6_a_certificate_with_a_serial_that_is_none_is_refused(client, leaf, serial):
    octets = leaf.public_bytes(Encoding.DER)
    old = der.encode(0x02, leaf.serial_number.to_bytes((leaf.serial_number.bit_length() + 8) // 8, "big"))
    assert old in octets
    tbs = leaf.tbs_certificate_bytes.replace(old, der.encode(0x02, serial), 1)
    head = 4 if tbs[1] == 0x82 else 3
    rest = octets[octets.index(leaf.tbs_certificate_bytes) + len(leaf.tbs_certificate_bytes) :]
    whole = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, tbs[head:]) + rest)
    assert client.post("revoke-cert", {"certificate": b64(whole)}).problem == "malformed"


@pytest.mark.parametrize("value", [None, 1, [], "a b", "A"])
def test_7_6_a_certificate_that_is_not_base64url_is_malformed(client, value):
    assert client.post("revoke-cert", {"certificate": value}).problem == "malformed"
    assert client.post("revoke-cert", {}).problem == "malformed"


def test_7_6_a_certificate_that_was_revoked_can_still_be_downloaded_by_its_account(ca, client, leaf):
    client.post("revoke-cert", certificate(leaf))
    assert client.post(f"certificate/{serial_text(leaf.serial_number)}").leaf == leaf


def test_7_6_the_revocation_its_audit_record_its_notice_and_the_job_are_one_transaction(ca, client, leaf):
    ca.work_off()
    ca.clock.advance(seconds=30)
    client.post("revoke-cert", certificate(leaf, reason=5))
    subject = f"certificate/{serial_text(leaf.serial_number)}"
    assert (ca.audit()[-1].event, ca.audit()[-1].subject, ca.audit()[-1].detail) == (
        "certificate_revoked",
        subject,
        {"reason": 5},
    )
    assert ca.rows("SELECT subject FROM notices WHERE event = 'certificate_revoked'") == [(subject,)]
    due = ca.rows("SELECT due FROM jobs WHERE kind = 'crl'")
    assert due == [(ca.clock().timestamp(),)]


def test_5280_5_the_crl_is_made_anew_each_day_with_a_higher_number_and_may_be_cached(ca, client, leaf):
    client.post("revoke-cert", certificate(leaf))
    issuer = authority.load(ca.config.path("ca"), NOW).issuer
    numbers, replies = [], []
    for _ in range(3):
        listed(ca)
        replies.append(Client(ca).send("GET", f"{ca.url}/pki/{issuer.id}.crl"))
        crl = x509.load_der_x509_crl(replies[-1].content)
        assert crl.next_update_utc > ca.clock() + timedelta(days=6)
        numbers.append(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
        ca.clock.advance(days=1)
    assert numbers == sorted(set(numbers))
    assert replies[0].headers["Cache-Control"] == "public, max-age=3600"
    assert replies[0].headers["Last-Modified"] == "Mon, 01 Jun 2026 12:00:00 GMT"


def test_5280_3_3_an_expired_certificate_leaves_the_crl_once_one_after_its_end_has_listed_it(ca, client, leaf):
    client.post("revoke-cert", certificate(leaf))
    assert listed(ca) != {}
    ca.clock.now = leaf.not_valid_after_utc + timedelta(days=1)
    assert listed(ca) == {leaf.serial_number: None}
    ca.clock.advance(days=7)
    assert listed(ca) == {}


def test_5280_4_2_2_1_the_issuers_certificate_is_where_the_leaf_says(ca, leaf):
    aia = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    reply = Client(ca).send("GET", aia[0].access_location.value)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/pkix-cert")
    leaf.verify_directly_issued_by(x509.load_der_x509_certificate(reply.content))
    ca.work_off()
    assert Client(ca).send("GET", points[0].full_name[0].value).status == 200


def test_5280_5_2_3_a_clock_that_is_set_back_keeps_no_revocation_off_the_crl(ca, client, leaf):
    listed(ca)
    ca.clock.advance(hours=-1)
    client.post("revoke-cert", certificate(leaf))
    assert listed(ca) == {leaf.serial_number: None}
