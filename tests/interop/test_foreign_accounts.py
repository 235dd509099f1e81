"""What foreign clients do beside proving and revoking: accounts, other chains, old proofs, and what they say went wrong.

As in the other scenarios, each with our server and, where the client allows it, with one nobody here wrote.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.interop.lab import NAMES, Lab, Server
from tests.peers.acme_client import Lineage
from tests.peers.openssl import OpenSsl

SERVERS = ("xmpp-ica", "pebble")
ONE = NAMES[:1]


@dataclass(frozen=True, slots=True)
class Scene:
    """A client at a server."""

    server: str
    client: str

    def __str__(self) -> str:
        return f"{self.server}-{self.client}"

    def __call__(self, lab: Lab) -> Any:
        raise NotImplementedError


def each(kind: type[Scene], *clients: str, servers: tuple[str, ...] = SERVERS) -> pytest.MarkDecorator:
    """The scene with every one of these clients at every one of these servers."""
    scenes = [kind(server, client) for server in servers for client in clients]
    return pytest.mark.parametrize("scene", scenes, ids=str)


class Introduced(Scene):
    """A client without an external key, then one with it, which asks for the chain to another root."""

    def __call__(self, lab: Lab) -> tuple[Server, str, Lineage]:
        with lab.server(self.server, bound=True, alternate=True) as server:
            stranger = lab.client(self.client, server)
            with pytest.raises(AssertionError) as refused:
                stranger.obtain(ONE)
            shutil.rmtree(stranger.job.folder)
            root = x509.load_pem_x509_certificate(server.other_root)
            chain = str(root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
            friend = lab.client(self.client, server, external_key=server.external_key, chain=chain)
            return server, str(refused.value), friend.obtain(ONE)


introduced = each(Introduced, "certbot", "dehydrated", "lego", "uacme")


@introduced
def test_7_3_4_a_client_with_an_external_key_gets_an_account_and_without_it_none(
    scene: Introduced, played: Callable[[Introduced], tuple[Server, str, Lineage]], openssl: OpenSsl
) -> None:
    _, refused, lineage = played(scene)

    assert re.search(r"(?i)external ?(account|credentials)", refused)
    assert openssl.dns_names(lineage.certificate) == list(ONE)


@introduced
def test_7_4_2_a_client_takes_the_chain_it_prefers(
    scene: Introduced, played: Callable[[Introduced], tuple[Server, str, Lineage]], openssl: OpenSsl
) -> None:
    server, _, lineage = played(scene)

    openssl.verify(lineage.certificate, lineage.chain, server.other_root, ONE[0])
    with pytest.raises(AssertionError, match="unable to get"):
        openssl.verify(lineage.certificate, lineage.chain, server.root, ONE[0])


class Account(Scene):
    """A client changes its account and goes on, then ends it; what it says when it wants to go on all the same."""

    def __call__(self, lab: Lab) -> str:
        with lab.server(self.server) as server:
            client = lab.client(self.client, server)
            client.obtain(ONE)
            client.update_contact("other@example.org")
            if self.client == "uacme":
                client.change_key()
            client.renew(ONE)
            kept = lab.folder / "kept"
            shutil.copytree(client.job.folder, kept, symlinks=True)
            client.deactivate()
            shutil.rmtree(client.job.folder)
            kept.rename(client.job.folder)
            with pytest.raises(AssertionError) as refused:
                client.renew(ONE)
            # Debian's Certbot stumbles over its own way of reporting, and tells its log alone.
            logs = [path.read_text() for path in client.job.folder.rglob("letsencrypt.log")]
            return "".join([str(refused.value), *logs])


@each(Account, "certbot", "dehydrated", "uacme")
def test_7_3_6_a_client_changes_its_account_and_after_its_end_gets_no_more(
    scene: Account, played: Callable[[Account], str]
) -> None:
    assert "urn:ietf:params:acme:error:unauthorized" in played(scene)


class Unproved(Scene):
    """A client renews when it can prove nothing any more, then wants a name beside it that does not exist."""

    def __call__(self, lab: Lab) -> tuple[Lineage, Lineage, str]:
        with lab.server(self.server) as server:
            client = lab.client(self.client, server)
            first = client.obtain(NAMES)
            lab.names.records.clear()
            second = client.renew(NAMES)
            with pytest.raises(AssertionError) as failed:
                client.renew((*ONE, "nowhere.example.org"))
            return first, second, str(failed.value)


unproved = each(Unproved, "acme-tiny", "certbot", "dehydrated", "lego", "p1-acme", "uacme", servers=("xmpp-ica",))


@unproved
def test_7_5_a_client_renews_without_a_proof_while_the_last_one_holds(
    scene: Unproved, played: Callable[[Unproved], tuple[Lineage, Lineage, str]], openssl: OpenSsl
) -> None:
    first, second, _ = played(scene)

    assert openssl.dns_names(second.certificate) == sorted(NAMES)
    assert openssl.serial(first.certificate) != openssl.serial(second.certificate)


@unproved
def test_6_7_1_when_one_name_fails_the_administrator_is_told_which(
    scene: Unproved, played: Callable[[Unproved], tuple[Lineage, Lineage, str]]
) -> None:
    _, _, said = played(scene)

    assert "nowhere.example.org does not exist" in said
    assert "chat.example.org does not exist" not in said
