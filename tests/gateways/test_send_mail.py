"""One mail to the smarthost, against a real aiosmtpd and hosts that are none (RFC 5321, RFC 3207)."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from acme_server.gateways.mail import Delivery, Fate, Smarthost, send
from challenges.base import Mail

CONTENT = b"From: acme@ca.example\r\nTo: postmaster@example.org\r\nSubject: x\r\n\r\n.dot\r\nACME code:\r\n..two\r\n"
MAIL = Mail(to="postmaster@example.org", sender="acme@ca.example", content=CONTENT)


class Sink:
    """What the server says at each step, and what it was told."""

    def __init__(self, **replies: str) -> None:
        self.replies = {name: value if isinstance(value, list) else [value] for name, value in replies.items()}
        self.mails = []
        self.senders = []
        self.helo = None
        self.tls = []

    def next_reply(self, step: str) -> str | None:
        left = self.replies.get(step)
        return None if not left else left.pop(0) if len(left) > 1 else left[0]

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.helo = session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        self.senders.append(address)
        self.tls.append(session.ssl is not None)
        return self.next_reply("mail") or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.next_reply("rcpt") or "250 OK"
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        reply = self.next_reply("data") or "250 queued as 1"
        if reply.startswith("2"):
            self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return reply


class Server(Controller):
    """A Controller on a port that the system chose."""

    def __init__(self, sink: Sink, **options) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(sink, hostname="127.0.0.1", port=self.listener.getsockname()[1], **options)

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, sock=self.listener)


@contextlib.contextmanager
def smtp(sink: Sink, **options):
    server = Server(sink, **options)
    server.start()
    try:
        yield Smarthost("127.0.0.1", server.port)
    finally:
        server.stop()


def attempt(
    smarthost: Smarthost, mail: Mail = MAIL, envelope_from: str = "bounces@ca.example", timeout: float = 5.0
) -> Delivery:
    return send(mail, smarthost, envelope_from=envelope_from, helo="ca.example", timeout=timeout)


def test_a_mail_is_delivered_octet_for_octet():
    sink = Sink()
    with smtp(sink) as smarthost:
        delivery = attempt(smarthost)
    assert delivery == Delivery(Fate.DELIVERED, "250 queued as 1")
    assert sink.mails == [("bounces@ca.example", ["postmaster@example.org"], CONTENT)]
    assert sink.helo == "ca.example"


def test_rfc_5321_4_5_5_the_null_sender_is_a_sender():
    sink = Sink()
    with smtp(sink) as smarthost:
        assert attempt(smarthost, envelope_from="").fate is Fate.DELIVERED
    assert sink.senders == ["<>"]


REPLIES = {
    "recipient unknown": ({"rcpt": "550 5.1.1 no such user"}, Fate.REFUSED, "550 5.1.1 no such user"),
    "relay denied": ({"rcpt": "554 5.7.1 relay denied"}, Fate.REFUSED, "554 5.7.1 relay denied"),
    "greylisted": ({"rcpt": "450 4.2.0 greylisted"}, Fate.DEFERRED, "450 4.2.0 greylisted"),
    "mailbox full": ({"rcpt": "452 4.2.2 full"}, Fate.DEFERRED, "452 4.2.2 full"),
    "content refused": ({"data": "554 5.7.1 spam"}, Fate.REFUSED, "554 5.7.1 spam"),
    "content later": ({"data": "451 4.3.0 try again"}, Fate.DEFERRED, "451 4.3.0 try again"),
    "our sender refused": ({"mail": "553 5.7.1 not you"}, Fate.DEFERRED, "553 5.7.1 not you"),
    "our sender later": ({"mail": "421 4.3.2 closing"}, Fate.DEFERRED, "421 4.3.2 closing"),
}


@pytest.mark.parametrize(("replies", "fate", "detail"), REPLIES.values(), ids=REPLIES.keys())
def test_rfc_5321_4_2_only_a_5xx_for_recipient_or_content_is_a_refusal(replies, fate, detail):
    sink = Sink(**replies)
    with smtp(sink) as smarthost:
        delivery = attempt(smarthost)
    assert delivery.fate is fate
    assert delivery.detail.startswith(detail)
    assert sink.mails == []


def test_rfc_5321_4_5_4_greylisting_once_then_delivery():
    sink = Sink(rcpt=["451 4.7.1 greylisted, come back", "250 OK"])
    with smtp(sink) as smarthost:
        assert [attempt(smarthost).fate, attempt(smarthost).fate] == [Fate.DEFERRED, Fate.DELIVERED]
    assert len(sink.mails) == 1


def test_what_the_other_side_says_is_made_printable_and_cut():
    with smtp(Sink(rcpt="550 \x1b[31m" + "x" * 300)) as smarthost:
        detail = attempt(smarthost).detail
    assert detail.startswith("550 ?[31mxxx")
    assert len(detail) == 200


@pytest.mark.parametrize(
    "address", ["a@b.example\r\nRCPT TO:<c@d.example>", "a@b.example\0", "a@b.example> x", "ü@b.example"]
)
def test_no_command_is_built_from_a_broken_address(address):
    unused = Smarthost("127.0.0.1", 9)
    with pytest.raises(ValueError, match="SMTP command"):
        attempt(unused, mail=Mail(address, "acme@ca.example", CONTENT))
    with pytest.raises(ValueError, match="SMTP command"):
        attempt(unused, envelope_from=address)


# Servers that are none.


@contextlib.contextmanager
def raw(talk):
    """A TCP server for one connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                talk(connection, lines, seen)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Smarthost("127.0.0.1", listener.getsockname()[1]), seen
    finally:
        listener.close()
        thread.join(10)


def script(*replies: bytes, end=lambda connection: None):
    """Says the first reply at once and each other after a line."""

    def talk(connection, lines, seen):
        connection.sendall(replies[0])
        for reply in replies[1:]:
            seen.append(lines.readline())
            connection.sendall(reply)
        end(connection)

    return talk


def drip(connection, lines, seen):
    connection.sendall(b"220-")
    for _ in range(500):
        connection.sendall(b"x")
        time.sleep(0.02)


def endless_lines(connection, lines, seen):
    while True:
        connection.sendall(b"220-x\r\n" * 10)
        time.sleep(0.02)


def silent(connection, lines, seen):
    lines.read()


UNFIT = {
    "silent": silent,
    "greeting in drops": drip,
    "endless greeting": endless_lines,
    "silent after EHLO": script(b"220 x\r\n", b"", end=lambda connection: connection.recv(1)),
    "closes at once": script(b""),
    "closes after the greeting": script(b"220 x\r\n"),
    "refuses by greeting": script(b"554 no service\r\n"),
    "closing down": script(b"421 later\r\n"),
    "no SMTP": script(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "octets": script(b"\xff\x00\x1b\r\n" * 10),
    "endless line": script(b"220 " + b"x" * 100_000),
}


@pytest.mark.parametrize("talk", UNFIT.values(), ids=UNFIT.keys())
def test_a_host_that_does_not_speak_smtp_defers_within_the_timeout(talk):
    with raw(talk) as (smarthost, _):
        delivery = attempt(smarthost, timeout=0.3)
    assert delivery.fate is Fate.DEFERRED
    assert delivery.detail
    assert delivery.detail.isprintable()


def test_a_refused_connection_defers():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    delivery = attempt(Smarthost("127.0.0.1", port))
    assert delivery.fate is Fate.DEFERRED
    assert "refused" in delivery.detail


def test_a_smarthost_without_address_defers(monkeypatch):
    def no_such_name(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    assert attempt(Smarthost("mail.invalid")).fate is Fate.DEFERRED


STEPS = (b"220 x\r\n", b"250 x\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n")


def after_data(reply: bytes):
    def talk(connection, lines, seen):
        script(*STEPS)(connection, lines, seen)
        while lines.readline() not in (b".\r\n", b""):
            pass
        connection.sendall(reply)

    return talk


@pytest.mark.parametrize(("reply", "fate"), [(b"250 queued\r\n", Fate.DELIVERED), (b"", Fate.DEFERRED)])
def test_a_mail_that_was_taken_is_delivered_although_quit_fails(reply, fate):
    with raw(after_data(reply)) as (smarthost, _):
        assert attempt(smarthost).fate is fate


@pytest.mark.parametrize(("reply", "fate"), [(b"554 no\r\n", Fate.REFUSED), (b"451 later\r\n", Fate.DEFERRED)])
def test_an_answer_to_data_itself_counts_as_one_for_the_content(reply, fate):
    with raw(script(*STEPS[:4], reply)) as (smarthost, _):
        assert attempt(smarthost).fate is fate


# STARTTLS.


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server context with a self-signed certificate for 127.0.0.1, and the file with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        x509.random_serial_number(),
        now - dt.timedelta(days=1),
        now + dt.timedelta(days=1),
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


def test_rfc_3207_starttls_is_used_where_it_is_offered_whatever_the_certificate(tls):
    sink = Sink()
    with smtp(sink, tls_context=tls[0]) as smarthost:
        assert attempt(smarthost).fate is Fate.DELIVERED
    assert sink.tls == [True]


def test_where_tls_is_demanded_a_smarthost_without_it_gets_nothing():
    sink = Sink()
    with smtp(sink) as smarthost:
        delivery = attempt(Smarthost(smarthost.host, smarthost.port, starttls=True))
    assert delivery.fate is Fate.DEFERRED
    assert "does not offer STARTTLS" in delivery.detail
    assert sink.senders == []


def test_where_tls_is_demanded_an_unknown_certificate_gets_nothing(tls):
    sink = Sink()
    with smtp(sink, tls_context=tls[0]) as smarthost:
        delivery = attempt(Smarthost(smarthost.host, smarthost.port, starttls=True))
    assert delivery.fate is Fate.DEFERRED
    assert "CERTIFICATE_VERIFY_FAILED" in delivery.detail
    assert sink.senders == []


def test_where_tls_is_demanded_a_known_certificate_is_trusted(tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    sink = Sink()
    with smtp(sink, tls_context=tls[0]) as smarthost:
        assert attempt(Smarthost(smarthost.host, smarthost.port, starttls=True)).fate is Fate.DELIVERED
    assert sink.tls == [True]


@pytest.mark.parametrize("reply", [b"454 TLS not available\r\n", b"501 no\r\n", b"220 go on\r\nnot TLS\r\n"])
def test_a_starttls_that_fails_defers_and_sends_nothing_in_the_clear(reply):
    with raw(
        script(b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", reply, end=lambda connection: connection.recv(4096))
    ) as (smarthost, seen):
        assert attempt(smarthost, timeout=1).fate is Fate.DEFERRED
    assert not any(b"MAIL" in line for line in seen)
