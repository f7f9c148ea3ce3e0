"""The page's figures: the table's numbers at the methods' rows, and nothing where nothing was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_results import MASKS, made_up_overview

from reports.overview import Overview
from reports.page.drawings import Drawing, drawings
from reports.page.results import results_table, rows_of


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Overview:
    return made_up_overview(Path(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def drawn(found: Overview) -> dict[str, Drawing]:
    rows = rows_of(found)
    return {drawing.key: drawing for drawing in drawings(found, rows, results_table(rows, found))}


def test_only_what_was_measured_is_drawn(drawn: dict[str, Drawing]) -> None:
    assert list(drawn) == ["pareto", "budgets", "strictness", "costs", "maps", "layers"]


def test_points_stand_at_the_table_s_numbers_and_know_their_rows(drawn: dict[str, Drawing]) -> None:
    (task, panel), _ = drawn["pareto"].panels
    points = {series.name: (series.x, series.y) for series in panel.series}
    assert (task, panel.title) == ("SST-2", "Textfooler")
    assert points["Fine-tune"] == ([10], [50]) and points["FreeLB"][1] == [75]
    assert drawn["pareto"].rows == [[0, 2], [1, 3]]


def test_a_cost_panel_holds_each_method_once(drawn: dict[str, Drawing]) -> None:
    ((_, panel),) = drawn["costs"].panels
    assert [series.name for series in panel.series] == ["Fine-tune", "FreeLB", "EarlyRobust"]
    assert drawn["costs"].rows == [[0, 2, 5]]


def test_curves_are_the_report_s(found: Overview, drawn: dict[str, Drawing]) -> None:
    series = [series for _, panel in drawn["budgets"].panels for series in panel.series]
    wanted = sorted((curve.method, curve.queries, curve.aua_percent) for curve in found.attacks.curves)
    assert sorted((each.name, each.x, each.y) for each in series) == wanted


def test_masks_and_layers_are_the_search_s(drawn: dict[str, Drawing]) -> None:
    assert [each.values.tolist() for _, each in drawn["maps"].maps] == [MASKS, MASKS]
    assert [list(panel.series[0].y) for _, panel in drawn["layers"].panels] == [[2, 3], [40, 60]]


def test_plain_values_have_no_nan_and_a_list_of_rows_per_panel(drawn: dict[str, Drawing]) -> None:
    content = json.loads(json.dumps([each.as_json() for each in drawn.values()], allow_nan=False))
    assert all(len(panel["rows"]) in (0, len(panel["series"])) for each in content for panel in each["panels"])
    assert content[-1]["panels"][0]["series"][0]["spread"] == [None, None]
