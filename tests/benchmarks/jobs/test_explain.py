"""A run with other settings is told which of them keeps it from the store."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.experiments.experiment import cells
from benchmarks.jobs.explain import stored_otherwise
from benchmarks.jobs.plan import make_plan
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import train


def test_the_nearest_stored_training_is_compared_field_by_field(options) -> None:
    setup = resolve(options)
    planned = cells(setup.preset, ["demo"], ["fine_tune", "freelb"], runs=2)
    assert list(stored_otherwise(setup, make_plan(setup, planned))) == []
    train(setup, planned[0])
    other = resolve(replace(options, batch_size=8))
    changed = cells(other.preset, ["demo"], ["fine_tune"], runs=1, settings={"epochs": "1"})
    assert list(stored_otherwise(setup, make_plan(setup, planned))) == [], "only another identity is worth a line"
    (line,) = stored_otherwise(other, make_plan(other, changed))
    assert line.startswith("demo Fine-tune is stored otherwise: ")
    assert "batch_size was 16, is 8" in line and "settings.epochs was 2.0, is 1.0" in line
