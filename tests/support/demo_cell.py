"""One cell of the demo task."""

from __future__ import annotations

from benchmarks.experiments.experiment import Cell, cells
from benchmarks.jobs.resolve import Setup


def cell_of(setup: Setup, defense: str = "fine_tune", **settings: str) -> Cell:
    """The first run of a defense, with some of its settings changed."""
    return cells(setup.preset, ["demo"], [defense], runs=1, settings=settings)[0]
