"""The guarded way to one CA: https to one origin, no redirects, bounded answers, signed requests.

It must never follow the CA anywhere else, read more than a megabyte, or take trust or proxies from the environment.
RFC 8555 §6.1 (https), §6.2 (JWS), §6.5 (nonces); signing and nonce parsing are acme's `ClientNetwork`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from acme import errors as acme_errors
from acme.client import ClientNetwork
from acme.messages import Registration, RegistrationResource
from josepy.interfaces import JSONDeSerializable
from josepy.jwa import JWASignature
from josepy.jwk import JWK
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from xmpp_client.errors import ProtocolError, TransportError, legible
from xmpp_client.meter import pools

__all__ = ["BODY_LIMIT", "Network", "Origin", "object_of"]

BODY_LIMIT = 1024 * 1024
"""Octets of an answer's body."""
READ_TIMEOUT = 30.0
"""Seconds without any octet from the CA."""
_URL = re.compile(r"https://[\x21-\x7e]{1,2000}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of the configured directory: nothing else is ever talked to."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an https URL. Raises ValueError."""
        parts = urlsplit(url)
        if not _URL.fullmatch(url) or not parts.hostname or parts.username is not None:
            raise ValueError("not an https URL")
        return cls(parts.hostname, parts.port or 443)

    def check(self, url: object) -> str:
        """The URL, if it is one of this origin. Raises ProtocolError."""
        try:
            if isinstance(url, str) and Origin.of(url) == self:
                return url
        except ValueError:
            pass
        raise ProtocolError(f"the CA points to {legible(url, 120)!r}, which is not on {self.host}:{self.port}")


class _Guard(HTTPAdapter):
    """The one place where octets come in."""

    def __init__(self, origin: Origin, remaining: Callable[[], float]) -> None:
        self._origin = origin
        self._remaining = remaining
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let every octet of every answer, its head and framing too, come in through a meter."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": pools(self._remaining, READ_TIMEOUT, 2 * BODY_LIMIT)}

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        """Send to the pinned origin and read the whole, bounded answer."""
        self._origin.check(request.url)
        options.update(stream=True, proxies=None, timeout=min(READ_TIMEOUT, self._remaining()))
        response = super().send(request, **options)
        try:
            body = self._read(response)
        except BaseException:
            response.close()  # the connection too: what is left on it is nobody's
            raise
        response.raw.release_conn()
        response.raw = io.BytesIO(body)
        return response

    def _read(self, response: requests.Response) -> bytes:
        if 300 <= response.status_code < 400:  # noqa: PLR2004 - RFC 9110 §15.4
            raise ProtocolError(f"the CA redirects {legible(response.url, 120)}; redirects are not followed")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ProtocolError("the CA compresses its answer, which was not asked for")
        body = b""
        try:
            while part := response.raw.read1(65536):
                body += part
                if len(body) > BODY_LIMIT:
                    raise ProtocolError(f"the CA's answer is longer than {BODY_LIMIT} octets")
                self._remaining()
        except (HTTPError, OSError) as error:
            raise requests.ConnectionError(error) from error
        return body


class _Payload(JSONDeSerializable):
    """A JSON object as acme's signer wants it."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def to_partial_json(self) -> dict[str, Any]:
        return self._content

    @classmethod
    def from_json(cls, jobj: Any) -> _Payload:
        return cls(jobj)


class Network(ClientNetwork):
    """acme's network with our guard: no check of answers here, that is `session`'s."""

    def __init__(
        self,
        key: JWK,
        alg: JWASignature,
        origin: Origin,
        trust: Path | None,
        remaining: Callable[[], float],
        user_agent: str,
    ) -> None:
        super().__init__(key, alg=alg, user_agent=user_agent)
        # requests takes a path here too; acme only knows the switch
        self.verify_ssl = cast(bool, str(trust)) if trust else True
        self.session.trust_env = False
        self.session.adapters.clear()
        self.session.mount("https://", _Guard(origin, remaining))
        self.session.headers.update({"Accept-Encoding": "identity"})
        self._nonce_url = ""
        self.account_url: str | None = None

    def use_nonces_of(self, url: str) -> None:
        """Where fresh nonces come from (RFC 8555 §7.2)."""
        self._nonce_url = url

    def use_account(self, url: str) -> None:
        """Sign with `kid` from now on (RFC 8555 §6.2)."""
        self.account = RegistrationResource(body=Registration(), uri=url)
        self.account_url = url

    def fetch(self, url: str) -> requests.Response:
        """An unsigned GET. Raises TransportError, ProtocolError."""
        return self._sent(lambda: self._send_request("GET", url))

    def signed(self, url: str, payload: dict[str, Any] | None, accept: str) -> requests.Response:
        """One signed POST; payload None is POST-as-GET (RFC 8555 §6.3). Raises TransportError, ProtocolError."""
        return self._sent(lambda: self._signed(url, payload, accept))

    def _signed(self, url: str, payload: dict[str, Any] | None, accept: str) -> requests.Response:
        wrapped = None if payload is None else _Payload(payload)
        if not self._nonces:
            fresh = self._send_request("HEAD", self._nonce_url)
            if not fresh.ok:
                return fresh  # refused before it was sent: judged like any other answer
            self._add_nonce(fresh)
        body = self._wrap_in_jws(wrapped, self._nonces.pop(), url)
        headers = {"Content-Type": self.JOSE_CONTENT_TYPE, "Accept": accept}
        response = self._send_request("POST", url, data=body, headers=headers)
        if self.REPLAY_NONCE_HEADER in response.headers:
            self._add_nonce(response)
        return response

    def _sent(self, send: Callable[[], requests.Response]) -> requests.Response:
        try:
            return send()
        except requests.exceptions.SSLError as error:
            raise TransportError(f"the CA's TLS certificate is not trusted: {legible(error, 200)}") from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise TransportError(f"no answer from the CA: {legible(error, 300)}") from error
        except acme_errors.Error as error:
            raise ProtocolError(f"the CA gave no usable nonce: {legible(error, 200)}") from error


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object in an answer, empty where there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
