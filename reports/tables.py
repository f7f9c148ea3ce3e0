"""A table as a value, and its formats: screen, Markdown, CSV, LaTeX, JSON, HTML."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text
from tabulate import tabulate

from baselines.validation import printable, require_file_name
from benchmarks.results.seals import seal
from benchmarks.results.store import write_atomically
from reports.output_files import write_output

BLANK = "–"
WIDTH = 100
GAP = 2  # spaces between columns on the screen
LOOK: dict[str, Any] = {"box": SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "collapse_padding": True}
TEXT_WIDTH = 32
LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # at the start of a row LaTeX would read it as an option of the line break before
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "γ": r"$\gamma$",
    "–": r"\textendash{}",
    "…": r"\ldots{}",
}
MARKDOWN_SPECIAL = {
    "\\": r"\\",
    "`": r"\`",
    "*": r"\*",
    "[": r"\[",
    "]": r"\]",
    "|": r"\|",
    "~": r"\~",
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "@": "&#64;",  # prevents a link to a mail address
}


@dataclass(frozen=True)
class Number:
    """A measured quantity in a cell.

    Attributes:
        mean: NaN if nothing was measured; the cell is then blank.
        std: NaN for one run.
        digits: decimals shown.
        suffix: text after the number.
    """

    mean: float
    std: float = math.nan
    digits: int = 1
    suffix: str = ""

    def __str__(self) -> str:
        if not math.isfinite(self.mean):
            return BLANK
        spread = f" ± {self.std:.{self.digits}f}" if math.isfinite(self.std) else ""
        return f"{self.mean:.{self.digits}f}{spread}{self.suffix}"


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        heading: text above it.
        key: name of its values in JSON, with the unit.
        numeric: whether it holds numbers.
        on_screen: whether a terminal shows it; files hold every column.
    """

    heading: str
    key: str
    numeric: bool = True
    on_screen: bool = True


FileColumn = partial(Column, on_screen=False)


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns, with a title and a caption that says how the numbers were measured.

    Attributes:
        rows: one tuple per row, a `Number` or text per column.
        caption: sentences, one per line.
        incomplete: whether a run of the table diverged, failed or is missing.
        sources: its kind, and the keys of its trainings and attacks, so that `reports.derivation` can make it
            again.
        on_screen: other columns and rows that a terminal shows instead; its title and caption are not used.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Number | str, ...], ...]
    caption: tuple[str, ...] = ()
    incomplete: bool = False
    sources: Mapping[str, Any] | None = None
    on_screen: Table | None = None

    def to_markdown(self) -> str:
        """A pipe table under its title, the caption below."""
        cells = [[markdown_text(str(cell)) for cell in row] for row in self.rows]
        headings = [markdown_text(column.heading) for column in self.columns]
        align = ["right" if column.numeric else "left" for column in self.columns]
        body = tabulate(cells, headings, tablefmt="pipe", colalign=align if cells else None, disable_numparse=True)
        caption = "".join(f"\n{_markdown_line(line)}\n" for line in self.caption)
        return f"# {markdown_text(self.title)}\n\n{body}\n{caption}"

    def to_csv(self) -> str:
        """Means and standard deviations in separate columns; text is safe in a spreadsheet."""
        output = io.StringIO()
        writer = csv.writer(output, lineterminator="\n")
        records = self.records()
        keys = self._keys()
        writer.writerow([formula_safe(key) for key in keys])
        for record in records:
            writer.writerow([formula_safe(record[key]) for key in keys])
        return output.getvalue()

    def to_latex(self) -> str:
        """A `table` environment with booktabs rules."""
        align = "".join("r" if column.numeric else "l" for column in self.columns)
        lines = [
            r"\begin{table}",
            r"\centering",
            r"\small",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            " & ".join(_latex(column.heading) for column in self.columns) + r" \\",
            r"\midrule",
            *(" & ".join(_latex(str(cell)) for cell in row) + r" \\" for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{_latex(self.title)}. {_latex(' '.join(self.caption))}}}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """Title, caption, one object per row with units in the key names, and the sources, if known."""
        content = {"title": self.title, "caption": list(self.caption), "rows": self.records()}
        if self.sources is not None:
            content["sources"] = self.sources
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def renderings(self) -> dict[str, str]:
        """The contents of its files, by suffix."""
        return {
            "md": self.to_markdown(),
            "csv": self.to_csv(),
            "tex": self.to_latex(),
            "json": self.to_json(),
            "html": self.to_html(),
        }

    def to_html(self) -> str:
        """One self-contained page."""
        title = html.escape(printable(self.title))
        return HTML_PAGE.format(title=title, table=self.html_table(), caption=self.html_caption())

    def html_table(self) -> str:
        """Only the rows, as a `table` element."""
        head = "".join(f"<th>{html.escape(printable(column.heading))}</th>" for column in self.columns)
        body = "".join(
            "<tr>"
            + "".join(_html_cell(cell, column) for cell, column in zip(row, self.columns, strict=True))
            + "</tr>\n"
            for row in self.rows
        )
        return f"<div><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"

    def html_caption(self) -> str:
        """The caption, one paragraph per line."""
        return "".join(f"<p>{html.escape(printable(line))}</p>\n" for line in self.caption)

    def records(self) -> list[dict[str, Any]]:
        """One dictionary per row; blank numbers are None, a spread has its own key."""
        return [self._record(row) for row in self.rows]

    def _record(self, row: Sequence[Number | str]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for column, cell in zip(self.columns, row, strict=True):
            if not column.numeric:
                record[column.key] = str(cell)
                continue
            number = cell if isinstance(cell, Number) else Number(math.nan)
            record[column.key] = _finite(number.mean)
            record[f"{column.key}_std"] = _finite(number.std)
        return record

    def _keys(self) -> list[str]:
        keys = []
        for column in self.columns:
            keys += [column.key, f"{column.key}_std"] if column.numeric else [column.key]
        return keys

    def by(self, key: str) -> dict[str, list[dict[str, Any]]]:
        """The rows, each a dictionary of cells by column key, grouped by the text in one column."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            cells = dict(zip((column.key for column in self.columns), row, strict=True))
            groups.setdefault(str(cells[key]), []).append(cells)
        return groups

    def without(self, *keys: str) -> Table:
        """The table without some columns."""
        kept = [index for index, column in enumerate(self.columns) if column.key not in keys]
        rows = tuple(tuple(row[index] for index in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[index] for index in kept), rows=rows)

    def print(self, console: Console) -> None:
        """Show the columns for the screen, in at most 100 characters.

        In a narrower terminal they come in blocks; leading text columns are repeated in each.
        """
        width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        shown = self.without(*(column.key for column in self.columns if not column.on_screen))
        if self.on_screen is not None:
            shown = replace(self.on_screen, title=self.title)
        shown._print_blocks(console, width)
        hidden = {column.key for column in self.columns} - {column.key for column in shown.columns}
        more = [f"{len(hidden)} more columns are in the files."] if hidden else []
        for line in (*more, *self.caption):
            console.print(Text(printable(line)), soft_wrap=True)

    def _print_blocks(self, console: Console, width: int) -> None:
        title: Text | None = Text(printable(self.title))
        for block in self._blocks(width):
            shown = RichTable(title=title, title_justify="left", **LOOK)
            title = None
            for column, column_width in self._widths(block, width, self._is_tight(width)).items():
                heading = self.columns[column]
                justify = "right" if heading.numeric else "left"
                shown.add_column(Text(printable(heading.heading)), justify=justify, width=column_width, overflow="fold")
            for row in self.rows:
                shown.add_row(*(Text(printable(str(row[column]))) for column in block))
            Console(file=console.file, width=max(width, 20), force_terminal=console.is_terminal).print(shown)
            console.print()

    def _is_tight(self, width: int) -> bool:
        """Whether the columns fit into one block only if texts are wrapped at every word."""
        needs = {tight: sum(self._width(each, tight) + GAP for each in range(len(self.columns))) for tight in (0, 1)}
        return needs[1] - GAP <= width < needs[0] - GAP

    def _width(self, column: int, tight: bool | int = False) -> int:
        """Characters a column needs: its longest cell or word, at most a line; a longer word is wrapped.

        Args:
            tight: whether texts are wrapped at every word.
        """
        words = self.columns[column].heading.split() or [""]
        cells = [str(row[column]) for row in self.rows]
        longest = max(map(len, cells), default=0)
        if not self.columns[column].numeric:
            longest = 0 if tight else min(longest, TEXT_WIDTH)
            words += [word[:TEXT_WIDTH] for cell in cells for word in cell.split()]
        return max(longest, *map(len, words))

    def _widths(self, block: Sequence[int], width: int, tight: bool) -> dict[int, int]:
        """Characters for each column of a block: what it needs, and a share of the remaining space."""
        widths = {column: self._width(column, tight) for column in block}
        spare = width - sum(each + GAP for each in widths.values()) + GAP
        for column in block:
            longest = max(len(self.columns[column].heading), *(len(str(row[column])) for row in self.rows), 0)
            more = max(0, min(spare, longest - widths[column]))
            widths[column] += more
            spare -= more
        return widths

    def _blocks(self, width: int) -> list[list[int]]:
        """Columns in groups of at most `width`, each starting with the text columns before the first number."""
        numeric = [index for index, column in enumerate(self.columns) if column.numeric]
        if not numeric or self._is_tight(width):
            return [list(range(len(self.columns)))]
        lead = list(range(numeric[0]))
        room = width - sum(self._width(index) + GAP for index in lead) + GAP
        blocks: list[list[int]] = []
        left = 0
        for index in range(numeric[0], len(self.columns)):
            need = self._width(index) + GAP
            if not blocks or need > left:
                blocks.append([*lead])
                left = room
            blocks[-1].append(index)
            left -= need
        return blocks


HTML_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }}
th {{ text-align: left; vertical-align: bottom; }}
td.n {{ text-align: right; white-space: nowrap; }}
p {{ max-width: 60rem; }}
</style>
<h1>{title}</h1>
{table}{caption}</html>
"""


def _html_cell(cell: Number | str, column: Column) -> str:
    css = ' class="n"' if column.numeric else ""
    return f"<td{css}>{html.escape(printable(str(cell)))}</td>"


def markdown_text(text: str) -> str:
    """Escape text of unknown origin for Markdown: nothing in it becomes a link, an image, a tag, code or emphasis."""
    escaped = "".join(MARKDOWN_SPECIAL.get(character, character) for character in printable(text))
    escaped = re.sub(r"(?<!\w)_|_(?!\w)", r"\_", escaped)
    return re.sub(r"\bwww\.", r"www\.", escaped, flags=re.IGNORECASE).replace("://", r":\//")


def _markdown_line(text: str) -> str:
    """The text as a separate line, escaped so that it starts no heading or list."""
    return re.sub(r"^(\s*)([#+=-])", r"\1\\\2", markdown_text(text))


def _latex(text: str) -> str:
    escaped = "".join(LATEX_SPECIAL.get(character, character) for character in printable(text))
    return escaped.replace("--", "-{}-")  # two hyphens of an option, not a dash


def formula_safe(value: Any) -> Any:
    """Put a quote before text that a spreadsheet would run as a formula."""
    if isinstance(value, str):
        value = printable(value)
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return "" if value is None else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_table(table: Table, folder: Path, name: str) -> list[Path]:
    """Write the table as Markdown, CSV, LaTeX, JSON and HTML, each completely or not at all, and return the paths.

    Their hashes are stored beside them, for `verify`.
    """
    require_file_name(name, "the table's name")
    paths = []
    for suffix, content in table.renderings().items():
        path = folder / f"{name}.{suffix}"
        write_atomically(path, content)
        paths.append(path)
    seal(folder, paths)
    return paths


def write_json(table: Table, path: Path) -> None:
    """Write the table as JSON to a path given by the user."""
    write_output(path, table.to_json())
