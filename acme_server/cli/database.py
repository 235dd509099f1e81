"""For commands that work on the CA's database: opens it, prints what was found, and tells failures to the person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from acme_server.config import Config
from acme_server.store import SchemaMismatch, Store, StoreUnavailable

__all__ = ["opened", "say"]


def say(text: str, failure: type[click.ClickException]) -> None:
    """Print the result, whose exit code means something: where it cannot be printed, `failure` is raised."""
    try:
        click.echo(text)
    except OSError as error:
        raise failure(f"standard output: {error.strerror}") from error


@contextmanager
def opened(config: Config) -> Iterator[Store]:
    """The store, until the block ends; a server may work on it too. Raises ClickException."""
    from acme_server.store.sqlite import SqliteStore

    path = config.path(config.database)
    try:
        store = SqliteStore(path)
        try:
            yield store
        finally:
            store.close()
    except SchemaMismatch as error:
        raise click.ClickException(str(error)) from error
    except StoreUnavailable as error:
        raise click.ClickException(f"{path}: {error}") from error
