"""Files that survive a power cut: created with their final mode, synced, and switched by one rename.

Nothing here may follow a symlink it is about to write to, or leave a half-written file under a final name.
Our own policy; POSIX rename(2) and fsync(2).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xmpp_client.errors import BusyError

__all__ = ["add", "lock", "make_directory", "remove_tree", "replace", "switch", "sync_directory", "write_new"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(path: Path, mode: int = 0o700, *, gid: int = -1) -> None:
    """Make the directory, and those above it, with this mode whatever the umask; one that is there keeps its own."""
    missing = [part for part in (path, *path.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=mode, exist_ok=True)
        os.chown(part, -1, gid)
        part.chmod(mode)
        sync_directory(part.parent)


def write_new(path: Path, content: bytes, mode: int, *, uid: int = -1, gid: int = -1) -> None:
    """Create a file that must not exist yet. Raises OSError, and then leaves no file behind.

    The mode is the final one from the start, less the owner's and group's change, which come before the content.
    """
    handle = os.open(path, _NEW, mode & 0o600)
    try:
        with open(handle, "wb", closefd=True) as file:  # noqa: PTH123 - a descriptor, not a path
            if (uid, gid) != (-1, -1):
                os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def replace(path: Path, content: bytes, mode: int, *, uid: int = -1, gid: int = -1) -> None:
    """Write a file so that readers see the old content or the new one, never a part. Raises OSError."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    write_new(temporary, content, mode, uid=uid, gid=gid)
    temporary.replace(path)
    sync_directory(path.parent)


def add(path: Path, content: bytes, mode: int) -> None:
    """Create a file that must not exist yet, whole or not at all, even if the process dies. Raises OSError.

    A link, other than a rename, never replaces: of two that add the same file, one gets FileExistsError.
    The caller holds the lock, so a temporary file that is there was left by a process that died.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    write_new(temporary, content, mode)
    try:
        os.link(temporary, path, follow_symlinks=False)
    finally:
        temporary.unlink()
        sync_directory(path.parent)


def switch(link: Path, target: str) -> None:
    """Point the symlink `link` at `target` in one step. Raises OSError, and then the link is as it was."""
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    try:
        temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(link.parent)


def remove_tree(path: Path) -> None:
    """Remove a directory of ours, if it is there."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file, which ends with the process too. Raises BusyError at once if it is held."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"another xmpp-cert is at work: it holds {path}") from error
        yield
    finally:
        os.close(handle)
