"""The configuration file: every key, and what each wrong one is told. An error names the file and the key."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_network

import msgspec
import pytest

from acme_server.app import profiles_of
from acme_server.config import (
    Acme,
    Config,
    ConfigError,
    MailSettings,
    Names,
    ProfileSettings,
    Tls,
    Validation,
    host_port,
    load,
)
from acme_server.limit_settings import LimitSettings

LEAST = 'name = "CA"\nexternal_url = "https://ca.example"\nlisten = "127.0.0.1:443"\n'
ALL = """
name = "Ünser CA"
external_url = "https://ca.example:8443"
listen = "[::1]:8443"
pki_url = "http://pki.example/ca"
database = "db/x.db"
authority = "pki"
processes = 2
lint_every_certificate = true
[tls]
certificate = "c.pem"
key = "k.pem"
[acme]
terms_of_service = "https://ca.example/terms"
website = "https://ca.example/"
default_profile = "tls"
order_lifetime = 3600
authorization_reuse = 0
mail_authorization_reuse = 1
external_account_required = true
wildcards = true
caa_identities = ["ca.example", "ica.example"]
[mail]
from = "acme@ca.example"
smarthost = "mail.example:587"
starttls = true
envelope_from = "bounce@ca.example"
report_to = "abuse@ca.example"
[names]
refused = ["refused.example", "alt"]
high_value = []
[validation]
nameservers = ["127.0.0.1:53", "[::1]:5353"]
http_port = 8080
tls_alpn_port = 8443
exempt = ["127.0.0.0/8", "::1/128"]
threads = 3
[limits]
new_accounts_per_address = "1/1h"
new_orders_per_account = "2/1h"
failed_validations_per_name = "3/1h"
certificates_per_domain = "none"
certificates_per_names = "4/1h"
changes_per_account = "5/1h"
refusals_per_address = "6/1h"
help = "https://ca.example/limits"
proxies = ["10.0.0.0/8", "fd00::1"]
[profiles.xmpp]
lifetime_days = 30
[profiles.tls]
lifetime_days = 90
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "x.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(tmp_path / "x.toml")

    return read


def test_the_least_there_must_be_gives_every_default(read, tmp_path):
    config = read(LEAST)
    assert config == Config(
        name="CA", external_url="https://ca.example", listen="127.0.0.1:443", directory=str(tmp_path)
    )
    assert (config.tls, config.acme, config.validation, config.mail) == (Tls(), Acme(), Validation(), None)
    assert config.validation.exempt == ()
    assert (config.host, config.listen_address) == ("ca.example", ("127.0.0.1", 443))
    assert config.path("ca") == tmp_path / "ca"
    assert config.pki == "https://ca.example/pki"


def test_every_key_is_read(read):
    config = read(ALL)
    assert config.pki == "http://pki.example/ca"
    assert (config.name, config.listen_address, config.processes) == ("Ünser CA", ("::1", 8443), 2)
    assert config.tls == Tls(certificate="c.pem", key="k.pem")
    assert config.acme == Acme(
        terms_of_service="https://ca.example/terms",
        website="https://ca.example/",
        default_profile="tls",
        order_lifetime=3600,
        authorization_reuse=0,
        mail_authorization_reuse=1,
        external_account_required=True,
        wildcards=True,
        caa_identities=("ca.example", "ica.example"),
    )
    assert config.mail == MailSettings(
        sender="acme@ca.example",
        smarthost="mail.example:587",
        starttls=True,
        envelope_from="bounce@ca.example",
        report_to="abuse@ca.example",
    )
    assert config.names == Names(refused=("refused.example", "alt"), high_value=())
    assert config.validation.exempt_networks() == {ip_network("127.0.0.0/8"), ip_network("::1/128")}
    assert config.lint_every_certificate
    assert config.issuer_domain_names == ("ca.example", "ica.example")
    assert (config.validation.http_port, config.validation.tls_alpn_port, config.validation.threads) == (8080, 8443, 3)
    rates = config.limits.rates().values()
    assert [rate and (rate.count, rate.period) for rate in rates] == [
        *((1, 3600), (2, 3600), (3, 3600), None, (4, 3600), (5, 3600), (6, 3600))
    ]
    assert config.limits.help == "https://ca.example/limits"
    assert config.limits.networks() == (ip_network("10.0.0.0/8"), ip_network("fd00::1/128"))
    assert config.profiles == {"xmpp": ProfileSettings(lifetime_days=30), "tls": ProfileSettings(lifetime_days=90)}
    assert {name: profile.lifetime.days for name, profile in profiles_of(config).items()} == {
        "xmpp": 30,
        "xmpp-compat": 45,
        "xmpp-user": 45,
        "tls": 90,
    }


def test_ALL_above_holds_every_key_there_is(read):
    """So that a new key is not left out of these tests."""
    config = read(ALL)
    defaults = read(LEAST)
    for section, default in [
        (config, defaults),
        (config.tls, Tls()),
        (config.acme, Acme()),
        (config.mail, MailSettings(sender="", smarthost="")),
        (config.names, Names()),
        (config.validation, Validation()),
        (config.limits, LimitSettings()),
    ]:
        for field in msgspec.structs.fields(section):
            if field.name != "directory":
                assert getattr(section, field.name) != getattr(default, field.name), field.name


WRONG = [
    ('[acme]\nterms_of_service = "data:text/plain,be%20kind"', "acme.terms_of_service"),
    ('[acme]\nterms_of_service = "https:///terms"', "acme.terms_of_service"),
    ('[acme]\nwebsite = "ca.example"', "acme.website"),
    ('[acme]\ncaa_identities = ["CA.example"]', "acme.caa_identities"),
    ('[acme]\ncaa_identities = ["xn--a.example"]', "acme.caa_identities"),
    ('[acme]\ncaa_identities = ["ca"]', "acme.caa_identities"),
    ('[acme]\nwebsite = "https://ca.example/<x>"', "acme.website"),
    (f"[acme]\ncaa_identities = {[f'ca{n}.example' for n in range(11)]}", "acme.caa_identities"),
    ('[limits]\nnew_orders_per_account = "300"', "limits.new_orders_per_account"),
    ('[limits]\nnew_orders_per_account = "0/1h"', "limits.new_orders_per_account"),
    ("[limits]\nnew_orders_per_account = 300", "limits.new_orders_per_account"),
    ('[limits]\nnew_orders = "300/1h"', "new_orders"),
    ('[limits]\nproxies = ["10.0.0.1/8"]', "limits.proxies"),
    ('[limits]\nhelp = "limits.html"', "limits.help"),
    # (what is added or replaced, what the error must name)
    ("x = 1", "x"),
    ('directory = "/"', "directory"),
    ("[tls]\nx = 1", "tls"),
    ("[acme]\nterms = 1", "terms"),
    ("[mail]\nfrom = 'a@b.example'\nsmarthost = 'h:25'\nsender = 'x'", "sender"),
    ("[validation]\nhttp-port = 80", "http-port"),
    ("[profiles.xmpp]\ndays = 1", "days"),
    ("[profiles.xmmp]\nlifetime_days = 1", "profiles.xmmp"),
    ("[profiles]\nxmpp = 1", "profiles"),
    ('pki_url = "http://pki.example/"', "pki_url"),
    ('pki_url = "ftp://pki.example"', "pki_url"),
    ('pki_url = ""', "pki_url"),
    ("processes = 0", "processes"),
    ("processes = 65", "processes"),
    ('processes = "1"', "processes"),
    ("processes = 1.5", "processes"),
    ("processes = true", "processes"),
    ("database = 1", "database"),
    ("acme = 1", "acme"),
    ("[acme]\norder_lifetime = 59", "acme.order_lifetime"),
    ("[acme]\norder_lifetime = 2592001", "acme.order_lifetime"),
    ("[acme]\nauthorization_reuse = -1", "acme.authorization_reuse"),
    ("[acme]\nmail_authorization_reuse = 34387201", "acme.mail_authorization_reuse"),
    ('[acme]\ndefault_profile = "none"', "acme.default_profile"),
    ("[mail]\nfrom = 'a@b.example'", "smarthost"),
    ("[mail]\nsmarthost = 'h:25'", "from"),
    ("[mail]\nfrom = 'nobody'\nsmarthost = 'h:25'", "mail.from"),
    ("[mail]\nfrom = 'a@b@c'\nsmarthost = 'h:25'", "mail.from"),
    ("[mail]\nfrom = '@'\nsmarthost = 'h:25'", "mail.from"),
    ('[mail]\nfrom = "a@b.example\\nBcc: x"\nsmarthost = "h:25"', "mail.from"),
    ("[mail]\nfrom = 'a@b.example'\nsmarthost = 'h:25'\nenvelope_from = 'x'", "mail.envelope_from"),
    ('[mail]\nfrom = "a@b.example"\nsmarthost = "h:25"\nreport_to = "a\\nb"', "mail.report_to"),
    ("[mail]\nfrom = 'a@b.example'\nsmarthost = 'h:25'\nstarttls = 1", "mail.starttls"),
    ("[mail]\nfrom = 'a@b.example'\nsmarthost = 'h'", "mail.smarthost"),
    ("[mail]\nfrom = 'a@b.example'\nsmarthost = 'h:0'", "mail.smarthost"),
    ("[validation]\nhttp_port = 0", "validation.http_port"),
    ("[validation]\nhttp_port = 65536", "validation.http_port"),
    ("[validation]\nthreads = 0", "validation.threads"),
    ("[validation]\nthreads = 257", "validation.threads"),
    ('[names]\nrefused = "a.example"', "names.refused"),
    ('[names]\nrefused = ["A.example"]', "names.refused"),
    ('[names]\nrefused = ["a.example", "*.b.example"]', "names.refused"),
    ('[names]\nhigh_value = ["b\u00fccher.example"]', "names.high_value"),
    ('[names]\nhigh_value = ["a.example."]', "names.high_value"),
    ('[validation]\nnameservers = "127.0.0.1:53"', "validation.nameservers"),
    ('[validation]\nnameservers = ["127.0.0.1"]', "validation.nameservers[0]"),
    ('[validation]\nnameservers = ["127.0.0.1:53", "dns.example:53"]', "validation.nameservers[1]"),
    ('[validation]\nexempt = ["127.0.0.1/8"]', "validation.exempt"),
    ('[validation]\nexempt = ["everything"]', "validation.exempt"),
    ("[profiles.xmpp]\nlifetime_days = 0", "profiles"),
    ("[profiles.xmpp]\nlifetime_days = 91", "profiles"),
]


@pytest.mark.parametrize(("text", "named"), WRONG, ids=[named for _, named in WRONG])
def test_a_key_that_is_unknown_of_a_wrong_type_or_out_of_range_stops_the_start_by_its_name(read, tmp_path, text, named):
    with pytest.raises(ConfigError) as error:
        read(LEAST + text)
    assert str(tmp_path / "x.toml") in str(error.value)
    assert named in str(error.value)


def test_a_name_that_would_break_the_lines_of_a_mail_is_refused(read):
    with pytest.raises(ConfigError, match="name"):
        read(LEAST.replace('"CA"', '"CA\\nBcc: x"'))


@pytest.mark.parametrize("key", ["name", "external_url", "listen"])
def test_a_key_that_must_be_there_is_named(read, key):
    with pytest.raises(ConfigError, match=key):
        read("".join(line for line in LEAST.splitlines(keepends=True) if not line.startswith(key)))


@pytest.mark.parametrize(
    "url",
    [
        *("http://ca.example", "ca.example", "https://", "https:///x", "//ca.example", "", "https://ca.example/"),
        *("https://ca.example/acme", "https://ca.example?", "https://ca.example#", "https://ca.example:"),
        *("https://ca.example:0", "https://ca.example:65536", "https://ca.example:x", "https://u@ca.example"),
        *(
            "https://:p@ca.example",
            "https://cä.example",
            "https://ca .example",
            "https://ca.example\\n",
            " https://a.b",
        ),
    ],
)
def test_an_external_url_is_https_with_a_host_and_no_more(read, url):
    with pytest.raises(ConfigError, match="external_url"):
        read(LEAST.replace("https://ca.example", url))


@pytest.mark.parametrize(
    "url", ["https://localhost:14000", "https://ca.example", "https://[::1]:8443", "https://[::1]"]
)
def test_an_external_url_may_have_a_port(read, url):
    assert read(LEAST.replace("https://ca.example", url)).external_url == url


@pytest.mark.parametrize("listen", ["", "443", ":443", "127.0.0.1", "127.0.0.1:", "h:65536", "h:-1", "h:٤", "h:4 3"])
def test_listen_is_an_address_and_a_port(read, listen):
    with pytest.raises(ConfigError, match="listen"):
        read(LEAST.replace("127.0.0.1:443", listen))


@pytest.mark.parametrize(
    ("text", "pair"), [("h:1", ("h", 1)), ("[::1]:65535", ("::1", 65535)), ("192.0.2.1:25", ("192.0.2.1", 25))]
)
def test_host_port(text, pair):
    assert host_port(text) == pair


@pytest.mark.parametrize("text", ["name = ", "name = 1\nname = 2", "[", b"\xff", 'name = "\\ud800"'])
def test_what_is_no_toml_is_told_with_the_files_name(read, tmp_path, text):
    with pytest.raises(ConfigError, match=r"x\.toml"):
        read(text)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="xmpp-ica init"):
        load(tmp_path / "missing.toml")


def test_a_configuration_does_not_change(read):
    with pytest.raises(AttributeError):
        read(LEAST).name = "other"
    assert not dataclasses.is_dataclass(Config)
