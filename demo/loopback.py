"""The demo's own two listeners on loopback: a mail server that keeps what it gets, and one that only counts callers.

Neither must ever pass anything on. RFC 5321 by aiosmtpd; the Maildir by the standard library.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

from demo.narrator import StepError

__all__ = ["mail_server", "nobody_calls"]


class _Controller(Controller):
    """Listens on a socket that is bound already, so that the port is known and ours."""

    def __init__(self, handler: Mailbox, listener: socket.socket) -> None:
        self._listener = listener
        host, port = listener.getsockname()
        super().__init__(handler, hostname=host, port=port)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._listener)


@contextmanager
def mail_server(maildir: Path) -> Iterator[str]:
    """A running SMTP server that puts every mail into the Maildir; its `host:port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    controller = _Controller(Mailbox(maildir), listener)
    controller.start()
    try:
        yield f"{controller.hostname}:{controller.port}"
    finally:
        controller.stop()


@contextmanager
def nobody_calls(port: int) -> Iterator[None]:
    """Stand at a port of 127.0.0.1 during the block. Raises StepError if anybody connected."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield
        listener.setblocking(False)
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return
    raise StepError(f"somebody connected to port {port}")
