"""OpenSSL's command as the second opinion on certificates: what it says owes nothing to the library our code uses.

It only reads. It is no full relying party: XMPP names are judged by the XMPP servers' own tests.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OpenSsl"]


@dataclass(frozen=True, slots=True)
class OpenSsl:
    """The command."""

    program: Path

    def _run(self, *words: str | Path, pem: bytes = b"") -> str:
        done = subprocess.run([self.program, *words], input=pem, capture_output=True, timeout=20, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout.decode()}{done.stderr.decode()}"
        return done.stdout.decode()

    def verify(self, certificate: bytes, chain: bytes, root: bytes, name: str, *, crl: bytes | None = None) -> None:
        """Fail unless the leaf is good for a TLS server of this name, by that chain, under that root alone."""
        with tempfile.TemporaryDirectory() as folder:
            files = {"leaf": certificate, "chain": chain, "root": root, "crl": crl or b""}
            paths = {key: Path(folder, key) for key in files}
            for key, pem in files.items():
                paths[key].write_bytes(pem)
            check: list[str | Path] = ["-crl_check", "-CRLfile", paths["crl"]] if crl is not None else []
            trust: list[str | Path] = [
                "-no-CAfile",
                "-no-CApath",
                "-CAfile",
                paths["root"],
                "-untrusted",
                paths["chain"],
            ]
            self._run(
                "verify",
                *check,
                *trust,
                "-x509_strict",
                "-purpose",
                "sslserver",
                "-verify_hostname",
                name,
                paths["leaf"],
            )

    def dns_names(self, certificate: bytes) -> list[str]:
        """The dNSNames of the subjectAltName, sorted."""
        text = self._run("x509", "-noout", "-ext", "subjectAltName", pem=certificate)
        return sorted(re.findall(r"DNS:([^,\s]+)", text))

    def serial(self, certificate: bytes) -> str:
        """The serial number: upper-case hexadecimal as OpenSSL writes it."""
        return self._run("x509", "-noout", "-serial", pem=certificate).strip().removeprefix("serial=")

    def certified_key(self, certificate: bytes) -> str:
        """The public key of a certificate, PEM."""
        return self._run("x509", "-noout", "-pubkey", pem=certificate)

    def public_key(self, key: bytes) -> str:
        """The public half of a private key, PEM."""
        return self._run("pkey", "-pubout", pem=key)

    def crl_url(self, certificate: bytes) -> str:
        """Where the certificate says its CRL is."""
        text = self._run("x509", "-noout", "-ext", "crlDistributionPoints", pem=certificate)
        found = re.search(r"URI:(\S+)", text)
        assert found, text
        return found[1]

    def revoked_serials(self, crl: bytes) -> list[str]:
        """The serial numbers on a CRL in DER, as `serial` writes them."""
        text = self._run("crl", "-inform", "DER", "-noout", "-text", pem=crl)
        return re.findall(r"Serial Number: ([0-9A-F]+)", text)
