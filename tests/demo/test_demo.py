"""`make demo` tells the truth: what it did is in the mail server, the database, the CRL and Prosody's handshakes.

Nothing here believes what the demo prints; its pauses are only waited for. It must end by itself, end when it is told
to, say why when a step goes wrong, and leave no process in any of these cases.
"""

from __future__ import annotations

import email
import email.policy
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from email.message import EmailMessage
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from demo.loopback import nobody_calls
from demo.narrator import StepError
from tests.peers import ROOT
from tests.peers.https import fetch
from tests.peers.process import free_port, until
from tests.peers.s2s import S2sStream

HOST = "example.org"
COMPONENTS = ("conference.example.org", "upload.example.org", "bücher.example.org")
NAMES = (HOST, *COMPONENTS)
A_LABELS = (HOST, "conference.example.org", "upload.example.org", "xn--bcher-kva.example.org")
XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
MARK = "XMPP_ICA_DEMO_UNDER_TEST"


class Demo:
    """A run of the demo, known with all it starts by a word of its environment."""

    def __init__(self, tmp_path: Path, *args: str | Path, path: Path | None = None) -> None:
        """`path`: the only folder of programs it can find (beside its own), by default all."""
        self.folder = tmp_path / "kept"
        self._word = f"{MARK}={uuid.uuid4()}"
        self._output, self._errors = tmp_path / "output", tmp_path / "errors"
        self.temporary = tmp_path / "tmp"
        self.temporary.mkdir()
        more = {"PATH": str(path)} if path else {}
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "demo", *args], cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=errors,
                env={**os.environ, MARK: self._word.partition("=")[2], "TMPDIR": str(self.temporary), **more},
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def wait(self) -> int:
        """Its status."""
        return self._process.wait(100)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def pause(self, number: int) -> None:
        """Wait until it does so for this time."""
        pauses = lambda: self.output.count("(Enter goes on)") >= number  # noqa: E731
        until(lambda: pauses() or self._process.poll() is not None, f"step {number} to end", 60)
        assert pauses(), self.output + self.errors

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def processes(self) -> dict[int, str]:
        """Pid -> command line, of what runs with that word in its environment."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self._word.encode() in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended, or is another's
        return found

    def end(self) -> None:
        """Whatever happened in the test."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()

    # What it leaves in its folder.

    def mails(self) -> list[EmailMessage]:
        """Those the mail server got."""
        paths = sorted((self.folder / "Maildir").glob("[nc]*/*"))
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]

    def rows(self, statement: str) -> list[tuple]:
        """From the CA's database."""
        with closing(sqlite3.connect(f"file:{self.folder}/ca/xmpp-ica.db?mode=ro", uri=True)) as database:
            return database.execute(statement).fetchall()

    def certificates(self) -> list[x509.Certificate]:
        """Those the database says were issued to an account: the revoked ones first."""
        rows = self.rows(
            "SELECT der FROM certificates WHERE account_id IS NOT NULL AND status = 'issued' ORDER BY revoked_at IS NULL"
        )
        return [x509.load_der_x509_certificate(der) for (der,) in rows]

    def archived(self, number: int) -> x509.Certificate:
        """What the client has kept as its version of this number."""
        path = self.folder / "state" / "archive" / HOST / str(number) / "cert.pem"
        return x509.load_pem_x509_certificate(path.read_bytes())

    def s2s_port(self) -> int:
        config = (self.folder / "prosody" / "prosody.cfg.lua").read_text()
        found = re.search(r"^s2s_ports = { (\d+) }$", config, re.MULTILINE)
        assert found
        return int(found[1])

    def served(self) -> list[x509.Certificate]:
        """The leaf of a handshake with Prosody for each of the names."""
        leaves = []
        for name in NAMES:
            with S2sStream(self.s2s_port(), name) as stream:
                leaves.append(stream.leaf)
        return leaves


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Start runs that end with the test."""
    with ExitStack() as running:

        def start(*args: str | Path, **more: Path) -> Demo:
            run = Demo(tmp_path, *args, **more)
            running.callback(run.end)
            return run

        yield start


@pytest.fixture
def no_prosody(tmp_path: Path) -> Path:
    """A folder of programs that holds none; Prosody may be put there."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def other_names(certificate: x509.Certificate, kind: x509.ObjectIdentifier, tag: int) -> list[str]:
    """The otherNames of one kind, each a DER string of at most 127 octets with this tag."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    values = [name.value for name in names.get_values_for_type(x509.OtherName) if name.type_id == kind]
    assert all(value[0] == tag and value[1] == len(value) - 2 < 128 for value in values)
    return sorted(value[2:].decode() for value in values)


def check_certificate(certificate: x509.Certificate) -> None:
    """Each name in each of its forms, for both purposes, and nothing else."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == sorted(A_LABELS)
    services = [f"_xmpp-client.{HOST}", *(f"_xmpp-server.{name}" for name in A_LABELS)]
    assert other_names(certificate, SRV_NAME, 0x16) == sorted(services)  # IA5String
    assert other_names(certificate, XMPP_ADDR, 0x0C) == sorted(NAMES)  # UTF8String
    assert len(names) == len(A_LABELS) + len(services) + len(NAMES)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def check_the_one_mail(run: Demo) -> None:
    """It went to the host's postmaster, speaks of all names, and its challenge is the one that the CA found valid."""
    [mail] = run.mails()
    assert mail["To"] == f"postmaster@{HOST}"
    assert all(name in mail.get_content() for name in NAMES)
    validated = run.rows("SELECT id FROM challenges WHERE status = 'valid'")
    assert [identity for (identity,) in validated] == [mail["ACME-Challenge"].rpartition("/")[2]]
    assert run.rows("SELECT value, subdomains, status FROM authorizations") == [(HOST, 1, "valid")]


def check_revocation(crl: x509.CertificateRevocationList, old: x509.Certificate, new: x509.Certificate) -> None:
    assert crl.issuer == old.issuer == new.issuer
    assert [entry.serial_number for entry in crl] == [old.serial_number]


def check_the_books(run: Demo) -> tuple[x509.Certificate, x509.Certificate]:
    """Sink, database and lineage agree; returns the old certificate and the new one."""
    check_the_one_mail(run)
    old, new = run.certificates()
    assert old.serial_number != new.serial_number
    for certificate in (old, new):
        check_certificate(certificate)
    assert (run.archived(1), run.archived(2)) == (old, new)
    assert (run.folder / "state" / "live" / HOST).readlink() == Path(f"../archive/{HOST}/2")
    assert run.rows("SELECT reason FROM certificates WHERE revoked_at IS NOT NULL") == [(4,)]  # superseded
    [(crl,)] = run.rows("SELECT der FROM crls")
    check_revocation(x509.load_der_x509_crl(crl), old, new)
    return old, new


def test_it_ends_by_itself_with_one_mail_two_certificates_and_no_process(demo, tmp_path, no_prosody) -> None:
    run = demo("--keep", tmp_path / "kept", path=no_prosody)

    assert run.wait() == 0, run.output + run.errors
    assert run.processes() == {}
    assert run.errors == ""
    assert list(run.temporary.iterdir()) == []
    check_the_books(run)


def test_prosody_serves_the_first_certificate_then_the_second_and_no_stream_is_closed(demo, peer, tmp_path) -> None:
    peer("prosody")
    run = demo("--keep", tmp_path / "kept", "--pause")
    with ExitStack() as streams:
        run.pause(1)
        before = [streams.enter_context(S2sStream(run.s2s_port(), name)) for name in NAMES]
        run.go_on()
        run.pause(2)
        first = run.archived(1)
        assert run.served() == [first] * len(NAMES)
        before.append(streams.enter_context(S2sStream(run.s2s_port(), HOST)))
        for number in (3, 4):
            run.go_on()
            run.pause(number)
        second = run.archived(2)
        assert run.served() == [second] * len(NAMES)
        assert all(stream.answers() for stream in before)
        points = second.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        crl = fetch(points[0].full_name[0].value, run.folder / "ca" / "ca" / "root.pem")
        check_revocation(x509.load_der_x509_crl(crl), first, second)
    run.go_on()
    run.pause(5)
    run.go_on()

    assert run.wait() == 0, run.output + run.errors
    assert run.processes() == {}
    assert check_the_books(run) == (first, second)


def test_a_server_that_does_not_start_ends_it_with_the_reason_and_the_end_of_its_log(
    demo, tmp_path, no_prosody
) -> None:
    prosody = no_prosody / "prosody"
    prosody.write_text("#!/bin/sh\necho 'no libraries on a Monday'\nexit 7\n")
    prosody.chmod(0o755)
    run = demo("--keep", tmp_path / "kept", path=no_prosody)

    assert run.wait() == 1
    assert run.processes() == {}
    assert "ended with status 7" in run.errors
    assert "no libraries on a Monday" in run.errors
    assert "Traceback" not in run.errors
    assert (run.folder / "ca" / "serve.log").exists()


def test_a_command_that_fails_ends_it_with_the_reason_and_the_end_of_the_ca_s_log(demo, no_prosody) -> None:
    run = demo("--pause", path=no_prosody)
    run.pause(1)
    servers = [pid for pid, command in run.processes().items() if "xmpp-ica" in command]
    assert servers
    for pid in servers:
        os.kill(pid, signal.SIGKILL)
    run.go_on()

    assert run.wait() == 1
    assert run.processes() == {}
    assert f"issue` ended with status 1: error: {HOST}: no answer from the CA" in run.errors
    assert "event=listening" in run.errors
    assert "Traceback" not in run.errors
    [kept] = run.temporary.iterdir()
    assert f"kept in {kept}" in run.errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_it_has_started_and_takes_its_folder_away(demo, no_prosody, number) -> None:
    run = demo("--pause", path=no_prosody)
    run.pause(1)
    assert len(run.processes()) > 1
    run.signal(number)
    run.signal(number)  # somebody in a hurry

    assert run.wait() == 128 + number
    assert run.processes() == {}
    assert run.errors == ""
    assert list(run.temporary.iterdir()) == []


def test_a_command_that_runs_ends_with_it(demo, no_prosody) -> None:
    run = demo(path=no_prosody)
    until(lambda: any("init" in command for command in run.processes().values()), "a command")
    run.signal(signal.SIGINT)

    assert run.wait() == 130
    assert run.processes() == {}


def test_a_folder_with_something_in_it_is_left_alone(demo, tmp_path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "letter").touch()
    run = demo("--keep", tmp_path / "kept")

    assert run.wait() == 2
    assert "not an empty folder" in run.errors
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["letter"]


def test_a_call_at_a_watched_port_is_noticed() -> None:
    port = free_port()
    with nobody_calls(port):
        pass
    with pytest.raises(StepError, match=f"port {port}"), nobody_calls(port):
        socket.create_connection(("127.0.0.1", port)).close()
