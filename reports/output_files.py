"""Files that the user names for output: checked before the work, written after it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from baselines.validation import MachineError, UserError
from benchmarks.data.plain_files import write_atomically


def require_output(path: Path, option: str) -> None:
    """Check that a file can be written to a path.

    Args:
        option: the option's name, for the message.
    Raises:
        UserError: for a folder, or a path that may not be written.
    """
    try:
        target = path.resolve()
        if target.is_dir():
            raise UserError(f"{option} {str(path)!r} is a folder; give a file")
        if target.exists() and not target.is_file():
            if not os.access(target, os.W_OK):
                raise UserError(f"{option} {str(path)!r} cannot be written; give another place")
            return
        with tempfile.TemporaryFile(dir=next(place for place in target.parents if place.exists())):
            pass  # the file itself is written at the end, completely
    except OSError as error:
        raise UserError(f"{option} {str(path)[:80]!r} cannot be written: {error.strerror or error}") from error


def write_output(path: Path, text: str) -> None:
    """Write a file completely, following links; text for a device or a pipe is streamed.

    Raises:
        MachineError: naming the path, if it cannot be written.
    """
    try:
        target = path.resolve()
        if not target.exists() or target.is_file():
            write_atomically(target, text)
            return
        with target.open("w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise MachineError(f"{path} cannot be written: {error.strerror or error}") from error
