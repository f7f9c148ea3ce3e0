"""Curves with the numbers of the table."""

from __future__ import annotations

import pytest
from stored_experiments import drawn, report

pytest.importorskip("matplotlib")


def test_curves_are_drawn_over_their_hyperparameter_in_order(store_options) -> None:
    found = report(store_options, "figure3")
    assert not found.table.incomplete
    (figure,) = found.figures().values()
    accuracy, epochs = figure.axes
    values = {row[1]: row for row in found.table.rows}
    clean = [row[2].mean for row in (values["γ = 0.1"], values["γ = 0.3"])]
    assert drawn(accuracy)["Clean"] == [[0.1, clean[0]], [0.3, clean[1]]]
    assert "Aua, TextFooler" in drawn(accuracy) and set(drawn(epochs)) == {"drawn", "stopped"}
