"""End the command after an exception: one sentence and an exit code; an unexpected exception is reported as a bug."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress

from baselines.validation import EXPECTED, MachineError, UserCodeError, UserError, printable
from benchmarks.data.code_files import error_of_user_code
from benchmarks.data.plain_files import NotPlain
from earlyrobust.cli.answers import FAILED

# Errors that the user can correct: a place that may not be read or written, is missing, or is of another kind.
MENDABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EROFS,
    errno.EINVAL,
    errno.ENXIO,
)
OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EFBIG)


def returned(verb: Callable[[], int]) -> int:
    """The exit code that a verb returns. An exit inside it is an error, which must not pass for success.

    Raises:
        UserCodeError: if the user's code ended the process.
    """
    try:
        return verb()
    except SystemExit as end:
        of_user = error_of_user_code(end)
        if of_user is None and end.code:
            raise  # rich, where whoever read the output has enough of it
        raise of_user or RuntimeError("a part ended the process as if all were done") from end


def answer_to(error: BaseException) -> int:
    """Write one sentence on an exception to standard error, and return the exit code."""
    known = _known(error)
    if known is not None:
        say_error(str(known))
        return known.exit_code
    say_error(f"this is a bug: {type(error).__name__}: {error}; {_keep_traceback(error)}")
    return FAILED


def say_error(sentence: str) -> None:
    """Write one line to standard error, without what would steer a terminal; a full device changes no exit code."""
    with suppress(OSError):
        print(f"earlyrobust: {printable(' '.join(sentence.split()))}", file=sys.stderr, flush=True)


def _known(error: BaseException) -> UserError | MachineError | UserCodeError | None:
    if isinstance(error, EXPECTED):
        return error
    if (of_user := error_of_user_code(error)) is not None:
        return of_user
    if isinstance(error, NotPlain):
        return UserError(str(error))
    if isinstance(error, OSError) and error.errno in (*MENDABLE, *OF_THE_MACHINE):
        place = f"{error.filename}: " if error.filename is not None else ""
        kind = UserError if error.errno in MENDABLE else MachineError
        return kind(f"{place}{error.strerror or error}")
    if _ran_out_of_memory(error):
        return MachineError(f"the memory is too small: {error}; give fewer or shorter texts, or take a larger machine")
    return None


def _ran_out_of_memory(error: BaseException) -> bool:
    if "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from baselines.memory import ran_out_of_memory

    return ran_out_of_memory(error)


def _keep_traceback(error: BaseException) -> str:
    """Write the traceback of a bug to a file, or show it if no file can be written, and say what to do with it."""
    lines = "".join(traceback.format_exception(error))
    try:
        descriptor, name = tempfile.mkstemp(prefix="earlyrobust-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"earlyrobust {' '.join(sys.argv[1:])}\n{lines}")
    except OSError:
        print(lines, file=sys.stderr)
        return "report it with the lines above as an issue on the repository's page"
    return f"report it with {name} as an issue on the repository's page"
