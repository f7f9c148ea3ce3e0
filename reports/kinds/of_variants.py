"""What reports on variants of one method share: reading the runs, the caption, making the table again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.data.tasks import title_of
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.experiment import Experiment, Variant
from benchmarks.jobs.provenance import Provenance, TaskProvenance
from benchmarks.jobs.resolve import Study
from benchmarks.results.store import Store
from reports.frame import keys_of
from reports.guards import guard_caption
from reports.kinds.kind import Kind
from reports.sources import results_of, trainings_of
from reports.table1 import provenance, troubles
from reports.tables import Table
from reports.variant_runs import VariantRuns, gather, search_trace


@dataclass(frozen=True)
class VariantData:
    """What tables and figures on variants show.

    Attributes:
        runs: the stored records of each variant on each task.
        recipes: titles of the attacks by key.
        sizes: heads and neurons in a layer of the unpruned backbone.
        caption: the conditions of the numbers, in sentences.
    """

    runs: Sequence[VariantRuns]
    recipes: dict[str, str]
    sizes: Mapping[str, int]
    caption: Sequence[str] = ()


class OfVariants(Kind[Study, VariantData]):
    """A report on variants of one method."""

    def gather(self, source: Study) -> VariantData:
        runs, origin = gather(source.store, source.rows), source.provenance
        caption = variant_caption(origin, self.experiment, runs, self.changes(runs))
        return VariantData(runs, origin.recipes, origin.layer_sizes, caption)

    def changes(self, runs: Sequence[VariantRuns]) -> list[str]:
        """A sentence that names the reference of the changes; empty if the table shows no changes."""
        return []

    @abstractmethod
    def rows(self, data: VariantData) -> Table:
        """The table without the keys of its records."""

    def table(self, data: VariantData) -> Table:
        of_runs = [
            {"task": each.task, "variant": each.variant.key, **keys_of(each.trained, each.attacks)}
            for each in data.runs
        ]
        described = {"kind": self.experiment.kind, "experiment": self.experiment.key}
        sizes = {"recipes": data.recipes, "sizes": dict(data.sizes)}
        return replace(self.rows(data), sources={**described, **sizes, "runs": of_runs})

    @classmethod
    def rebuild(cls, store: Store, content: Mapping[str, Any]) -> Table:
        sources = content["sources"]
        experiment = EXPERIMENTS[sources["experiment"]]
        variants = {variant.key: variant for variant in experiment.variants}
        runs = [
            VariantRuns(
                each["task"],
                variants[each["variant"]],
                tuple(trainings_of(store, each)),
                tuple(results_of(store, each)),
            )
            for each in sources["runs"]
        ]
        return cls(experiment).table(VariantData(runs, sources["recipes"], sources["sizes"]))


def only_renames(variant: Variant, recipes: Sequence[str] | dict[str, str]) -> bool:
    """Whether a variant only replaces a recipe that the table has no column for."""
    return bool(variant.recipes) and not variant.settings and not set(variant.recipes) & set(recipes)


def variant_caption(
    origin: Provenance, experiment: Experiment, runs: Sequence[VariantRuns], changes: Sequence[str] = ()
) -> list[str]:
    """How the numbers were measured, in sentences.

    Args:
        changes: the reference of the changes, if the table has changes.
    """
    trained = list({record.key: record for each in runs for record in each.trained}.values())
    lines = [*provenance(origin, trained), *replaced_tasks(origin, experiment), *_left_out(experiment, runs)]
    lines += changes
    if experiment.note:
        lines.append(experiment.note)
    if any(each.variant.settings.get("search_shuffle") is False for each in runs):
        lines.append(f"Stored order: {'; '.join(_sortedness(task) for task in origin.tasks.values())}.")
    if any(only_renames(each.variant, origin.recipes) for each in runs):
        lines.append(
            "What 'BERT-Attack' is was not compared: it takes --recipes bertattack,bertattack_official, and --assets "
            "with the masked language model."
        )
    unsettled = [
        f"{each.variant.label} on {each.task}, seed {record.seed}"
        for each in runs
        for record in each.trained
        if search_trace(record).get("converged") is False
    ]
    if unsettled:
        lines.append(f"Searches whose masks had not settled by their end: {'; '.join(unsettled)}.")
    names: dict[str, str] = {}
    for each in runs:
        for record in each.trained:
            names.setdefault(record.key, each.variant.label)
    results = [result for each in runs for result in each.attacks]
    return [*lines, *guard_caption(trained, results), *troubles(trained, results, names)]


def replaced_tasks(origin: Provenance, experiment: Experiment) -> list[str]:
    """A sentence if the experiment was not run on the paper's tasks."""
    if experiment.tasks is None or set(origin.tasks) <= set(experiment.tasks):
        return []
    wanted = ", ".join(title_of(task) for task in experiment.tasks)
    found = ", ".join(task.title for task in origin.tasks.values())
    return [f"The experiment is about {wanted}; this run of it is on {found}."]


def _left_out(experiment: Experiment, runs: Sequence[VariantRuns]) -> list[str]:
    shown = {each.variant.key for each in runs}
    absent = [variant.key for variant in experiment.variants if variant.key not in shown]
    return [f"Not run here: {', '.join(absent)}; --variants takes them by name."] if absent else []


def _sortedness(task: TaskProvenance) -> str:
    return (
        f"in {task.title} {100 * task.repeated_labels:.0f} % of neighbouring training texts share a label "
        f"({100 / task.classes:.0f} % would in a shuffled set of equal classes)"
    )
