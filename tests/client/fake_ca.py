"""A small ACME CA in a thread, for the client's tests: real signatures, real challenges, and hostile on demand.

It verifies every JWS and nonce (RFC 8555 §6), judges email-01 and http-01 with the project's own types, and signs with a
throw-away root and intermediate. `rules` replaces what one endpoint answers; `certify` replaces what it issues.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from acme.jws import JWS
from cryptography import x509

from challenges.base import Ca, HttpAnswer, Identifier, Mail, Task, base64url
from challenges.email_01 import EMAIL_01
from challenges.http_01 import HTTP_01
from tests.client.fake_http import Answer, handler_for
from tests.client.pki import Pki, pem

TYPES = {"email-01": EMAIL_01, "http-01": HTTP_01}


class RefusedError(Exception):
    def __init__(self, kind: str, detail: str, status: int = 400, **headers: str) -> None:
        super().__init__(detail)
        self.body = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}
        self.status = status
        self.headers = headers


Rule = Callable[[dict[str, Any]], Answer | None]


class FakeCa:
    """One CA. All its objects are plain JSON values in dictionaries, by the last part of their URLs."""

    def __init__(self, folder: Path, *, maildir: Path | None = None, webroot: Path | None = None) -> None:
        self.pki = Pki()
        self.maildir, self.webroot = maildir, webroot
        self.rules: dict[str, Rule] = {}
        self.certify: Callable[[Any, list[str]], bytes] = self.usual_chain
        self.offered = ["http-01", "email-01"]
        self.subdomains = True
        self.meta: dict[str, Any] = {"profiles": {"xmpp": "for servers"}}
        self.accounts: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.authorizations: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, Task] = {}
        self.certificates: dict[str, bytes] = {}
        self.revoked: list[tuple[int, int]] = []
        self.requests: list[str] = []
        self.mails: list[Mail] = []
        self.polls_before_done = 0
        self._nonces: set[bytes] = set()
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self._server.daemon_threads = True
        self._server.socket = self.pki.server_context(folder).wrap_socket(self._server.socket, server_side=True)
        self.trust = folder / "tls-ca.pem"
        self.root = folder / "root.pem"
        self.root.write_bytes(pem(self.pki.root))
        self.base = f"https://localhost:{self._server.server_port}"
        self.directory = f"{self.base}/directory"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # What is issued

    def usual_chain(self, csr: x509.CertificateSigningRequest, names: list[str]) -> bytes:
        return pem(self.pki.leaf(csr.public_key(), names)) + pem(self.pki.inter)

    # Requests

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        with self._lock:
            endpoint = path.strip("/").split("/")[0]
            self.requests.append(f"{method} {path}")
            try:
                if rule := self.rules.get(endpoint):
                    replaced = rule({"method": method, "path": path, "body": body})
                    if replaced is not None:
                        return replaced
                if method != "POST":
                    return self._get(endpoint)
                return self._signed(endpoint, path, body)
            except RefusedError as problem:
                content = json.dumps(problem.body).encode()
                return Answer(problem.status, content, {"Content-Type": "application/problem+json", **problem.headers})

    def nonce(self) -> str:
        nonce = secrets.token_bytes(16)
        self._nonces.add(nonce)
        return base64url(nonce)

    def _get(self, endpoint: str) -> Answer:
        if endpoint == "new-nonce":
            return Answer(200)
        if endpoint == "directory":
            urls = {"newNonce": "new-nonce", "newAccount": "new-account", "newOrder": "new-order",
                    "revokeCert": "revoke-cert"}  # fmt: skip
            content: dict[str, Any] = {key: f"{self.base}/{path}" for key, path in urls.items()}
            return reply(content | {"meta": {"subdomainAuthAllowed": self.subdomains, **self.meta}})
        raise RefusedError("malformed", "not here", 405)

    def _signed(self, endpoint: str, path: str, body: bytes) -> Answer:
        jws = JWS.from_json(json.loads(body))
        header = jws.signature.combined
        if header.nonce not in self._nonces:
            raise RefusedError("badNonce", "an unknown nonce")
        self._nonces.discard(header.nonce)
        assert header.url == self.base + path
        assert (header.jwk is None) != (header.kid is None)
        key = header.jwk if header.kid is None else self.accounts[header.kid]["key"]
        assert header.alg.name == ("RS256" if key.typ == "RSA" else "ES256")
        assert jws.verify(key), "a bad signature"
        payload = json.loads(jws.payload) if jws.payload else None
        handler: Callable[..., Answer] = getattr(self, "do_" + endpoint.replace("-", "_"))
        return handler(payload, key, path.rsplit("/", 1)[-1], header.kid)

    # Endpoints

    def do_new_account(self, payload, key, _id, kid) -> Answer:
        assert kid is None
        url = f"{self.base}/account/{base64url(key.thumbprint())[:12]}"
        known = url in self.accounts
        if payload.get("onlyReturnExisting") and not known:
            raise RefusedError("accountDoesNotExist", "no such account")
        if not known:
            self.accounts[url] = {
                "key": key,
                "contact": payload.get("contact", []),
                "agreed": payload.get("termsOfServiceAgreed"),
            }
        return reply({"status": "valid", "contact": self.accounts[url]["contact"]}, 200 if known else 201, Location=url)

    def do_account(self, payload, _key, _id, kid) -> Answer:
        self.accounts[kid]["contact"] = payload["contact"]
        return reply({"status": "valid", "contact": payload["contact"]})

    def do_new_order(self, payload, key, _id, kid) -> Answer:
        number = str(len(self.orders) + 1)
        names = [i["value"] for i in payload["identifiers"]]
        roots = sorted({i.get("ancestorDomain", i["value"]) for i in payload["identifiers"]})
        urls = [
            self._authorize(root, names, key, [i for i in payload["identifiers"] if i.get("ancestorDomain") == root])
            for root in roots
        ]
        self.orders[number] = {
            "status": "pending", "names": names, "account": kid, "polls": self.polls_before_done,
            "shown": {
                "identifiers": [{"type": i["type"], "value": i["value"]} for i in payload["identifiers"]],
                "authorizations": urls, "finalize": f"{self.base}/finalize/{number}",
            },
            "payload": payload,
        }  # fmt: skip
        return reply(self._order(number), 201, Location=f"{self.base}/order/{number}")

    def _authorize(self, name, names, key, below) -> str:
        number = str(len(self.authorizations) + 1)
        shared = self.subdomains and bool(below)
        offered = [kind for kind in self.offered if TYPES[kind].subdomains or not shared]
        ca = Ca("Fake CA", "acme@ca.test", lambda value: ".".join(value.split(".")[-2:]), "https://ca.test/report")
        challenges = {}
        for kind in offered:
            url = f"{self.base}/challenge/{number}-{kind}"
            offer = TYPES[kind].offer(Identifier("dns", name), ca) or {}
            self.tasks[f"{number}-{kind}"] = Task(
                Identifier("dns", name), base64url(secrets.token_bytes(32)), base64url(key.thumbprint()), url, offer,
                tuple(names), datetime.now(UTC) + timedelta(hours=1),
            )  # fmt: skip
            challenges[kind] = {"type": kind, "url": url, "status": "pending",
                                "token": self.tasks[f"{number}-{kind}"].token, **offer}  # fmt: skip
        self.authorizations[number] = {"status": "pending", "name": name, "challenges": challenges, "shared": shared}
        return f"{self.base}/authorization/{number}"

    def do_authorization(self, _payload, _key, number, _kid) -> Answer:
        own = self.authorizations[number]
        shown = {"identifier": {"type": "dns", "value": own["name"]}, "status": own["status"],
                 "challenges": list(own["challenges"].values())}  # fmt: skip
        return reply(shown | ({"subdomainAuthAllowed": True} if own["shared"] else {}), **{"Retry-After": "0"})

    def do_challenge(self, payload, _key, number, _kid) -> Answer:
        authorization, kind = self.authorizations[number.split("-", 1)[0]], number.split("-", 1)[1]
        challenge = authorization["challenges"][kind]
        if payload is not None:
            task = self.tasks[number]
            ca = Ca("Fake CA", "acme@ca.test", lambda value: value, "https://ca.test/report")
            begun = TYPES[kind].begin(task, payload, self, ca)
            self.tasks[number] = task = replace(task, state=begun.state)
            challenge["status"] = "processing"
            if begun.due:
                self._validate(task, number, kind, authorization, challenge)
        return reply(challenge)

    def _validate(self, task, number, kind, authorization, challenge) -> None:
        outcome = TYPES[kind].validate(task, self)
        if outcome.state is not None:
            self.tasks[number] = replace(task, state=outcome.state)
        challenge.pop("error", None)
        if outcome.error:
            challenge["error"] = outcome.error.to_json()
        if outcome.verdict in ("valid", "invalid"):
            challenge["status"] = authorization["status"] = str(outcome.verdict)

    def mail(self, mail: Mail) -> None:
        """challenges.base.Outbox"""
        self.mails.append(mail)
        if self.maildir:
            (self.maildir / "new").mkdir(parents=True, exist_ok=True)
            (self.maildir / "new" / f"{len(self.mails)}.fake").write_bytes(mail.content)

    def http_get(self, host: str, path: str, *, limit: int) -> HttpAnswer:
        """challenges.base.Network: the webroot is every host's port 80."""
        assert self.webroot
        file = self.webroot / path.lstrip("/")
        status, body = (200, file.read_bytes()) if file.exists() else (404, b"")
        return HttpAnswer(status, body[:limit], f"http://{host}{path}", "192.0.2.1")

    def _order(self, number: str) -> dict[str, Any]:
        order = self.orders[number]
        states = {self.authorizations[u.rsplit("/", 1)[1]]["status"] for u in order["shown"]["authorizations"]}
        if order["status"] == "pending" and states <= {"valid"}:
            order["status"] = "ready"
        if order["status"] == "processing":
            order["polls"] -= 1
            if order["polls"] <= 0:
                order["status"] = "valid"
        shown = {"status": order["status"], **order["shown"]}
        if order["status"] == "valid":
            shown["certificate"] = f"{self.base}/certificate/{number}"
        return shown

    def do_order(self, _payload, _key, number, _kid) -> Answer:
        return reply(self._order(number), **{"Retry-After": "0"})

    def do_finalize(self, payload, _key, number, _kid) -> Answer:
        order = self.orders[number]
        if self._order(number)["status"] != "ready":
            raise RefusedError("orderNotReady", "prove first", 403)
        csr = x509.load_der_x509_csr(unbase64url(payload["csr"]))
        assert csr.is_signature_valid
        san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert sorted(san.get_values_for_type(x509.DNSName)) == sorted(order["names"])
        self.certificates[number] = self.certify(csr, order["names"])
        order["status"] = "processing" if order["polls"] else "valid"
        return reply(self._order(number), **{"Retry-After": "0"})

    def do_certificate(self, payload, _key, number, _kid) -> Answer:
        assert payload is None
        return Answer(200, self.certificates[number], {"Content-Type": "application/pem-certificate-chain"})

    def do_revoke_cert(self, payload, _key, _id, kid) -> Answer:
        assert kid in self.accounts
        serial = x509.load_der_x509_certificate(unbase64url(payload["certificate"])).serial_number
        if serial in [known for known, _ in self.revoked]:
            raise RefusedError("alreadyRevoked", "it is")
        self.revoked.append((serial, payload["reason"]))
        return Answer(200)


def unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def reply(content: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


@contextlib.contextmanager
def running(folder: Path, **options: Any) -> Iterator[FakeCa]:
    with FakeCa(folder, **options) as ca:
        yield ca
