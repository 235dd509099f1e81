"""RFC 8555 §8.4: the tokens of dns-01, and of what is made like it (draft-ietf-acme-dns-account-label §3.1)."""

from __future__ import annotations

import pytest

from challenges.dns_01 import DNS_01
from challenges.dns_account_01 import DNS_ACCOUNT_01
from tests.acme_requests import Client
from tests.tokens import assert_tokens_are_random


@pytest.mark.parametrize("kind", [DNS_01, DNS_ACCOUNT_01], ids=lambda kind: kind.type)
def test_8_4_a_token_is_256_random_bits_in_base64url(make_ca, kind):
    client = Client(make_ca(parts={"challenges": {kind.type: kind}})).register()
    assert_tokens_are_random(client, kind.type)
