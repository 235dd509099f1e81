"""`xmpp-ica` that ends itself, and everything it has started, at one exact point of its work, as a power cut would.

`python -m tests.faults.dying_server POINT serve --config FILE`. A point is `PLACE:before` or `PLACE:after`: of the COMMIT
of the transaction that the function PLACE makes (`PLACE#2`: of its second one), or, for `signature`, of the issuer's
signature of a certificate. `trace=FILE` for POINT ends nothing and writes down every place that is passed.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from acme_server.cli import main
from acme_server.issuance import finalize
from acme_server.store.sqlite import SqliteStore

SIGNATURE = "signature"


class Fuse:
    """Ends the process group when its point is reached."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._passed: collections.Counter[str] = collections.Counter()

    def pass_by(self, place: str, when: str) -> None:
        """Called at every point there is."""
        if when == "before":
            self._passed[place] += 1
        number = self._passed[place]
        name = place if number == 1 else f"{place}#{number}"
        if self._point.startswith("trace="):
            with Path(self._point.removeprefix("trace=")).open("a", encoding="utf-8") as file:
                file.write(f"{name}:{when}\n")
        elif self._point == f"{name}:{when}":
            _die()


def _die() -> NoReturn:
    os.killpg(os.getpgrp(), signal.SIGKILL)
    time.sleep(60)  # not one step further until the signal has come
    raise AssertionError("still alive")


def install(fuse: Fuse) -> None:
    """Lay the fuse along every durable transaction and the signature."""
    write, issue = SqliteStore.write, finalize.issue

    @contextlib.contextmanager
    def watched(transaction: contextlib.AbstractContextManager[Any], place: str) -> Iterator[Any]:
        with transaction as inside:
            yield inside
            fuse.pass_by(place, "before")
        fuse.pass_by(place, "after")

    def watched_write(store: SqliteStore) -> contextlib.AbstractContextManager[Any]:
        return watched(write(store), sys._getframe(1).f_code.co_qualname)

    def watched_issue(*arguments: Any) -> bytes:
        fuse.pass_by(SIGNATURE, "before")
        der: bytes = issue(*arguments)
        fuse.pass_by(SIGNATURE, "after")
        return der

    replace: Callable[[object, str, object], None] = setattr
    replace(SqliteStore, "write", watched_write)
    replace(finalize, "issue", watched_issue)


if __name__ == "__main__":
    install(Fuse(sys.argv.pop(1)))
    main()
