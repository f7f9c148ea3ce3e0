"""The attacked texts for the page's browser: every original once, and per outcome only what the attack changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.results.records import Outcome
from reports.frame import AttackResult
from reports.page.results import Row
from reports.word_differences import word_edits

ERROR_CHARACTERS = 2_000


def browsed_texts(rows: Sequence[Row], most: int) -> dict[str, Any]:
    """The original texts, and for each attacked run its outcomes, which refer to the texts.

    Returns:
        `texts`: id, gold label and the words of each column; `attacked`: per run the row of the results table, the
        seed, how many texts it has, and up to `most` outcomes in the order drawn, each a list: the text's place,
        status, queries, words changed, words, similarity, edits per column, and for an attack error the end of its
        traceback.
    """
    texts: list[list[Any]] = []
    places: dict[tuple[str, tuple[str, ...], str], int] = {}
    attacked = []
    for number, row in enumerate(rows):
        names = row.known_task.label_names if row.known_task else ()
        for run in row.runs:
            if run.attack is None:
                continue
            outcomes = run.attack.in_order() if run.attack.complete else run.attack.outcomes
            shown = []
            for outcome in outcomes[:most]:
                columns = [word_edits(*pair) for pair in zip(outcome.original, outcome.perturbed, strict=True)]
                label = names[outcome.label] if 0 <= outcome.label < len(names) else f"label {outcome.label}"
                identity = (outcome.example_id, outcome.original, label)
                if identity not in places:
                    places[identity] = len(texts)
                    texts.append([outcome.example_id, label, [words for words, _ in columns]])
                shown.append(_facts(places[identity], outcome, [edits for _, edits in columns]))
            attacked.append({"row": number, "seed": run.seed, "total": len(outcomes), "shown": shown})
    columns = {row.task: list(_column_names(row)) for row in rows if any(run.attack for run in row.runs)}
    return {"texts": texts, "attacked": attacked, "columns": columns}


def _facts(place: int, outcome: Outcome, edits: Sequence[Any]) -> list[Any]:
    similarity = None if outcome.similarity is None else round(outcome.similarity, 3)
    facts = [place, outcome.status, outcome.queries, outcome.words_changed, outcome.words, similarity, edits]
    return facts if outcome.error is None else [*facts, outcome.error[-ERROR_CHARACTERS:]]


def _column_names(row: Row) -> Sequence[str]:
    """Names of the text columns; one column needs none."""
    attack: AttackResult = next(run.attack for run in row.runs if run.attack)
    names = row.known_task.columns if row.known_task else attack.record.identity.get("columns", ("text",))
    return names if len(names) > 1 else ()
