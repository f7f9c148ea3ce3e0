"""Methods side by side: figures with the numbers of the table."""

from __future__ import annotations

import pytest
from stored_experiments import drawn, report

pytest.importorskip("matplotlib")


def test_methods_get_their_table_and_figures_with_the_table_s_numbers(store_options) -> None:
    found = report(store_options, "table1")
    assert [row[1] for row in found.table.rows] == ["Fine-tune", "EarlyRobust"] and not found.table.incomplete
    figures = found.figures()
    assert set(figures) == {"table1_pareto", "table1_speedup"}
    records = {record["method"]: record for record in found.table.records()}
    (axes,) = figures["table1_pareto"].axes
    own = records["EarlyRobust"]
    assert drawn(axes)["EarlyRobust"] == [[own["training_seconds"], own["textfooler_aua_percent"]]]
    (axes,) = figures["table1_speedup"].axes
    ratios = [1 / own["predicted_fine_tuning_costs"], 1 / own["measured_fine_tuning_costs"]]
    assert drawn(axes)["Fine-tune"] == [pytest.approx(ratios)]


def test_no_speedup_is_drawn_without_early_robust(store_options) -> None:
    assert set(report(store_options, "table1", defenses="fine_tune").figures()) == {"table1_pareto"}


def test_no_panel_is_drawn_for_an_attack_that_is_not_there(store_options) -> None:
    found = report(store_options, "table1", recipes="textfooler,textbugger")
    assert found.table.incomplete
    (axes,) = found.figures()["table1_pareto"].axes
    assert axes.get_title() == "Demo, TextFooler"
