"""`xmpp-ica approve`: a person lets one account have a high-value name (`[names] high_value`)."""

from __future__ import annotations

import json
from pathlib import Path

import click

from acme_server.cli.common import actor, config_option, json_option, read_config, urls_of
from acme_server.cli.database import opened
from acme_server.cli.subjects import account_id_of
from acme_server.config import Config
from acme_server.domains import host_name
from acme_server.errors import RejectedIdentifier
from acme_server.protocol.messages import timestamp
from acme_server.states import AccountStatus
from acme_server.store import Store, Transaction
from acme_server.urls import Urls

__all__ = ["approve"]


@click.command()
@click.argument("name", required=False)
@click.argument("account", required=False)
@config_option
@click.option("--withdraw", is_flag=True, help="Take the approval back; certificates that are there stay valid.")
@click.option("--list", "listing", is_flag=True, help="Show the approvals there are.")
@json_option
def approve(
    name: str | None, account: str | None, config_path: Path, withdraw: bool, listing: bool, as_json: bool
) -> None:
    """Let ACCOUNT (its URL or id) have certificates for NAME (A-labels) and all names below it.

    Make sure first, by another way than ACME, that the account is the domain's own.
    """
    if listing == (account is not None) or (listing and name is not None):
        raise click.UsageError("give NAME and ACCOUNT, or --list")
    config = read_config(config_path)
    urls = urls_of(config)
    with opened(config) as store:
        if name is None or account is None:
            _list(store, urls, as_json)
            return
        domain, account_id = _domain(name), account_id_of(account, urls)
        changed = _change(store, domain, account_id, withdraw=withdraw)
    state = "withdrawn" if withdraw else "approved"
    if as_json:
        click.echo(json.dumps({"name": domain, "account": urls.account(account_id), "state": state, "new": changed}))
        return
    click.echo(f"{domain}: {state}{'' if changed else ' already'} for {urls.account(account_id)}")
    if changed and not withdraw:
        _hint(config, domain)


def _hint(config: Config, domain: str) -> None:
    from acme_server.policy import NamePolicy
    from challenges.base import Identifier

    if not NamePolicy((), config.names.high_value).wants_approval(Identifier("dns", domain)):
        click.echo("It needs none: it is not at or below a name of `[names] high_value`.")


def _change(store: Store, domain: str, account_id: str, *, withdraw: bool) -> bool:
    """Whether it was not so already. Raises ClickException."""
    from acme_server.clock import utc_now

    now = utc_now()
    with store.write() as transaction:
        if withdraw:
            changed = transaction.approvals.withdraw(domain, account_id)
        else:
            _check_account(transaction, account_id)
            changed = transaction.approvals.approve(domain, account_id, now)
        if changed:
            transaction.audit.append(
                "name_approval_withdrawn" if withdraw else "name_approved",
                actor=actor(),
                subject=f"account/{account_id}",
                at=now,
                detail={"name": domain},
            )
    return changed


def _check_account(transaction: Transaction, account_id: str) -> None:
    account = transaction.accounts.get(account_id)
    if account is None:
        raise click.ClickException(f"there is no account {account_id}")
    if account.status is not AccountStatus.VALID:
        raise click.ClickException(f"the account {account_id} is {account.status}")


def _list(store: Store, urls: Urls, as_json: bool) -> None:
    with store.read() as transaction:
        approvals = transaction.approvals.all()
    rows = [
        {"name": name, "account": urls.account(account_id), "approved": timestamp(approved_at)}
        for name, account_id, approved_at in approvals
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(f"{row['approved']}  {row['name']}  {row['account']}")


def _domain(name: str) -> str:
    try:
        return host_name(name)
    except RejectedIdentifier as problem:
        raise click.ClickException(problem.detail) from problem
