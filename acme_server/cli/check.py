"""`xmpp-ica check`: how the CA is, for monitoring. It changes nothing, asks nobody on a network, and is quick.

Whatever is wrong with one thing, the others are looked at too. What is judged, and how, is in `federation/health.py`.
"""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from acme_server.cli.common import config_option, json_option, read_config
from acme_server.cli.database import say
from acme_server.config import Config
from acme_server.federation import health
from acme_server.federation.health import Finding, Level
from acme_server.store import SchemaMismatch, Store, StoreUnavailable

__all__ = ["check", "examine"]


class _Unknown(click.ClickException):
    """Nothing was looked at, or nobody told; the exit code is the one that monitoring plug-ins have for it."""

    exit_code = 3


@click.command()
@config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Say how the CA is: status 0: fine; 1: a warning; 2: critical; 3: the configuration cannot be read."""
    from acme_server.clock import utc_now

    try:
        config = read_config(config_path)
    except click.ClickException as error:
        raise _Unknown(error.message) from error
    findings = sorted(examine(config, utc_now()), key=lambda finding: -finding.level)
    say(json.dumps(_facts(findings), indent=1, ensure_ascii=False) if as_json else _text(findings), _Unknown)
    sys.exit(findings[0].level)


def _facts(findings: Sequence[Finding]) -> dict[str, object]:
    """As JSON; the worst comes first."""
    told = [{"level": _word(finding.level), "check": finding.check, "text": finding.text} for finding in findings]
    return {"level": told[0]["level"], "findings": told}


def _text(findings: Sequence[Finding]) -> str:
    """A line that says the worst, as monitoring shows it, then one for each finding."""
    bad = sum(finding.level > Level.OK for finding in findings)
    worst = findings[0].text if bad else "all is fine"
    lines = [f"{_word(finding.level):8}  {finding.check:8}  {finding.text}" for finding in findings]
    summary = f"xmpp-ica {_word(findings[0].level)}: {worst} [{bad} of {len(findings)} checks found something]"
    return "\n".join([summary, *lines])


def _word(level: Level) -> str:
    return level.name.lower()


def examine(config: Config, now: datetime) -> list[Finding]:
    """Look at everything; there is a finding for each thing, fine or not."""
    issuer_id, findings = _authority(config, now)
    findings.append(_web(config.path(config.tls.certificate), config.path(config.tls.key), now))
    database = config.path(config.database)
    if not database.is_file():
        text = f"{database} is not there: nothing can be issued or revoked; put the newest copy back"
        return [*findings, Finding(Level.CRITICAL, "database", text)]
    findings += [health.space(shutil.disk_usage(database.parent).free), _nonces(Path(f"{database}-nonces"))]
    return [*findings, *_database(database, issuer_id, now)]


def _authority(config: Config, now: datetime) -> tuple[str | None, list[Finding]]:
    """The issuer's id, where `serve` could work with it."""
    from acme_server.issuance import authority
    from acme_server.issuance.signers import UnusableKey

    try:
        found = authority.load(config.path(config.authority), now)
    except (authority.UnusableAuthority, UnusableKey, ValueError, OSError) as error:
        return None, [Finding(Level.CRITICAL, "issuer", f"{_said(error)}; `serve` does not start without it")]
    issuer, root = found.issuer.certificate.not_valid_after_utc, found.root.not_valid_after_utc
    return found.issuer.id, [health.issuer(issuer, now), health.root(root, now)]


def _web(certificate: Path, key: Path, now: datetime) -> Finding:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        matching = load_pem_private_key(key.read_bytes(), None).public_key() == leaf.public_key()
    except (ValueError, TypeError, OSError) as error:  # TypeError: the key is encrypted
        text = f"the web server's certificate and key, {certificate} and {key}, cannot be used: {_said(error)}"
        return Finding(Level.CRITICAL, "tls", text)
    if not matching:
        return Finding(Level.CRITICAL, "tls", f"{key} is not the key of {certificate}: `serve` cannot use them")
    return health.web_certificate(leaf.not_valid_before_utc, leaf.not_valid_after_utc, now)


def _said(error: Exception) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)


def _nonces(path: Path) -> Finding:
    from acme_server.protocol.nonces import WINDOW

    try:
        found = path.stat()
    except FileNotFoundError:
        return health.nonces(None, 0, 0)
    return health.nonces(found.st_size, found.st_mode, WINDOW // 8)


def _database(path: Path, issuer_id: str | None, now: datetime) -> Iterator[Finding]:
    from acme_server.store.sqlite import SqliteStore

    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        text = f"others may read {path} (mode {mode:04o}), and the codes in it: chmod 600 it"
        yield Finding(Level.WARNING, "rights", text)
    try:
        store = SqliteStore(path)
        try:
            findings = _in_database(store, issuer_id, now)
            with store.write():  # nothing; but that it could
                pass
        finally:
            store.close()
    except (SchemaMismatch, StoreUnavailable) as error:
        yield Finding(Level.CRITICAL, "database", f"{path} cannot be read and written: {error}")
    except (ValueError, OverflowError) as error:
        text = f"{path} holds what this version does not write: {error}; see `xmpp-ica audit verify`"
        yield Finding(Level.CRITICAL, "database", text)
    else:
        yield Finding(Level.OK, "database", "the database is there and can be written")
        yield from findings


def _in_database(store: Store, issuer_id: str | None, now: datetime) -> list[Finding]:
    """What its rows say. Raises StoreUnavailable, ValueError, OverflowError."""
    with store.read() as transaction:
        published = None if issuer_id is None else transaction.crls.get(issuer_id)
        newest = transaction.audit.newest()
        findings = [
            health.jobs(transaction.jobs.first(health.LISTED), now),
            health.orders(transaction.orders.processing(now - health.LONG, health.LISTED), now),
            health.unissued(transaction.certificates.unissued(now, health.LISTED), now),
            health.mail(transaction.outbox.tries()),
        ]
    at = None if newest is None or newest.at is None else datetime.fromtimestamp(newest.at, UTC)
    findings.append(health.clock(at, now))
    return findings if issuer_id is None else [health.crl(published, now), *findings]
