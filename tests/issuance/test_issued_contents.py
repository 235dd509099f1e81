"""How long an issued certificate lives, and which names other than a host's it can have (RFC 5280, RFC 8555 §7.4)."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from issued import issued, names_by_openssl

from acme_server.issuance.issuer import IssuerExpiring, ValidityGone, prepare
from acme_server.issuance.profiles import PROFILES, period
from acme_server.issuance.serials import serial_text

ALL_OTHERS = (
    ", othername: SRVName::_xmpp-client.example.org, othername: SRVName::_xmpp-server.example.org"
    ", othername: XmppAddr::example.org"
)


@pytest.mark.parametrize(
    ("profile", "asked", "names", "common_name"),
    [
        (
            "xmpp",
            ["*.example.org", "example.org"],
            "DNS:*.example.org, DNS:example.org" + ALL_OTHERS,
            "*.example.org",
        ),
        ("xmpp", ["*.example.org"], "DNS:*.example.org", "*.example.org"),
        (
            "tls",
            ["192.0.2.1", "example.org", "2001:db8::1"],
            "DNS:example.org, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1",
            "example.org",
        ),
        ("tls", ["192.0.2.1"], "IP Address:192.0.2.1", None),
        ("xmpp-user", ["juliet@example.org"], "othername: XmppAddr::juliet@example.org", None),
        ("xmpp-user", ["jüliet@bücher.example"], "othername: XmppAddr::jüliet@bücher.example", None),
        ("xmpp-user", ["star*@bücher.example"], "othername: XmppAddr::star*@bücher.example", None),
    ],
)
def test_wildcards_addresses_and_jids_as_openssl_reads_them(
    profile, asked, names, common_name, request_for, issuer, now
):
    certificate = issued(request_for(profile, asked), issuer, now)
    assert ", ".join(names_by_openssl(certificate)) == names
    (part,) = certificate.subject
    serial = (NameOID.SERIAL_NUMBER, serial_text(certificate.serial_number))
    assert (part.oid, part.value) == ((NameOID.COMMON_NAME, common_name) if common_name else serial)


@pytest.mark.parametrize("local", ["ü" * 511, "xn--x", "a.b.c", "a*b", "\u05d0"])
def test_7622_3_3_the_local_part_may_be_what_it_is(local, request_for, issuer, now):
    jid = f"{local}@bücher.example"
    (name,) = (
        issued(request_for("xmpp-user", [jid]), issuer, now)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert name.value.endswith(jid.encode())


def test_5280_4_1_2_5_the_life_is_45_days_to_the_second_and_begins_an_hour_ago(request_for, issuer, now):
    certificate = issued(request_for(), issuer, now)
    start = now.replace(microsecond=0) - timedelta(hours=1)
    assert certificate.not_valid_before_utc == start
    assert certificate.not_valid_after_utc == start + timedelta(days=45) - timedelta(seconds=1)


def test_5280_4_1_2_5_no_certificate_outlives_its_issuer(request_for, issuer):
    end = issuer.certificate.not_valid_after_utc
    assert issued(request_for(), issuer, end - timedelta(days=3)).not_valid_after_utc == end


def test_5280_4_1_2_5_none_begins_before_its_issuer(request_for, issuer):
    start = issuer.certificate.not_valid_before_utc
    certificate = issued(request_for(), issuer, start + timedelta(minutes=1))
    assert certificate.not_valid_before_utc == start


@pytest.mark.parametrize("left", [timedelta(hours=23), timedelta(0), timedelta(days=-400)])
def test_an_issuer_with_less_than_a_day_left_issues_nothing(left, request_for, issuer):
    with pytest.raises(IssuerExpiring, match="ends at"):
        prepare(request_for(), issuer, issuer.certificate.not_valid_after_utc - left, 1 << 100)


def test_8555_7_4_the_validity_asked_for_is_had_to_the_second(request_for, issuer, now):
    start, end = now.replace(microsecond=0) + timedelta(days=3), now.replace(microsecond=0) + timedelta(days=7)
    both = issued(request_for(not_before=start, not_after=end), issuer, now)
    assert (both.not_valid_before_utc, both.not_valid_after_utc) == (start, end)
    usual = issued(request_for(), issuer, now)
    late = issued(request_for(not_before=start), issuer, now)
    assert (late.not_valid_before_utc, late.not_valid_after_utc) == (start, usual.not_valid_after_utc)
    short = issued(request_for(not_after=end), issuer, now)
    assert (short.not_valid_before_utc, short.not_valid_after_utc) == (usual.not_valid_before_utc, end)


def test_8555_7_4_what_was_asked_for_days_ago_is_had_all_the_same(request_for, issuer, now):
    first, last = period(PROFILES["xmpp"], now)
    asked, when = first + timedelta(days=6), now + timedelta(days=6)
    later = issued(request_for(not_before=asked, not_after=last), issuer, when)
    assert (later.not_valid_before_utc, later.not_valid_after_utc) == (asked, last)
    begun = issued(request_for(not_before=asked), issuer, when)
    assert begun.not_valid_before_utc == asked


def test_8555_7_4_a_validity_that_cannot_be_had_any_more_is_told(request_for, issuer, now):
    with pytest.raises(ValidityGone, match="has passed"):
        prepare(request_for(not_after=now.replace(microsecond=0)), issuer, now, 1 << 100)
    late = now.replace(microsecond=0) - timedelta(hours=1, seconds=1)
    with pytest.raises(ValidityGone, match="over an hour ago by now"):
        prepare(request_for(not_before=late), issuer, now, 1 << 100)
    end = issuer.certificate.not_valid_after_utc
    with pytest.raises(ValidityGone, match="own certificate"):
        prepare(request_for(not_after=end + timedelta(seconds=1)), issuer, end - timedelta(days=3), 1 << 100)
    start = issuer.certificate.not_valid_before_utc
    with pytest.raises(ValidityGone, match="own certificate"):
        prepare(request_for(not_before=start - timedelta(seconds=1)), issuer, start, 1 << 100)
