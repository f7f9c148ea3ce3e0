"""Lock a record during work: a second process gets an error that names the owner; a dead owner's lock is taken over."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from baselines.validation import MachineError, UserError
from benchmarks.data.plain_files import open_plain

log = logging.getLogger(__name__)

MOST_BYTES = 4096
LOOK_AGAIN_SECONDS = 1.0
# File systems of one kernel: where nobody holds the system's lock on a file, its owner is gone, whatever its host
LOCAL = ("apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "overlay", "tmpfs", "xfs", "zfs")


class UnderWay(UserError):
    """Another process holds the lock, or may hold it; trying again later may work."""


class Held(UnderWay):
    """Another process holds the lock; the lock is free when that process ends."""


@contextmanager
def locked(path: Path, what: str, *, waits: bool = False) -> Iterator[None]:
    """Hold the lock file `path` while the block runs, and remove it after.

    The system's own file lock says whether the owner lives: it is released when the process ends, for any reason. The
    file names the owner: host, process, and start time.

    Args:
        what: what is locked, for the error message.
        waits: whether to wait until the other process releases it, instead of raising an error.
    Raises:
        UnderWay: naming owner and age, if another process holds the lock, or if one of another machine left it on a
            shared file system: this machine cannot know whether that process still runs.
        MachineError: if the file cannot be written, or is no regular file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _awaited(path, what) if waits else _acquired(path, what)
    except OSError as error:
        raise MachineError(f"the lock {path} cannot be taken: {error.strerror or error}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file `path`, as far as the system can tell."""
    try:
        descriptor = open_plain(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _awaited(path: Path, what: str) -> int:
    """Wait until another process has released the lock, say so once, and return the lock's open file."""
    with suppress(Held):
        return _acquired(path, what)
    log.warning("%s is running in another process; waiting for its end", what)
    while True:
        time.sleep(LOOK_AGAIN_SECONDS)
        with suppress(Held):
            return _acquired(path, what)


def _acquired(path: Path, what: str) -> int:
    """Take the lock, write this process's name into its file, and return the open file."""
    while True:
        descriptor = open_plain(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                _refuse_stranger(descriptor, path, what)
                os.ftruncate(descriptor, 0)
                with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as file:
                    json.dump(_ourselves(), file)
                return descriptor
        except BlockingIOError as error:
            owner = _owner(descriptor)
            os.close(descriptor)
            raise Held(
                f"{what} is under way already: {_described(owner)}; wait for its end, or give another folder"
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last owner ended and removed its file between our two calls


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _refuse_stranger(descriptor: int, path: Path, what: str) -> None:
    owner = _owner(descriptor)
    if owner is not None and owner["host"] != socket.gethostname() and not is_local(path):
        raise UnderWay(
            f"{what} was begun elsewhere: {_described(owner)}; wait for its end, or, where that process is gone, "
            f"remove {path}"
        )


def is_local(path: Path) -> bool:
    """Whether a path lies on a file system of this machine only; an unknown kind counts as shared."""
    place = path.resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    kind = next((mounts[folder] for folder in (place, *place.parents) if folder in mounts), "unknown")
    return kind in LOCAL


def _ourselves() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}


def _owner(descriptor: int) -> dict[str, Any] | None:
    """The owner named in the file, or None if the file is incomplete."""
    try:
        owner = json.loads(os.pread(descriptor, MOST_BYTES, 0).decode("utf-8"))
        time.localtime(owner["since"])  # raises for an impossible time
        return {"host": str(owner["host"]), "pid": int(owner["pid"]), "since": float(owner["since"])}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _described(owner: dict[str, Any] | None) -> str:
    if owner is None:
        return "by a process that has not yet written its name"
    minutes = max(0.0, time.time() - owner["since"]) / 60
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
    return f"by process {owner['pid']} on {owner['host']} since {since} ({minutes:.0f} min)"
