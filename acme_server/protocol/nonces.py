"""Anti-replay nonces (RFC 8555 §6.5): a counter under a MAC, and a window of the spent ones.

A nonce costs no durable write. The window is a small file that every server process of this host maps into memory, so
a nonce holds across processes and restarts of ours, and is accepted once by all of them together. A reboot of the
machine makes a new key, because the file's last state may not have reached the disk; until then a good nonce is never
refused unless `WINDOW` newer ones have been given out.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import mmap
import os
import secrets
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acme_server.errors import BadNonce
from acme_server.protocol.strict import from_base64url
from challenges.base import base64url

__all__ = ["WINDOW", "Nonces", "boot_id"]

WINDOW = 1 << 20
"""Nonces that can be outstanding at a time."""

_COUNTER = struct.Struct(">Q")
_MAC_LENGTH = 16
_KEY = slice(32, 64)
_COUNT = slice(64, 72)
_BITS = 72
_SIZE = _BITS + WINDOW // 8


def boot_id() -> bytes:
    """Names this run of the machine (32 octets). Where the system does not tell, it is new at each call."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        text = secrets.token_bytes(32)
    return hashlib.sha256(text).digest()


class Nonces:
    """The nonces of one host. Safe to use from several threads and processes."""

    def __init__(self, path: Path, boot: bytes) -> None:
        """Map the file `path`, made with mode 0600 if it is not there; `boot`: see `boot_id`."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._thread = threading.Lock()
        with self._locked():
            size = os.fstat(self._file).st_size
            # Written and not only made longer: where a hole meets a full disk later, the process dies of SIGBUS.
            os.pwrite(self._file, bytes(max(0, _SIZE - size)), size)
            self._map = mmap.mmap(self._file, _SIZE)
            if self._map[:32] != boot:
                self._map[32:_SIZE] = secrets.token_bytes(32) + bytes(_SIZE - 64)
                self._map[:32] = boot  # last: a run that was cut off here is made again
            self._key = self._map[_KEY]

    def close(self) -> None:
        """Unmap; nobody may use the nonces any more."""
        self._map.close()
        os.close(self._file)

    def new(self) -> str:
        """A fresh nonce (base64url)."""
        with self._locked():
            number = _COUNTER.unpack(self._map[_COUNT])[0] + 1
            self._map[_COUNT] = _COUNTER.pack(number)
            index, bit = self._place(number)
            self._map[index] &= ~bit & 0xFF  # the place was another number's, a window ago
        octets: bytes = _COUNTER.pack(number)
        return base64url(octets + self._mac(octets))

    def redeem(self, nonce: str) -> None:
        """Spend it. Raises BadNonce when it is not ours, too old, or spent; Malformed when it is no base64url."""
        octets = from_base64url(nonce, "the nonce")
        counter, mac = octets[:8], octets[8:]
        if len(counter) != _COUNTER.size or not hmac.compare_digest(mac, self._mac(counter)):
            raise BadNonce("the nonce is not one this server has given out; take a new one and send the request again")
        (number,) = _COUNTER.unpack(counter)
        with self._locked():
            newest = _COUNTER.unpack(self._map[_COUNT])[0]
            index, bit = self._place(number)
            fresh = newest - WINDOW < number <= newest and not self._map[index] & bit
            if fresh:
                self._map[index] |= bit
        if not fresh:
            raise BadNonce("the nonce has been used or is too old; take a new one and send the request again")

    @staticmethod
    def _place(number: int) -> tuple[int, int]:
        position = number % WINDOW
        return _BITS + position // 8, 1 << position % 8

    def _mac(self, counter: bytes) -> bytes:
        return hmac.digest(self._key, counter, "sha256")[:_MAC_LENGTH]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among threads, then among processes. A process that dies gives the lock back."""
        with self._thread:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
