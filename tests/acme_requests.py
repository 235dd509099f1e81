"""An ACME client for tests: it says exactly what it is told to, right or wrong (RFC 8555 §6.2).

Keys and signatures are pyca's; nothing here is shared with the project's own client or server, but for the CA's
in-process edge that requests go to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.in_process import Ca

__all__ = [
    "Client",
    "Reply",
    "b64",
    "binding",
    "csr",
    "ec_key",
    "ed25519_key",
    "flattened",
    "jwk_of",
    "rsa_key",
    "sign",
    "thumbprint",
]

URN = "urn:ietf:params:acme:error:"
_CURVES = {"secp256r1": ("P-256", "ES256", hashes.SHA256()), "secp384r1": ("P-384", "ES384", hashes.SHA384())}
_CURVES["secp521r1"] = ("P-521", "ES512", hashes.SHA512())
REMOVED = object()
"""As the value of a header member: leave it out."""


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(value: int, length: int | None = None) -> str:
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def jwk_of(key: Any) -> dict[str, str]:
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    numbers = public.public_numbers()
    if isinstance(public, rsa.RSAPublicKey):
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    length = (public.curve.key_size + 7) // 8
    name = _CURVES[public.curve.name][0]
    return {"kty": "EC", "crv": name, "x": number(numbers.x, length), "y": number(numbers.y, length)}


def thumbprint(key: Any) -> str:
    """RFC 7638."""
    text = json.dumps(jwk_of(key), sort_keys=True, separators=(",", ":"))
    return b64(hashlib.sha256(text.encode()).digest())


def algorithm_of(key: Any) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else _CURVES[key.curve.name][1]


def sign(key: Any, content: bytes) -> bytes:
    """By the key's own algorithm (RFC 7518 §3.3, §3.4, RFC 8037 §3.1)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(content)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(_CURVES[key.curve.name][2])))
    length = (key.curve.key_size + 7) // 8
    return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def octets_of(value: Any) -> bytes:
    """bytes as they are, None as nothing (POST-as-GET), anything else as JSON."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else json.dumps(value).encode()


def flattened(key: Any, protected: Any, payload: Any) -> dict[str, str]:
    """A flattened JWS (RFC 7515 §7.2.2)."""
    head, body = b64(octets_of(protected)), b64(octets_of(payload))
    return {"protected": head, "payload": body, "signature": b64(sign(key, f"{head}.{body}".encode()))}


def binding(account_key: Any, url: str, kid: str, mac_key: bytes, /, **changes: Any) -> dict[str, str]:
    """An external account binding (RFC 8555 §7.3.4); `changes` are those of its protected header."""
    header = {"alg": "HS256", "kid": kid, "url": url} | changes
    head = b64(octets_of({name: value for name, value in header.items() if value is not REMOVED}))
    body = b64(octets_of(jwk_of(account_key)))
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(header["alg"], "sha256")
    return {
        "protected": head,
        "payload": body,
        "signature": b64(hmac.digest(mac_key, f"{head}.{body}".encode(), digest)),
    }


def csr(names: Sequence[str], key: Any = None, common_name: str | None = None) -> str:
    """base64url of a CSR for dNSNames."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(san, critical=False)
    key = key or ec_key()
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return b64(builder.sign(key, digest).public_bytes(Encoding.DER))


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def location(self) -> str:
        return str(self.headers["Location"])

    @property
    def problem(self) -> str:
        """The ACME error's short name, of a reply that is a problem document in every respect (RFC 8555 §6.7)."""
        assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.content)
        document = self.json
        assert document["status"] == self.status
        assert document["detail"]
        assert document["type"].startswith(URN)
        return str(document["type"].removeprefix(URN))

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates(self.content)[0]


class Client:
    """One account key, and what it asks of a CA."""

    def __init__(self, ca: Ca, key: Any = None) -> None:
        self.ca = ca
        self.key = key or ec_key()
        self.account = ""
        self._http = ca.application.flask.test_client()

    def url(self, resource: str) -> str:
        return resource if resource.startswith("http") else f"{self.ca.url}/acme/{resource}"

    def send(self, method: str, url: str, body: bytes = b"", content_type: str | None = None) -> Reply:
        """One HTTP request, as raw as it gets."""
        path = self.url(url).removeprefix(self.ca.url)
        with self._http.open(path, method=method, data=body, content_type=content_type) as response:
            return Reply(response.status_code, response.headers, response.get_data())

    def nonce(self) -> str:
        return str(self.send("HEAD", "new-nonce").headers["Replay-Nonce"])

    def header(self, url: str, /, **changes: Any) -> dict[str, Any]:
        """The protected header that is right, then the changes."""
        header = {"alg": algorithm_of(self.key), "nonce": self.nonce(), "url": self.url(url)}
        header |= {"kid": self.account} if self.account else {"jwk": jwk_of(self.key)}
        return {name: value for name, value in (header | changes).items() if value is not REMOVED}

    def deliver(self, url: str, body: bytes | Mapping[str, Any], content_type: str = "application/jose+json") -> Reply:
        """POST a body that is complete; every reply to a POST is what RFC 8555 §6.5 and §6.7 want of it."""
        reply = self.send("POST", url, body if isinstance(body, bytes) else json.dumps(body).encode(), content_type)
        assert reply.status < 500, (reply.status, reply.content)
        assert reply.headers["Replay-Nonce"], reply.status
        if reply.status >= 400:
            assert reply.problem
        return reply

    def post(self, url: str, payload: Any = None, /, **header: Any) -> Reply:
        """A signed POST; without a payload a POST-as-GET. `header` changes the protected header."""
        return self.deliver(url, flattened(self.key, self.header(url, **header), payload))

    def register(self, **payload: Any) -> Client:
        self.account = ""
        reply = self.post("new-account", {"termsOfServiceAgreed": True} | payload)
        assert reply.status in {200, 201}, reply.content
        self.account = reply.location
        return self

    def key_change(self, new: Any, payload: Mapping[str, Any] | None = None, /, **header: Any) -> dict[str, str]:
        """The inner JWS of a key change (RFC 8555 §7.3.5), signed by the new key, then the changes."""
        members = {"account": self.account, "oldKey": jwk_of(self.key)} | dict(payload or {})
        head = {"alg": algorithm_of(new), "jwk": jwk_of(new), "url": self.url("key-change")} | header
        head, members = ({k: v for k, v in part.items() if v is not REMOVED} for part in (head, members))
        return flattened(new, head, members)

    def order(self, *names: str | Mapping[str, str], **members: Any) -> Reply:
        identifiers = [{"type": "dns", "value": name} if isinstance(name, str) else name for name in names]
        reply = self.post("new-order", {"identifiers": identifiers} | members)
        assert reply.status == 201, reply.content
        return reply

    def challenge(self, authorization: str, kind: str) -> dict[str, Any]:
        offered = self.post(authorization).json["challenges"]
        return next(challenge for challenge in offered if challenge["type"] == kind)

    def publish(self, authorization: str) -> dict[str, Any]:
        """Serve what http-01 asks for (RFC 8555 §8.3); the challenge."""
        name = self.post(authorization).json["identifier"]["value"]
        challenge = self.challenge(authorization, "http-01")
        path = f"/.well-known/acme-challenge/{challenge['token']}"
        self.ca.network.pages[name, path] = f"{challenge['token']}.{thumbprint(self.key)}".encode()
        return challenge

    def prove(self, order: Reply) -> None:
        """Every authorization of the order, by http-01."""
        for authorization in order.json["authorizations"]:
            if self.post(authorization).json["status"] == "pending":
                reply = self.post(self.publish(authorization)["url"], {})
                assert reply.json["status"] == "valid", reply.content

    def ready(self, *names: str, **members: Any) -> Reply:
        order = self.order(*names, **members)
        self.prove(order)
        return order

    def finalize(self, order: Reply, request: str | None = None) -> Reply:
        names = [part["value"] for part in order.json["identifiers"]]
        return self.post(order.json["finalize"], {"csr": csr(names) if request is None else request})

    def issue(self, *names: str, key: Any = None, **members: Any) -> Reply:
        """The download of a new certificate."""
        order = self.ready(*names, **members)
        done = self.finalize(order, csr(names, key))
        assert done.json["status"] == "valid", done.content
        return self.post(done.json["certificate"])
