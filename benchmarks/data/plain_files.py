"""Read files in untrusted folders only if they are regular files; write files atomically."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from baselines.validation import MachineError

log = logging.getLogger(__name__)

PART = re.compile(r"\..+-[0-9a-f]{8}\.part")
MOST_BYTES = 1 << 28
OPENED = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # fail on a link, do not wait for a pipe's writer


class NotPlain(OSError):
    """Not a regular file or folder, or larger than allowed."""


def require_plain(root: Path, path: Path) -> None:
    """Raise an error for a path below `root` that leads over a link, or is not a regular file or folder.

    Everything inside a folder is checked. A missing path is accepted. `root` itself may be a link.

    Raises:
        NotPlain: naming the first such place.
    """
    place = root
    for part in path.relative_to(root).parts:
        place = place / part
        _require_plain_entry(place)
    if path.is_dir():
        for folder, names, files in os.walk(path):
            for name in (*names, *files):
                _require_plain_entry(Path(folder) / name)


def is_plain_file(path: Path, most_bytes: int | None = None) -> bool:
    """Whether the path is a regular file, not a link, and not larger than `most_bytes`."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (most_bytes is None or found.st_size <= most_bytes)


def _require_plain_entry(place: Path) -> None:
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise NotPlain(f"{place} is {_kind(mode)}; regular files and folders are allowed here")


def _kind(mode: int) -> str:
    return "a link" if stat.S_ISLNK(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"


def open_plain(path: Path, flags: int, most_bytes: int | None = MOST_BYTES) -> int:
    """Open a regular file and return its descriptor; new files get the rights that the umask leaves.

    Args:
        flags: as for `os.open`; links are not followed, pipes not waited for.
        most_bytes: a larger file is not read.
    Raises:
        NotPlain: if it is not a regular file, or is larger.
        OSError: if it cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | OPENED, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotPlain(f"{path} is a link; give the file itself") from error
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotPlain(f"{path} is no regular file")
        if most_bytes is not None and found.st_size > most_bytes:
            raise NotPlain(f"{path} has {found.st_size} bytes; {most_bytes} are allowed")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a regular file.

    Raises:
        NotPlain, OSError: as `open_plain`.
    """
    with os.fdopen(open_plain(path, os.O_RDONLY, most_bytes), "rb") as file:
        return file.read()


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The content of a regular file as UTF-8.

    Raises:
        NotPlain, OSError: as `open_plain`.
        UnicodeDecodeError: for other bytes.
    """
    return read_bytes(path, most_bytes).decode("utf-8")


def complete_lines(path: Path, most_bytes: int) -> Iterator[bytes]:
    """The lines of a regular file, one at a time; an incomplete last line is left out.

    Args:
        most_bytes: a line of that many bytes is not read.
    Raises:
        NotPlain, OSError: as `open_plain`.
        ValueError: for a longer line.
    """
    with os.fdopen(open_plain(path, os.O_RDONLY, None), "rb") as file:
        while (line := file.readline(most_bytes)).endswith(b"\n"):
            yield line
        if len(line) == most_bytes:
            raise ValueError(f"it is longer than {most_bytes} bytes")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file completely or not at all: temporary file, fsync, rename, fsync of the folder.

    A link in its place is replaced, not followed. A killed writer leaves its temporary file behind;
    `remove_left_parts` removes it.

    Args:
        content: bytes, or text that is written as UTF-8.
    Raises:
        MachineError: naming the path, if the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_of(path) as part:
            part.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
            sync(part)
            os.replace(part, path)
        sync(path.parent)
    except OSError as error:
        raise MachineError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Make an empty temporary file beside `path`, to be filled and renamed; remove it if it is still there at the end.

    It is locked in the meantime, so that `remove_left_parts` of another process does not remove it.

    Raises:
        OSError: if it cannot be made.
    """
    while True:
        part = path.with_name(f".{path.name[:200]}-{os.urandom(4).hex()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPENED, 0o666)
        with suppress(OSError):  # a file system without locks; there nothing is removed either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # another process took it for a left-over file, between our two calls
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        os.close(descriptor)


def remove_left_parts(root: Path) -> None:
    """Remove the temporary files of killed writers from a folder and its subfolders.

    The system releases the lock on a file when its process ends; a file that is still locked is kept.
    """
    for folder, _, names in os.walk(root):
        for name in names:
            if PART.fullmatch(name):
                _remove_if_left(Path(folder) / name)


def _remove_if_left(part: Path) -> None:
    try:
        descriptor = open_plain(part, os.O_RDONLY, None)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink(missing_ok=True)
    except OSError:
        return
    finally:
        os.close(descriptor)


@contextmanager
def alone_in(folder: Path, waiting: str = "") -> Iterator[None]:
    """Run the block for a folder in one process at a time; the system lets the next one in when a process ends.

    Args:
        waiting: a warning for the user if another process must be waited for; none if empty.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some shared file systems lock no folder
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting:
                    log.warning(waiting)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Have the system write a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
