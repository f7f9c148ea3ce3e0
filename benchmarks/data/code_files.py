"""Python files that a user names: code, which is run, under a module name that holds the file's hash."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.data.digests import sha256_of


def run_code(path: Path, what: str, prefix: str) -> ModuleType:
    """The module that a file defines; the same file is run once.

    Args:
        what: what the file is, for refusals, such as "defense file".
        prefix: of the module's name, to which the file's own and its hash are added.
    Raises:
        ValueError: for a file that is absent or fails to import.
    """
    if not path.is_file():
        raise ValueError(f"the {what} {str(path)!r} does not exist; give the path of a Python file")
    name = f"{prefix}_{path.stem}_{sha256_of(path)[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None:
            raise ValueError(f"the {what} {str(path)!r} is not a Python module")
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            # Not the bytecode beside the file: that may be of the text before this one, which has another hash.
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
        except Exception as error:
            del sys.modules[name]
            raise ValueError(f"the {what} {str(path)!r} fails to import: {type(error).__name__}: {error}") from error
    return sys.modules[name]
