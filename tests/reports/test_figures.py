"""Drawings: what is on the axes, the same bytes twice, every format, and the sentence where matplotlib is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports import figures
from reports.figures import (
    COLOURS,
    Map,
    Panel,
    Series,
    draw_layers,
    draw_maps,
    draw_panels,
    missing_library,
    write_figure,
)

matplotlib = pytest.importorskip("matplotlib")

CURVE = Series("Clean", [1, 2, 3], [90.0, 85.0, 80.0], [1.0, 2.0, math.nan])
OTHER = Series("Aua", [1, 2, 3], [10.0, 20.0, 15.0], [math.nan] * 3)


def panel(*series: Series, **changes) -> Panel:
    return Panel(**({"title": "SST-2", "x_label": "γ", "y_label": "%", "series": series} | changes))


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_points_and_bands_are_the_series() -> None:
    (axes,) = draw_panels("t", [[panel(CURVE, OTHER)]]).axes
    assert lines(axes)["Clean"].tolist() == [[1, 90], [2, 85], [3, 80]]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (83, 91), "a point without a spread has no band"
    assert [line.get_color() for line in axes.get_lines()] == list(COLOURS[:2])
    assert len({line.get_marker() for line in axes.get_lines()}) == 2, "told apart in grey"


def test_no_two_of_fifteen_methods_look_the_same() -> None:
    (axes,) = draw_panels("t", [[panel(*(Series(f"method {n}", [n], [n]) for n in range(15)))]]).axes
    assert len({(line.get_color(), line.get_marker()) for line in axes.get_lines()}) == 15


def test_a_name_looks_the_same_in_every_panel_and_stands_in_the_legend_once() -> None:
    figure = draw_panels("t", [[panel(CURVE), panel(OTHER), panel(OTHER, CURVE)]])
    looks = [{line.get_label(): line.get_color() for line in axes.get_lines()} for axes in figure.axes]
    assert looks[2] == looks[0] | looks[1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Clean", "Aua"]


def test_the_frontier_joins_what_nothing_beats() -> None:
    points = [
        Series(name, [x], [y], joined=False)
        for name, x, y in (("a", 1, 10), ("b", 2, 5), ("c", 3, 30), ("d", 3, 20), ("e", 9, math.nan))
    ]
    (axes,) = draw_panels("t", [[panel(*points, frontier=True)]]).axes
    assert axes.get_lines()[-1].get_xydata().tolist() == [[1, 10], [3, 30]]


def test_the_diagonal_spans_square_axes() -> None:
    (axes,) = draw_panels("t", [[panel(Series("a", [2], [8], joined=False), logarithmic="xy", diagonal=True)]]).axes
    assert axes.get_xlim() == axes.get_ylim()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_rows_of_unlike_lengths_leave_empty_places() -> None:
    figure = draw_panels("t", [[panel(CURVE), panel(CURVE)], [panel(CURVE)]])
    assert [axes.get_visible() for axes in figure.axes] == [True, True, True, False]


def test_a_map_shows_its_numbers_from_one_with_the_first_below() -> None:
    values = np.array([[0, 0.2], [0.2, 0]])
    figure = draw_maps("t", [[Map("SST-2, heads", "Mini-epoch", values)]])
    (image,) = figure.axes[0].get_images()
    assert np.array_equal(image.get_array(), values)
    assert image.get_extent() == [0.5, 2.5, 0.5, 2.5] and image.origin == "lower"


def test_layers_have_a_bar_for_each_structure() -> None:
    kept = [Series("heads", [1, 2], [75, 50], [1, 2]), Series("neurons", [1, 2], [90, 40], [math.nan] * 2)]
    (axes,) = draw_layers("t", [("SST-2", kept)]).axes
    assert [bar.get_height() for bar in axes.patches] == [75, 50, 90, 40]
    assert axes.get_ylim() == (0, 105)


def test_every_format_is_written_and_twice_the_same(tmp_path) -> None:
    names = ("one", "two")
    for name in names:
        paths = write_figure(draw_panels("t", [[panel(CURVE, OTHER)]]), tmp_path, name)
        assert [path.name for path in paths] == [f"{name}.svg", f"{name}.pdf", f"{name}.png"]
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    for suffix, start in starts.items():
        one, two = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in names)
        assert one == two and one.startswith(start)
    assert "Clean" in (tmp_path / "one.svg").read_text("utf-8"), "labels are text"


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_library() is None
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    assert "pip install 'earlyrobust[report]'" in missing_library()


def test_a_long_title_is_broken_where_the_figure_ends() -> None:
    figure = draw_panels("a long title " * 10, [[panel(CURVE)]])
    assert max(map(len, figure.get_suptitle().splitlines())) <= 11 * figure.get_figwidth()
    assert figure.get_suptitle().split() == ("a long title " * 10).split()
