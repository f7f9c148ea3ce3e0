"""Find what a defense uses besides its batches: data modules it imports, files it opens, connections it makes."""

from __future__ import annotations

import ast
import inspect
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from baselines.defense import Defense
from benchmarks.experiments.defenses import source_of

DATA_MODULES = ("benchmarks", "reports", "earlyrobust", "datasets")
CODE_SUFFIXES = (".py", ".pyc", ".so")
SYSTEM = tuple(dict.fromkeys((sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev", "/usr", "/etc")))

_heard: list[str] | None = None
_is_listening = False


def forbidden_imports(kind: type[Defense]) -> Iterator[tuple[int, str]]:
    """Line and module of every import of a data module in the file that defines the defense."""
    source = inspect.getsourcefile(kind)
    assert source is not None
    for node in ast.walk(ast.parse(Path(source).read_text("utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        for module in modules:
            if module.split(".")[0] in DATA_MODULES:
                yield node.lineno, module


@contextmanager
def outside_reads(kind: type[Defense]) -> Iterator[list[str]]:
    """List, in words, what is opened or connected to while the block runs, except code and the system's own files.

    A defense from a file is loaded again inside the block, so that what it reads while loading is seen too.
    """
    global _heard, _is_listening
    if not _is_listening:
        sys.addaudithook(_listen)  # it cannot be removed again; outside this block it ignores all events
        _is_listening = True
    found: list[str] = []
    _heard = found
    try:
        if source := source_of(kind):
            runpy.run_path(source["path"])
        yield found
    finally:
        _heard = None


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _heard is None:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | Path):
        name = os.fsdecode(arguments[0])
        if name in sys.path:
            return  # a look for packages; of an editable install an entry is no folder, and is tried as an archive
        path = Path(name).absolute()
        if path.suffix not in CODE_SUFFIXES and not str(path).startswith(SYSTEM):
            _heard.append(f"opens {path}")
    elif event == "socket.connect":
        _heard.append(f"connects to {arguments[1]}")
