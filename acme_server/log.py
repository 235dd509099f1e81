"""The log: one line an event, `key=value`, on standard error (journald adds what it likes).

Never in it: tokens, codes, key authorizations, private keys.
"""

from __future__ import annotations

import sys

import structlog

__all__ = ["configure_log"]


def configure_log() -> None:
    """Set it up, once in each process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
