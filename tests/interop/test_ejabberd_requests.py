"""What ejabberd's own ACME client wants of a reply beyond RFC 8555, looked at without it; `test_foreign_clients` runs it.

It compares a Content-Type as a whole, decodes a body wherever there is one, and takes no URL without a host.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme_requests import Client, Reply, b64, csr
from tests.in_process import Ca

NAME = "chat.example.org"
OBJECTS = ("directory", "account", "order", "authorization", "challenge", "finalized")


@pytest.fixture
def replies(make_ca: Callable[..., Ca]) -> dict[str, Reply]:
    """One of each kind that it gets, as it goes on, and one refusal."""
    ca = make_ca(acme={"terms_of_service": "https://ca.example/terms"})
    client = Client(ca).register(contact=["mailto:admin@example.org"])
    replies = {
        "directory": client.send("GET", f"{ca.url}/directory"),
        "nonce": client.send("HEAD", "new-nonce"),
        "account": client.post(client.account),
        "order": client.order(NAME),
    }
    order = replies["order"]
    authorization = order.json["authorizations"][0]
    replies["authorization"] = client.post(authorization)
    replies["challenge"] = client.post(client.publish(authorization)["url"], {})
    replies["finalized"] = client.finalize(order, csr([NAME]))
    certificate = client.post(replies["finalized"].json["certificate"])
    der = certificate.leaf.public_bytes(Encoding.DER)
    revoked = client.post("revoke-cert", {"certificate": b64(der)})
    return replies | {"certificate": certificate, "revoked": revoked, "refused": client.post("new-order", {})}


def test_6_objects_and_problems_have_a_content_type_without_parameters(replies: dict[str, Reply]) -> None:
    assert {replies[name].headers["Content-Type"] for name in OBJECTS} == {"application/json"}
    assert replies["refused"].headers["Content-Type"] == "application/problem+json"
    assert replies["certificate"].headers["Content-Type"] == "application/pem-certificate-chain"


@pytest.mark.parametrize("name", ["nonce", "revoked"])
def test_6_a_reply_without_a_body_has_no_content_type(replies: dict[str, Reply], name: str) -> None:
    assert replies[name].content == b""
    assert "Content-Type" not in replies[name].headers


def test_7_1_1_the_directory_has_all_it_requires_and_every_url_a_host(replies: dict[str, Reply]) -> None:
    directory = replies["directory"].json
    urls = [directory[name] for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")]
    assert all(urlsplit(url).hostname for url in [*urls, directory["meta"]["termsOfService"]])


def test_7_1_4_each_challenge_has_a_type_a_url_and_a_status(replies: dict[str, Reply]) -> None:
    challenges = replies["authorization"].json["challenges"]
    assert challenges
    assert all({"type", "url", "status"} <= challenge.keys() for challenge in challenges)
