"""Run Python files that a user names, under a module name that holds the file's hash."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from baselines.validation import UserCodeError, UserError
from benchmarks.data.digests import sha256_of

USER_FILES: set[str] = set()


def run_code(path: Path, what: str, prefix: str) -> ModuleType:
    """Import a file and return its module; the same file runs once. It may import modules beside it.

    Args:
        what: what the file is, for error messages, such as "defense file".
        prefix: start of the module's name; the file's own name and its hash are appended.
    Raises:
        UserError: for a file that does not exist, fails to import, or ends the process.
    """
    if not path.is_file():
        raise UserError(f"the {what} {str(path)!r} does not exist; give the path of a Python file")
    name = f"{prefix}_{path.stem}_{sha256_of(path)[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None:
            raise UserError(f"the {what} {str(path)!r} is not a Python module")
        folder = str(path.resolve().parent)
        if folder not in sys.path:
            sys.path.append(folder)
        watch_user_code(str(path))
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            # Not the cached bytecode: it may be of an earlier version of the file, with another hash.
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
        except KeyboardInterrupt:
            del sys.modules[name]
            raise
        except BaseException as error:
            del sys.modules[name]
            raise UserError(f"the {what} {str(path)!r} fails to import: {_described(error)}") from error
    return sys.modules[name]


def watch_user_code(file: str) -> None:
    """Register a file as the user's, so that its exceptions are recognised; in it `os._exit` raises an exception."""
    USER_FILES.add(file)
    if os._exit is not _exit:
        os._exit = _exit


def error_of_user_code(error: BaseException) -> UserCodeError | None:
    """The error to show for an exception that passed through a user's file, with the lines of that file only."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in USER_FILES]
    if not lines:
        return None
    places = "; ".join(f"{Path(frame.filename).name}, line {frame.lineno}: {frame.line}" for frame in lines)
    return UserCodeError(f"{_described(error)} [{places}]")


def _described(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ends the process with exit code {error.code}; let it return or raise an exception"
    return f"{type(error).__name__}: {error}"


_exit_process = os._exit


def _exit(status: int) -> None:
    """End the process at once, except when called from the user's code, where it could pass for success."""
    if sys._getframe(1).f_code.co_filename in USER_FILES:
        raise SystemExit(status)
    _exit_process(status)
