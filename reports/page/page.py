"""The page: numbers, verdicts, figures and attacked texts of a folder in one file that needs no network.

Titles, texts and tracebacks are untrusted. The template escapes them, the script inserts them as text only, characters
that are invisible or reverse the line are written as their code, and the page's policy allows only its own script.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from benchmarks.data.tasks import TASKS
from benchmarks.results.seals import seal
from benchmarks.results.store import write_atomically
from reports.attack_report import AGREEMENT_NOTE
from reports.card import caption, card_table, parts_table, summary
from reports.guards import ANSWER_COST
from reports.overview import Overview
from reports.page.drawings import drawings
from reports.page.results import records_of, results_table, rows_of
from reports.page.texts import browsed_texts
from reports.table1 import machine_words, troubles
from reports.tables import BLANK, Number, Table

NAME = "index.html"
EXAMPLES = 200
# Columns shown when the page opens; a button shows the others
FIRST_COLUMNS = (
    "task",
    "method",
    "attack",
    "clean_percent",
    "aua_percent",
    "aua_worst_percent",
    "queries",
    "training_seconds",
    "measured_fine_tuning_costs",
    "parameters_kept_percent",
    "runs",
    "state",
)
CLOCKS = {"cuda": "CUDA events", "host": "the host's clock (no CUDA device)"}
COMMIT = "commit"
KEPT_CONTROLS = "\n\t"


def visible(text: str) -> str:
    """The text with every invisible character, and every one that changes the line's direction, written as its code."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in KEPT_CONTROLS else f"⟨U+{ord(each):04X}⟩" for each in text)


def harmless(value: Any) -> Any:
    """The value with `visible` applied to all its texts and names."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(name)): harmless(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(each) for each in value]
    return value


def write_page(found: Overview, folder: Path, examples: int = EXAMPLES) -> Path:
    """Write the page of a folder's results into it, completely or not at all, and return its path.

    Args:
        examples: maximum number of texts shown per attacked run; 0 for none.
    """
    path = folder / NAME
    write_atomically(path, to_html(found, examples))
    seal(folder, [path])
    return path


def to_html(found: Overview, examples: int = EXAMPLES) -> str:
    """The page as text; the same results give the same bytes."""
    rows = rows_of(found)
    table = results_table(rows, found)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    style, script = _part("page.css"), _part("page.js")
    data = {
        "names": list(dict.fromkeys(row.method for row in rows)),
        "rows": [
            {"task": row.title, "method": row.method, "attack": row.attack, "key": row.task}
            | {"runs": [run.as_json() for run in row.runs]}
            for row in rows
        ],
        "records": records_of(rows),
        "drawings": [drawing.as_json() for drawing in drawings(found, rows, table)],
        "examples": browsed_texts(rows, examples),
    }
    content = {
        "table": _table(table, (*FIRST_COLUMNS, ANSWER_COST.key)),
        "claims": _claims(found),
        "caption": caption(found.card),
        "not_judged": () if found.card.judges else summary(found.card),
        "blank": BLANK,
        "departures": {title: list(words) for title, words in found.card.departures.items()},
        "gaps": _table(found.gaps),
        "bounds": [_table(each) for each in found.attacks.bounds] if found.attacks else [],
        "agreement": [_table(each) for each in found.attacks.agreement] if found.attacks else [],
        "agreement_note": AGREEMENT_NOTE,
        "grounds": _grounds(found),
        "facts": _facts(found),
        "data": data,
    }
    page = environment.from_string(_part("template.html"))
    hashes = {"style_hash": _policy_hash(style), "script_hash": _policy_hash(script)}
    return page.render(harmless(content) | hashes, style=style, script=script)


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _policy_hash(content: str) -> str:
    """The name of an inlined style or script in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _table(table: Table, first: Sequence[str] = ()) -> dict[str, Any]:
    """A table's headings and cells, each with its sort value, and which columns are shown at first."""
    return {
        "title": table.title,
        "caption": table.caption,
        "columns": [
            {
                "heading": column.heading,
                "numeric": column.numeric,
                "more": bool(first) and column.key not in first,
            }
            for column in table.columns
        ],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
    }


def _cell(cell: Number | str) -> dict[str, Any]:
    """A cell's text and its sort value; blanks have none."""
    if isinstance(cell, str):
        return {"text": cell, "order": cell}
    return {"text": str(cell), "order": repr(float(cell.mean)) if math.isfinite(cell.mean) else ""}


def _claims(found: Overview) -> list[dict[str, Any]]:
    """The verdict card, one dictionary per claim, with its measurements."""
    parts = _by_key(parts_table(found.card))
    return [
        claim | {"parts": [part for part in parts if part["claim"] == claim["claim"]]}
        for claim in _by_key(card_table(found.card))
    ]


def _by_key(table: Table) -> list[dict[str, Any]]:
    """Rows of a table of estimates as texts by column key, with the interval in words."""
    rows = [dict(zip((column.key for column in table.columns), map(str, row), strict=True)) for row in table.rows]
    return [row | {"interval": _interval(row["low"], row["high"])} for row in rows]


def _interval(low: str, high: str) -> str:
    return "(no interval)" if low == BLANK else f"[{low}, {high}]"


def _facts(found: Overview) -> list[tuple[str, int]]:
    """Counts for the head of the page."""
    records = found.trainings.values()
    return [
        ("task", len({result.record.task for result in found.results} | {record.task for record in records})),
        ("training", len(records)),
        ("attack", len(found.results)),
        ("attacked text", sum(len(result.outcomes) for result in found.results)),
    ]


def _grounds(found: Overview) -> list[tuple[str, list[str]]]:
    """The provenance of the numbers: machines, clocks, versions, attack profiles, dates, and problems."""
    trained = list(found.trainings.values())
    records = [*trained, *(result.record for result in found.results)]
    started = sorted(record.started_at for record in records)
    versions = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in record.versions.items() if name != COMMIT)
        for record in records
    )
    commits = dict.fromkeys(record.versions[COMMIT] for record in records if COMMIT in record.versions)
    known = [record for record in trained if record.task in TASKS]
    grounds = [
        ("Machine", dict.fromkeys(machine_words(record.machine) for record in records)),
        ("Clock", dict.fromkeys(CLOCKS[record.clock] for record in trained)),
        ("Attacks", dict.fromkeys(result.record.profile for result in found.results)),
        ("Measured", [f"{started[0]} to {started[-1]}"]),
        ("Versions", versions),
        ("Code", commits),
        ("Noted", troubles(known, found.results)),
    ]
    return [(name, list(lines)) for name, lines in grounds if lines]
