"""The texts of the page: originals once, edits that give the adversarial text, the first of each run as drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_results import made_up_overview

from reports.page.results import Row, rows_of
from reports.page.texts import ERROR_CHARACTERS, browsed_texts
from reports.word_differences import CONTROL


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return rows_of(made_up_overview(Path(tmp_path_factory.mktemp("results"))))


def adversarial(words: list[str], edits: list) -> str:
    for start, end, instead in reversed(edits):
        words = [*words[:start], instead, *words[end:]]
    return "".join(words)


def test_every_outcome_is_there_and_gives_its_texts_back(rows: list[Row]) -> None:
    found = browsed_texts(rows, most=99)
    assert len(found["texts"]) == 4, "four originals, however many runs met them"
    runs = [run for row in rows for run in row.runs if run.attack]
    assert len(found["attacked"]) == len(runs) == 10
    for shown, run in zip(found["attacked"], runs, strict=True):
        assert shown["seed"] == run.seed and shown["total"] == len(run.attack.outcomes)
        for facts, outcome in zip(shown["shown"], run.attack.outcomes, strict=True):
            place, status, queries, changed, words, similarity, edits = facts
            assert (status, queries, changed, words) == (
                outcome.status,
                outcome.queries,
                outcome.words_changed,
                outcome.words,
            )
            _, label, (original,) = found["texts"][place]
            assert label == ("negative", "positive")[outcome.label] and similarity == outcome.similarity
            plain = " ".join(CONTROL.sub(" ", outcome.perturbed[0]).split())
            assert adversarial(original, edits[0]) == plain


def test_the_first_of_each_run_are_kept_and_the_rest_counted(rows: list[Row]) -> None:
    found = browsed_texts(rows, most=1)
    assert {len(run["shown"]) for run in found["attacked"]} == {1} and found["attacked"][0]["total"] == 4
    assert browsed_texts(rows, most=0)["texts"] == []


def test_a_broken_attack_shows_the_end_of_its_traceback(rows: list[Row]) -> None:
    from dataclasses import replace

    run = rows[0].runs[0]
    error = "x" * ERROR_CHARACTERS + "ValueError: last"
    outcomes = [replace(each, status="error", error=error) for each in run.attack.outcomes]
    broken = replace(rows[0], runs=(replace(run, attack=replace(run.attack, outcomes=outcomes)),))
    facts = browsed_texts([broken], most=1)["attacked"][0]["shown"][0]
    assert facts[-1].endswith("ValueError: last") and len(facts[-1]) == ERROR_CHARACTERS
