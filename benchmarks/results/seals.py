"""SHA-256 of every table in a folder of results, to detect changes by hand. `sha256sum -c` can read it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.data.digests import sha256_of
from benchmarks.data.plain_files import MOST_BYTES, alone_in, is_plain_file, read_bytes, write_atomically

SEALS = "tables.sha256"


def seal(folder: Path, paths: Sequence[Path]) -> None:
    """Store the hashes of files of a folder, replacing earlier ones."""
    with alone_in(folder):  # another command may be adding its own
        known = _read(folder) | {path.name: sha256_of(path) for path in paths}
        write_atomically(folder / SEALS, "".join(f"{known[name]}  {name}\n" for name in sorted(known)))


def broken_seals(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and complaint of each file that was changed since it was written; removed files are ignored."""
    for name, expected in _read(folder).items():
        path = folder / name
        if not os.path.lexists(path):
            continue
        if not is_plain_file(path, MOST_BYTES):
            yield name, "it is no regular file, or too large for a table; repeat the command that made it"
        elif sha256_of(path) != expected:
            yield name, "the table was changed after it was written; repeat the command that made it"


def _read(folder: Path) -> dict[str, str]:
    """Hash by file name; lines in another format are left out."""
    path = folder / SEALS
    lines = read_bytes(path).decode("utf-8", "replace").splitlines() if is_plain_file(path, MOST_BYTES) else []
    pairs = [line.split("  ", 1) for line in lines]
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2 and Path(pair[1]).name == pair[1]}
