"""The five steps, one method each, in the order in which a community and a domain would take them.

Every step looks at what came of it, and raises StepError when that is not what it should be. The steps are those of the
tutorial; the CRL is RFC 5280 §5.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from demo.loopback import mail_server, nobody_calls
from demo.narrator import Narrator, StepError
from demo.signals import held
from demo.site import HOST, NAMES, Site
from demo.xmpp import own_prosody, point_to_installed, served_serials
from tests.peers import find
from tests.peers.dns import DnsServer
from tests.peers.https import fetch
from tests.peers.process import ServerProcess, free_port, until
from tests.peers.prosody import Prosody
from tests.peers.s2s import S2sStream
from tests.peers.xmpp_ica import command

__all__ = ["Story"]

CERT, ICA = command("xmpp-cert"), command("xmpp-ica")


class Story:
    """One run; what it starts ends with `running`."""

    def __init__(self, site: Site, narrator: Narrator, running: ExitStack) -> None:
        self._site = site
        self._narrator = narrator
        self._running = running
        self._serving = running.enter_context(ExitStack())
        self._port = free_port()
        self._url = f"https://localhost:{self._port}"
        self._prosody: Prosody | None = None
        self._streams: list[S2sStream] = []

    def tell(self) -> None:
        """All of it. Raises StepError, RuntimeError for a server that does not start, OSError."""
        steps = {
            "A CA, a mail server and an XMPP server": self._set_up,
            f"A certificate for {', '.join(NAMES)}": self._enrol,
            "What there is now": self._show,
            "The timer, a renewal, a revocation": self._renew_and_revoke,
            "What the XMPP server shows to other servers": self._look_at_prosody,
        }
        for title, take in steps.items():
            self._narrator.step(title)
            take()
        self._narrator.pause()

    def _set_up(self) -> None:
        site = self._site
        smarthost = self._running.enter_context(mail_server(site.maildir))
        self._say(f"a mail server at {smarthost} puts what it gets into {site.maildir}")
        mail = ("--mail-from", "acme@ca.example", "--smarthost", smarthost)
        self._narrator.run(ICA, "init", site.ca, "--name", "Demo CA", "--external-url", self._url, *mail)
        names = self._running.enter_context(DnsServer())
        site.write_resolver(names.address)
        self._say(f"a name server at {names.address} tells the CA that no name has CAA records")
        self._start_ca()
        self._say(f"the CA answers at {self._url}/directory; it is set up in {site.ca / 'xmpp-ica.toml'}")
        self._start_prosody()

    def _enrol(self) -> None:
        site = self._site
        site.write_client_config(f"{self._url}/directory", self._prosody.port if self._prosody else None)
        self._say(f"the client is set up in {site.client}")
        if self._prosody:
            point_to_installed(self._prosody, site)
            self._say(f"s2s_ssl in {self._prosody.config} names the files that the client will install")
        self._xmpp_cert("issue")
        count = len(site.mails)
        if count != 1:
            raise StepError(f"one mail was to prove all names, and {count} came")
        self._say(f"one mail has proved {len(NAMES)} names: {site.mails[0]}")

    def _show(self) -> None:
        site = self._site
        self._xmpp_cert("show")
        files = " ".join(sorted(path.name for path in site.live.glob("*.pem")))
        self._say(f"{site.live} -> {site.live.readlink()}: {files}")
        self._open_stream()

    def _renew_and_revoke(self) -> None:
        old = self._site.certificate()
        self._check_that_nothing_is_due()
        self._xmpp_cert("renew", "--force")
        new = self._site.certificate()
        if new.serial_number == old.serial_number:
            raise StepError("the certificate in use is still the old one")
        self._say(f"{self._site.live} -> {self._site.live.readlink()}; mails so far: {len(self._site.mails)}")
        self._xmpp_cert("revoke", HOST, "--serial", f"{old.serial_number:x}", "--reason", "superseded")
        self._look_at_crl(old, new)

    def _look_at_prosody(self) -> None:
        if self._prosody is None:
            self._say("Prosody is not installed here, so there is nothing to see: try again with it")
            return
        wanted = self._site.certificate().serial_number
        for name, serial in served_serials(self._prosody.port).items():
            if serial != wanted:
                raise StepError(f"to {name} it serves the certificate with serial {serial:x}, not the new one")
            self._say(f"STARTTLS to {name}: serial {serial:x}, the new certificate")
        for stream in self._streams:
            self._check_stream(stream)
        reloads = self._prosody.log().count("Received SIGHUP")
        self._say(f"Prosody was never restarted: the client has told it {reloads} times, by a signal (SIGHUP)")

    def _check_stream(self, stream: S2sStream) -> None:
        serial = f"{stream.leaf.serial_number:x}"
        if not stream.answers():
            raise StepError(f"the stream opened when serial {serial} was served has been closed")
        self._say(f"a stream opened when serial {serial} was served is open still, and answers")

    def _check_that_nothing_is_due(self) -> None:
        """With the CA gone and somebody at its port who would notice a call."""
        before = self._site.live.readlink()
        with self._narrator.waiting("the CA stops"), held():
            self._serving.close()
        with nobody_calls(self._port):
            self._xmpp_cert("renew")
        if self._site.live.readlink() != before:
            raise StepError("something was renewed although nothing was due")
        self._say("no network call: the CA was stopped meanwhile, and nobody has knocked at its port")
        self._start_ca()
        self._say("the CA runs again")

    def _look_at_crl(self, old: x509.Certificate, new: x509.Certificate) -> None:
        url = _crl_url(new)
        with self._narrator.waiting("the CA publishes its CRL"):
            until(lambda: old.serial_number in self._revoked(url), f"{url} to list the old certificate")
        if new.serial_number in self._revoked(url):
            raise StepError(f"{url} lists the new certificate too")
        self._say(f"{url} lists {old.serial_number:x} (the old one), and not {new.serial_number:x} (the new one)")

    def _revoked(self, url: str) -> set[int]:
        """The serial numbers on a CRL of the issuer's. Raises StepError where it is not its own."""
        issuer = x509.load_pem_x509_certificate((self._site.live / "chain.pem").read_bytes())
        crl = x509.load_der_x509_crl(fetch(url, self._site.root))
        if not crl.is_signature_valid(cast(EllipticCurvePublicKey, issuer.public_key())):
            raise StepError(f"the CRL at {url} is not signed by the certificate's issuer")
        return {entry.serial_number for entry in crl}

    def _start_ca(self) -> None:
        argv: list[str | Path] = [ICA, "serve", "--config", self._site.ca / "xmpp-ica.toml"]
        with self._narrator.waiting("the CA starts"):
            with held():
                server = self._serving.enter_context(ServerProcess(argv, log=self._site.ca / "serve.log"))
            server.wait_until(self._ca_answers, f"{self._url} answers")

    def _ca_answers(self) -> bool:
        try:
            return bool(fetch(f"{self._url}/directory", self._site.root))
        except OSError:
            return False

    def _start_prosody(self) -> None:
        program = find("prosody")
        if program is None:
            self._say("Prosody is not installed here: the certificate will be kept, and given to no server")
            return
        with self._narrator.waiting("Prosody starts"), held():
            self._prosody = self._running.enter_context(own_prosody(program, self._site))
        self._say(f"Prosody takes s2s streams at 127.0.0.1:{self._prosody.port}, with a certificate nobody trusts")
        self._open_stream()

    def _open_stream(self) -> None:
        """One more that shall still be open at the end."""
        if self._prosody is not None:
            stream = self._running.enter_context(S2sStream(self._prosody.port, HOST))
            self._streams.append(stream)
            self._say(f"another server opens a stream to {HOST} and is shown serial {stream.leaf.serial_number:x}")

    def _xmpp_cert(self, *words: str) -> None:
        self._narrator.run(CERT, "--config", self._site.client, *words)

    def _say(self, text: str) -> None:
        self._narrator.say(text)


def _crl_url(certificate: x509.Certificate) -> str:
    """Of its CRL distribution point. Raises StepError where there is none."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound as error:
        raise StepError("the certificate names no CRL") from error
    return str(next(name.value for point in points for name in point.full_name or ()))
