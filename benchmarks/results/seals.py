"""SHA-256 of every table in a folder of results, so that a number changed by hand is found. `sha256sum -c` reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.data.digests import sha256_of
from benchmarks.results.store import write_atomically

SEALS = "tables.sha256"


def seal(folder: Path, paths: Sequence[Path]) -> None:
    """Notes the hashes of files of a folder, in place of those noted for them before."""
    known = _read(folder) | {path.name: sha256_of(path) for path in paths}
    write_atomically(folder / SEALS, "".join(f"{known[name]}  {name}\n" for name in sorted(known)))


def broken_seals(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and complaint of each file that was changed since it was written; one that was removed is missed by none."""
    present = {path.name for path in folder.glob("*") if path.is_file()}
    for name, expected in _read(folder).items():
        path = folder / name
        if name in present and sha256_of(path) != expected:
            yield name, "the table was changed after it was written; the command that made it makes it again"


def _read(folder: Path) -> dict[str, str]:
    """Hash by file name; a line that is none of ours is left out."""
    path = folder / SEALS
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    pairs = [line.split("  ", 1) for line in lines]
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2 and Path(pair[1]).name == pair[1]}
