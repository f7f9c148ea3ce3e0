"""Files that the user names for output: checked before the work, written after it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from baselines.validation import MachineError, UserError
from benchmarks.data.files import is_unicode
from benchmarks.data.plain_files import write_atomically


def require_output(path: Path, option: str) -> None:
    """Check that a file can be written to a path.

    Args:
        option: the option's name, for the message.
    Raises:
        UserError: for a folder, or a path that may not be written.
    """
    with _named(path, option):
        target = path.resolve()
        if target.is_dir():
            raise UserError(f"{option} {str(path)!r} is a folder; give a file")
        if target.exists() and not target.is_file():
            if not os.access(target, os.W_OK):
                raise UserError(f"{option} {str(path)!r} cannot be written; give another place")
            return
        _require_writable(target.parents)  # the file itself is written at the end, completely


def require_output_folder(path: Path, option: str) -> None:
    """Check that files can be written into a folder, which may not exist yet.

    Raises:
        UserError: for something that is no folder, or may not be written.
    """
    with _named(path, option):
        target = path.resolve()
        target.joinpath("a").exists()  # an error for a name that is too long
        if target.exists() and not target.is_dir():
            raise UserError(f"{option} {str(path)!r} is not a folder; give one")
        if not is_unicode(str(path)):
            raise UserError(f"{option} must have a name in UTF-8, got {str(path)!r}; give another folder")
        _require_writable((target, *target.parents))


def _require_writable(places: Iterable[Path]) -> None:
    """Try to write in the first place that exists."""
    with tempfile.TemporaryFile(dir=next(place for place in places if place.exists())):
        pass


@contextmanager
def _named(path: Path, option: str) -> Iterator[None]:
    """Turn an error of the system into one that names the option."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{option} {str(path)[:80]!r} cannot be written: {error.strerror or error}") from error


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file completely, following links; what is for a device or a pipe is streamed.

    Raises:
        MachineError: naming the path, if it cannot be written.
    """
    try:
        target = path.resolve()
        if not target.exists() or target.is_file():
            write_atomically(target, content)
            return
        with target.open("wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode("utf-8"))
    except OSError as error:
        raise MachineError(f"{path} cannot be written: {error.strerror or error}") from error
