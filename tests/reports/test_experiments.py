"""The report on an experiment is its kind's."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from stored_experiments import report

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.experiment import Kind
from benchmarks.results.store import Store
from reports.experiments import KINDS, kind_of


def test_trainings_are_shared(store_options) -> None:
    """Fine-tune, EarlyRobust, one more γ and the long search; figure 5 and γ = 0.1 are EarlyRobust itself."""
    assert len(list(Store(store_options.out).trainings())) == 4


def test_nothing_stored_is_an_incomplete_table_without_figures(store_options, tmp_path) -> None:
    for key in ("table1", "figure5"):
        found = report(replace(store_options, out=tmp_path / "empty"), key)
        assert found.table.incomplete and found.figures() == {}


def test_every_kind_an_experiment_may_name_is_a_class() -> None:
    assert set(KINDS) == set(get_args(Kind)) == {experiment.kind for experiment in EXPERIMENTS.values()}
    for experiment in EXPERIMENTS.values():
        assert kind_of(experiment).experiment is experiment
