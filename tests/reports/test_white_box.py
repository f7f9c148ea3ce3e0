"""The difference between a white and a black box on the same candidates is paired by text and run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import outcome

from reports.attack_groups import AttackGroup
from reports.attack_report import attack_table
from reports.white_box import difference, verdict, white_box_notes

FALLEN = [outcome(n, "successful", gradient_passes=20) for n in range(20)]
STOOD = [outcome(n, "failed", gradient_passes=40) for n in range(20)]


def group(recipe: str, outcomes, method: str = "FreeLB") -> AttackGroup:
    texts = frozenset((each.example_id, each.original) for each in outcomes)
    runs = {42: outcomes}
    return AttackGroup("SST-2", method, recipe.title(), ("no", "yes"), ("sentence",), texts, runs, recipe=recipe)


@pytest.mark.parametrize(
    ("white", "black", "said"),
    [
        (
            STOOD,
            FALLEN,
            "is 100.0 (95 % interval 100.0 to 100.0); the gradient is masked, or the search along it failed.",
        ),
        (FALLEN, STOOD, "is -100.0 (95 % interval -100.0 to -100.0); the search by score starved."),
        (FALLEN, FALLEN[::-1], "is 0.0 (95 % interval 0.0 to 0.0); neither search is behind beyond chance."),
    ],
)
def test_the_search_that_failed_is_named(white, black, said: str) -> None:
    (note,) = white_box_notes([group("gbda_words", white), group("textfooler_same_tokens", black)])
    start = "FreeLB (SST-2): Aua % under Gbda_Words minus that under Textfooler_Same_Tokens"
    assert note.startswith(start) and note.endswith(said)


def test_other_victims_texts_and_recipes_are_not_compared() -> None:
    white = group("gbda_words", STOOD)
    others = [
        group("textfooler_same_tokens", FALLEN, "PGD"),
        group("textfooler_same_tokens", FALLEN[:9]),
        group("textfooler", FALLEN),
    ]
    assert white_box_notes([white, *others]) == []


def test_a_chance_difference_says_so() -> None:
    half = [*FALLEN[:9], *STOOD[9:]]
    other = [*STOOD[:10], *FALLEN[10:]]
    found = difference([half], [other])
    assert found.low < 0 < found.high and verdict(found) == "neither search is behind beyond chance"


def test_gradient_passes_are_a_column_where_there_are_some() -> None:
    (row,) = attack_table([group("gbda_words", [*STOOD[:10], *FALLEN[10:]])], []).records()
    assert row["gradient_passes"] == 30
    asking = [replace(each, gradient_passes=None) for each in STOOD]
    assert "gradient_passes" not in attack_table([group("textfooler", asking)], []).records()[0]
