"""Issues a certificate in both steps, and reads it by openssl."""

import secrets
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acme_server.issuance.issuer import issue, prepare
from acme_server.issuance.serials import new_serial


def issued(request, issuer, now):
    ticket = prepare(request, issuer, now, new_serial(secrets.token_bytes))
    return x509.load_der_x509_certificate(issue(ticket, issuer))


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def openssl(*arguments, stdin=None):
    run = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, timeout=30, check=False)
    assert run.returncode == 0, run.stderr.decode() + run.stdout.decode()
    return run.stdout.decode()


def names_by_openssl(certificate):
    text = openssl("x509", "-noout", "-ext", "subjectAltName", stdin=certificate.public_bytes(Encoding.PEM))
    return text.splitlines()[1].strip().split(", ")
