"""Tables of results in a document, between markers: no number is typed, and changes by hand are detected.

A block is `<!-- earlyrobust NAME -->` to `<!-- end of NAME -->`, with a table of a folder of results between them. The
first marker, once filled, holds the SHA-256 of what stands in the block.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from baselines.validation import UserError
from benchmarks.data.files import text_of
from benchmarks.data.plain_files import is_plain_file, read_text, write_atomically
from benchmarks.results.store import Store
from reports.derivation import derive, parse

BLOCK = re.compile(
    r"^<!-- earlyrobust (?P<name>[\w-]+)(?: (?P<sha>\w+))? -->\n(?P<text>.*?)^<!-- end of (?P=name) -->",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A table in a document.

    Attributes:
        name: the table's file name in the folder of results, without its suffix.
        sha256: of the text as it was written, or None where no table was written yet.
        text: the text between the markers.
    """

    name: str
    sha256: str | None
    text: str

    @property
    def is_as_written(self) -> bool:
        """Whether the text is unchanged since the command wrote it; an empty block counts as changed."""
        return self.sha256 == _digest(self.text) if self.text else self.sha256 is None


def blocks(document: str) -> Iterator[Block]:
    """The blocks of a document, in order."""
    for found in BLOCK.finditer(document):
        yield Block(found["name"], found["sha"], found["text"])


def write_into(document: Path, folder: Path) -> list[str]:
    """Fill every block of a document with its table, derived from the records of a folder, and return their names.

    Raises:
        UserError: for a document without a block, a table missing from the folder, or one that cannot be derived from
            its records.
    """
    text = text_of(document) if document.is_file() else ""
    names = [block.name for block in blocks(text)]
    if not names:
        raise UserError(
            f"{document} has no block to write into; put the lines <!-- earlyrobust table1 --> and "
            "<!-- end of table1 --> where the table is to stand"
        )
    write_atomically(document, filled(text, {name: _markdown(folder, name) for name in names}))
    return names


def filled(document: str, contents: Mapping[str, str]) -> str:
    """The document with these texts in the blocks of these names; other blocks are not changed."""

    def written(found: re.Match[str]) -> str:
        name = found["name"]
        return _block(name, contents[name]) if name in contents else found[0]

    return BLOCK.sub(written, document)


def _block(name: str, table: str) -> str:
    return f"<!-- earlyrobust {name} {_digest(table)} -->\n{table}<!-- end of {name} -->"


def _markdown(folder: Path, name: str) -> str:
    """The table with its heading in bold, since the document has headings of its own."""
    path = folder / f"{name}.json"
    content = parse(read_text(path)) if is_plain_file(path) else None
    if content is None or "kind" not in content["sources"]:
        raise UserError(f"there is no table {path} that names its sources; make it with 'reproduce', 'run' or 'report'")
    try:
        table = derive(Store(folder, writable=False), content)["md"]
    except KeyError as missing:
        raise UserError(
            f"{path} cannot be made again: {missing} is missing; run 'earlyrobust verify {folder}'"
        ) from missing
    title, _, body = table.removeprefix("# ").partition("\n")
    return f"\n**{title}**\n{body}\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
