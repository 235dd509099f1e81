"""Whom a command means: an address, an account, a name, as an administrator writes it, becomes a limit's subject.

What does not exist, or could never be counted, is refused with what is right: an exemption that nobody ever has would
be believed to work.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import click

from acme_server.limits import Limit, address_subject, domain_subject, failure_subject, names_subject
from acme_server.store import Transaction
from acme_server.urls import Urls
from challenges.base import Identifier

__all__ = ["account_id_of", "account_of", "name_to_pause", "subject_of"]


def subject_of(limit: Limit, text: str, transaction: Transaction, urls: Urls) -> str:
    """The limit's subject that the text means. Raises ClickException."""
    if limit in {Limit.NEW_ACCOUNTS, Limit.REFUSALS}:
        return _address(text)
    if limit in {Limit.NEW_ORDERS, Limit.CHANGES}:
        return account_of(text, transaction, urls)
    if limit is Limit.CERTIFICATES_OF_DOMAIN:
        return _domain(text)
    account, _, names = text.partition(" ")
    chosen = [name.lower() for name in names.replace(",", " ").split()]
    if not chosen:
        raise click.ClickException(f"{limit} wants an account and its names: ACCOUNT NAME …")
    if limit is Limit.CERTIFICATES_OF_NAMES:
        return names_subject(account_of(account, transaction, urls), chosen)
    if len(chosen) > 1:
        raise click.ClickException(f"{limit} wants an account and one name: ACCOUNT NAME")
    return failure_subject(account_of(account, transaction, urls), Identifier("dns", chosen[0]))


def account_id_of(text: str, urls: Urls) -> str:
    """The id in an account's id or URL. Raises ClickException."""
    account_id = text.removeprefix(urls.account(""))
    if "/" in account_id:
        raise click.ClickException(f"{text} is not the URL of an account here: they begin with {urls.account('')}")
    return account_id


def account_of(text: str, transaction: Transaction, urls: Urls) -> str:
    """The id of an account that there is, from its id or URL. Raises ClickException."""
    account_id = account_id_of(text, urls)
    if transaction.accounts.get(account_id) is None:
        raise click.ClickException(
            f"there is no account {account_id!r}: its id is the end of its URL, and in the log and the audit chain"
        )
    return account_id


def name_to_pause(text: str) -> str:
    """A name for which nothing is ordered: a domain, a user's JID, an address. Raises ClickException."""
    from acme_server.domains import PublicSuffixes, host_name
    from acme_server.errors import RejectedIdentifier
    from acme_server.jids import bare_jid

    try:
        if "@" in text:
            return bare_jid(text, PublicSuffixes())
        return str(ip_address(text)) if _is_address(text) else host_name(text)
    except RejectedIdentifier as problem:
        raise click.ClickException(problem.detail) from problem


def _address(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise click.ClickException(f"{text!r} is not an IP address") from error
    subject = address_subject(str(network.network_address))
    if network.num_addresses > 1 and str(network) != subject:
        raise click.ClickException(f"addresses are counted one by one, and IPv6 by /48: write {subject}")
    return subject


def _domain(text: str) -> str:
    from acme_server.domains import PublicSuffixes

    if _is_address(text):
        return address_subject(text)
    name = name_to_pause(text)
    if "@" in name:
        return name
    registrable = domain_subject(Identifier("dns", name), PublicSuffixes().registrable)
    if registrable != name:
        raise click.ClickException(f"certificates are counted for the registrable domain: write {registrable}")
    return name


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
