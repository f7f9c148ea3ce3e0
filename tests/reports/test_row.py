"""A row holds what its runs measured: written, read and derived again, it is the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_victims import Made

from reports.measured import measure
from reports.row import Row, agree, attacked_texts, row_of, with_badge
from reports.statistics import summarise, two_level


def made_row(**changes: Any) -> Row:
    sizes = {"texts": 40, "clean": 30, "aua": 20, "recipes": ("textfooler", "textbugger")}
    made = Made().add("freelb", **(sizes | changes))
    return row_of(measure(made.trainings, made.results)[0], by="somebody")


def written(row: Row) -> dict[str, Any]:
    return json.loads(json.dumps(row.to_json()))


def test_a_row_is_the_same_after_it_was_written() -> None:
    row = made_row()
    again = Row.from_json(written(row))
    assert again == row and again.measurement == row.measurement and again.name == row.name
    assert all(np.array_equal(again.read_rightly(seed), row.read_rightly(seed)) for seed in (42, 43, 44))
    leading = made_row(clean=1)
    assert Row.from_json(written(leading)).trainings[42].right == "1" + "0" * 39, "no leading or trailing bit is lost"


def test_its_numbers_are_those_of_the_runs_and_are_never_read() -> None:
    row = made_row()
    matrix = np.array([[100.0 * bit for bit in row.read_rightly(seed)] for seed in (42, 43, 44)])
    values = written(row)
    assert values["numbers"]["clean_percent"]["value"] == pytest.approx(two_level(matrix).value)
    seconds = summarise([10 + seed / 100 for seed in (42, 43, 44)])
    assert values["numbers"]["training_seconds"]["high"] == pytest.approx(seconds.high)
    assert values["attacks"][0]["numbers"]["queries"] == {"value": 10.0, "low": 10.0, "high": 10.0, "runs": 3}
    aua = values["attacks"][0]["numbers"]["aua_percent"]
    assert aua["low"] < aua["value"] < aua["high"] and (aua["runs"], aua["texts"]) == (3, 40)
    values["numbers"]["clean_percent"]["value"] = 99.9
    assert Row.from_json(values).to_json()["numbers"] == row.to_json()["numbers"]


def test_its_name_is_that_of_settings_and_conditions() -> None:
    assert made_row().name == made_row(seeds=(42,), aua=3).name
    others = {made_row(**other).name for other in ({"settings": {"steps": 7}}, {"surroundings": {"data": "other"}})}
    assert len({*others, made_row().name}) == 3
    assert made_row().name.startswith("sst2/freelb-")


@pytest.mark.parametrize("changes", [{"task": "../other"}, {"defense": "../../home"}])
def test_a_name_cannot_lead_out_of_the_board(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="the name of a row's task or defense"):
        assert replace(made_row(), **changes).name


def spoil(values: dict[str, Any], what: str) -> None:
    run = values["attacks"][0]["runs"]["42"]
    if what == "bits":
        run["survived"]["bits"] = "f" * 11
    elif what == "texts":
        run["survived"]["texts"] = 39
    elif what == "many texts":
        run["survived"]["texts"] = 10**12
    elif what == "badge":
        values["badge"] = "best"
    else:
        values["trainings"]["42"]["seconds"] = "fast"


@pytest.mark.parametrize("what", ["bits", "texts", "many texts", "badge", "type"])
def test_a_malformed_row_is_refused(what: str) -> None:
    values = written(made_row())
    spoil(values, what)
    with pytest.raises((ValueError, TypeError)):
        Row.from_json(values)


def test_two_measurements_agree_within_the_first_one_s_intervals() -> None:
    row = made_row()
    assert agree(row, made_row(seconds=99.0)) and not agree(row, made_row(aua=38)) and not agree(row, made_row(clean=3))
    made = Made().add("freelb", texts=40, clean=30, aua=20, recipes=("pwws",))
    assert not agree(row, row_of(measure(made.trainings, made.results)[0])), "no attack in common"
    assert attacked_texts(row) == 2 * 3 * 40


def test_a_badge_only_rises() -> None:
    row = with_badge(made_row(), "attacked again")
    assert with_badge(row, "derived again").badge == "attacked again"
    assert row.measurement == made_row().measurement
