"""A lock on a record under work: a second process is refused and told the owner, a dead owner's is taken over."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds the lock file `path` while the block runs, and removes it after.

    The system's own file lock says whether the owner lives: it falls with its process, however that ends. The file
    says who the owner is: host, process, and since when.

    Args:
        what: what is locked, for the refusal.
    Raises:
        ValueError: naming owner and age, where another process holds the lock, or one of another machine left it: of
            that one nobody here can tell whether it lives.
        RuntimeError: where the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquired(path, what)
    except OSError as error:
        raise RuntimeError(f"the lock {path} cannot be taken: {error.strerror or error}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquired(path: Path, what: str) -> int:
    """The lock's open file, with our name in it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                _refuse_stranger(path, what)
                os.ftruncate(descriptor, 0)
                with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as file:
                    json.dump(_ourselves(), file)
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise ValueError(
                f"{what} is under way already: {_described(_owner(path))}; wait for its end, or give another folder"
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last owner ended, and took its file along, between our two calls


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _refuse_stranger(path: Path, what: str) -> None:
    owner = _owner(path)
    if owner is not None and owner["host"] != socket.gethostname():
        raise ValueError(
            f"{what} was begun elsewhere: {_described(owner)}; wait for its end, or, where that process is gone, "
            f"remove {path}"
        )


def _ourselves() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}


def _owner(path: Path) -> dict[str, Any] | None:
    """Who the file names, or None where it was not written to its end."""
    try:
        owner = json.loads(path.read_text("utf-8"))
        time.localtime(owner["since"])  # a year that is none names nobody
        return {"host": str(owner["host"]), "pid": int(owner["pid"]), "since": float(owner["since"])}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _described(owner: dict[str, Any] | None) -> str:
    if owner is None:
        return "by a process that has not yet written its name"
    minutes = max(0.0, time.time() - owner["since"]) / 60
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
    return f"by process {owner['pid']} on {owner['host']} since {since} ({minutes:.0f} min)"
