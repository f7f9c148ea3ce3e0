"""Make the report on an experiment."""

from __future__ import annotations

from typing import Any

from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.options import Options
from benchmarks.jobs.resolve import Study
from reports.kinds.curves import Curves
from reports.kinds.distances import Distances
from reports.kinds.kind import Kind, Report
from reports.kinds.layers import Layers
from reports.kinds.methods import Methods
from reports.kinds.settings import Settings
from reports.kinds.variants import Variants

KINDS: dict[str, type[Kind[Any, Any]]] = {
    "methods": Methods,
    "variants": Variants,
    "curves": Curves,
    "distances": Distances,
    "layers": Layers,
    "settings": Settings,
}


def kind_of(experiment: Experiment) -> Kind[Any, Any]:
    """The kind of an experiment's report."""
    return KINDS[experiment.kind](experiment)


def report_on(study: Study) -> Report[Any, Any]:
    """The report on a study from the records stored so far; a missing record makes it incomplete."""
    return report_of(study.experiment, study)


def report_of(experiment: Experiment, source: Study | Options) -> Report[Any, Any]:
    """The report on an experiment, from its study, or from options alone if it trains nothing."""
    kind = kind_of(experiment)
    data = kind.gather(source)
    return Report(kind, data, kind.table(data))
