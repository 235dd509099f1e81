"""`xmpp-ica migrate`: the database of an older version becomes this version's."""

from __future__ import annotations

from pathlib import Path

import click

from acme_server.cli.common import actor, config_option, read_config

__all__ = ["migrate"]


@click.command()
@config_option
def migrate(config_path: Path) -> None:
    """Bring the database to the schema of this version. Make a copy first; there is no way back."""
    from acme_server.clock import utc_now
    from acme_server.store.migrate import upgrade
    from acme_server.store.sqlite import SqliteStore

    config = read_config(config_path)
    database = config.path(config.database)
    if not database.is_file():
        raise click.ClickException(f"{database} does not exist: `xmpp-ica init` makes a CA with its database")
    before, after = upgrade(database)
    if before == after:
        click.echo(f"{database} is at {after} already.")
        return
    store = SqliteStore(database)
    with store.write() as transaction:
        transaction.audit.append(
            "database_migrated", actor=actor(), subject=f"schema/{after}", at=utc_now(), detail={"from": before}
        )
    store.close()
    click.echo(f"{database}: {before} -> {after}")
