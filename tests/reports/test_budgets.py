"""Curves over the query budget as they are drawn."""

from __future__ import annotations

import pytest

from reports.attack_report import Curve
from reports.budgets import draw_budgets

pytest.importorskip("matplotlib")


def test_each_task_has_a_row_each_attack_a_panel_and_each_method_its_steps() -> None:
    names = (
        ("SST-2", "PGD", "TextFooler"),
        ("SST-2", "FreeLB", "TextFooler"),
        ("SST-2", "PGD", "TextBugger"),
        ("IMDB", "PGD", "TextFooler"),
    )
    curves = [Curve(*name, [0, 5, 9], [80.0, 40.0, float(level)]) for level, name in enumerate(names)]
    figure = draw_budgets(curves)
    shown = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert set(shown) == {"SST-2, TextFooler", "SST-2, TextBugger", "IMDB, TextFooler"}
    lines = {line.get_label(): line for line in shown["SST-2, TextFooler"].lines}
    assert set(lines) == {"PGD", "FreeLB"}
    assert lines["FreeLB"].get_xydata().tolist() == [[0, 80], [5, 40], [9, 1]]
    assert lines["PGD"].get_drawstyle() == "steps-post"
    assert lines["PGD"].get_color() != lines["FreeLB"].get_color()
    assert lines["PGD"].get_linestyle() != lines["FreeLB"].get_linestyle(), "told apart in grey too"
