"""Every URL of the server (RFC 8555 §7.1), built from the configured `external_url` and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Urls"]


@dataclass(frozen=True, slots=True)
class Urls:
    """Every URL of the server."""

    base: str
    """`external_url`."""
    pki: str
    """Where certificates and CRLs of our issuers are, as certificates name it."""

    @property
    def directory(self) -> str:
        """RFC 8555 §7.1.1."""
        return f"{self.base}/directory"

    def resource(self, name: str) -> str:
        """One of the directory's: `new-order` …"""
        return f"{self.base}/acme/{name}"

    def account(self, account_id: str) -> str:
        """RFC 8555 §7.1.2; also the prefix that a `kid` must have."""
        return f"{self.base}/acme/account/{account_id}"

    def orders(self, account_id: str, after: str = "") -> str:
        """RFC 8555 §7.1.2.1: the page of an account's orders that begins beyond the id `after`."""
        return f"{self.account(account_id)}/orders" + (f"?after={after}" if after else "")

    @property
    def account_hashes(self) -> str:
        """Where the hashed URIs of accounts begin: names in DNS records, with nothing behind them (dns-persist-01)."""
        return f"{self.base}/acme/account-hash/"

    def order(self, order_id: str) -> str:
        """RFC 8555 §7.1.3."""
        return f"{self.base}/acme/order/{order_id}"

    def finalize(self, order_id: str) -> str:
        """RFC 8555 §7.4."""
        return f"{self.base}/acme/order/{order_id}/finalize"

    def authorization(self, authorization_id: str) -> str:
        """RFC 8555 §7.5."""
        return f"{self.base}/acme/authorization/{authorization_id}"

    def challenge(self, challenge_id: str) -> str:
        """RFC 8555 §7.5.1."""
        return f"{self.base}/acme/challenge/{challenge_id}"

    def certificate(self, serial: str) -> str:
        """RFC 8555 §7.4.2."""
        return f"{self.base}/acme/certificate/{serial}"

    def alternate(self, serial: str, number: int) -> str:
        """RFC 8555 §7.4.2: the certificate with another chain, from 1 on."""
        return f"{self.certificate(serial)}/alternate/{number}"
