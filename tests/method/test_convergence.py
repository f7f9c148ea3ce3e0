"""The three stopping rules on synthetic masks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from method.convergence import Convergence


@dataclass(frozen=True)
class Point:
    """A mask on a line: its distances to another are how far apart their places are."""

    heads: float
    neurons: float

    def distance(self, other: Point) -> tuple[float, float]:
        return abs(self.heads - other.heads), abs(self.neurons - other.neurons)


def walk(distances: list[float], neurons: list[float] | None = None) -> list[Point]:
    """Masks whose consecutive distances are the given ones."""
    places, other = [0.0], [0.0]
    for distance, neuron in zip(distances, neurons or distances, strict=True):
        places.append(places[-1] + distance)
        other.append(other[-1] + neuron)
    return [Point(*pair) for pair in zip(places, other, strict=True)]


def stop(rule: str, masks: list[Point], **options) -> Convergence:
    gamma, patience = options.pop("gamma", 0.1), options.pop("patience", 5)
    convergence: Convergence = Convergence(rule, gamma, patience, Point.distance, **options)
    for mask in masks:
        if convergence.observe(mask):
            break
    return convergence


def test_five_in_a_row_after_a_jump() -> None:
    """Distances [.2, .05 x 5]: met at the sixth, that is at boundary 7."""
    convergence = stop("consecutive", walk([0.2] + [0.05] * 5))
    assert len(convergence.distances) == 6
    assert convergence.settled_at == convergence.drawn == 7


def test_a_jump_starts_the_count_anew() -> None:
    convergence = stop("consecutive", walk([0.05] * 4 + [0.2] + [0.05] * 5))
    assert len(convergence.distances) == 10


def test_the_earliest_stop_is_boundary_six() -> None:
    assert stop("consecutive", walk([0.0] * 20)).settled_at == 6


def test_heads_alone_do_not_stop_it() -> None:
    assert stop("consecutive", walk([0.01] * 19, [0.2] * 19)).settled_at is None


def test_equality_does_not_count() -> None:
    masks = [Point(0.125 * (number % 2), 0.0) for number in range(20)]
    assert stop("consecutive", masks, gamma=0.125).settled_at is None
    assert stop("consecutive", masks, gamma=0.126).settled_at == 6


def test_a_slow_drift_tells_the_rules_apart() -> None:
    drift = walk([0.05] * 19)
    assert stop("consecutive", drift).settled_at == 6
    assert stop("anchor", drift).settled_at is None
    assert stop("fifo", drift).settled_at is None


def test_anchor_is_found_five_later_and_drawn_there() -> None:
    convergence = stop("anchor", walk([0.2, 0.2] + [0.01] * 10))
    assert (convergence.settled_at, convergence.drawn) == (8, 3)


def test_fifo_compares_the_newest_with_four_older() -> None:
    convergence = stop("fifo", walk([0.2, 0.2] + [0.01] * 10))
    assert (convergence.settled_at, convergence.drawn) == (7, 7)


def test_draw_at_first_takes_the_mask_that_opened_the_run() -> None:
    masks = walk([0.2] + [0.05] * 5)
    assert stop("consecutive", masks, draw_at="first").drawn == 2
    assert stop("anchor", walk([0.01] * 9), draw_at="last").drawn == 6
    assert stop("fifo", walk([0.01] * 9), draw_at="first").drawn == 1


def test_hearing_goes_on_after_it_settled() -> None:
    convergence: Convergence = Convergence("consecutive", 0.1, 5, Point.distance)
    for mask in walk([0.01] * 5 + [0.5] * 3):
        convergence.observe(mask)
    assert convergence.settled_at == 6
    assert len(convergence.masks) == 9


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="gamma must be positive, got 0"):
        Convergence("fifo", 0, 5, Point.distance)


def test_all_distances_are_symmetric_and_hold_the_consecutive_ones() -> None:
    convergence = stop("consecutive", walk([0.2, 0.3, 0.05], [0.5, 0.1, 0.2]))
    found = convergence.all_distances()
    assert found["heads"][0] == pytest.approx([0, 0.2, 0.5, 0.55])
    for index, kind in enumerate(("heads", "neurons")):
        matrix = found[kind]
        assert all(matrix[a][b] == matrix[b][a] for a in range(4) for b in range(4))
        assert [matrix[n][n + 1] for n in range(3)] == [pair[index] for pair in convergence.distances]
