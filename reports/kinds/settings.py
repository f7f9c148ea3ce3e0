"""Table 6: EarlyRobust's hyperparameters by task, as published and as in a preset, with their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.data.tasks import TASKS, find_task
from benchmarks.experiments.catalogue import EXPERIMENTS, PLAIN
from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.options import Options, split_names
from benchmarks.experiments.presets import PRESETS, Preset, find_preset
from benchmarks.jobs.context import choose_device
from benchmarks.results.store import Store
from method.early_robust import EarlyRobust
from reports.kinds.kind import Kind
from reports.listings import flat
from reports.tables import Column, Table

SCRIPT = "run_first_stage.sh of the release, IMDB"
STAND_IN = "not known for this task; IMDB's stands in"
PAPER = "Xi et al. 2022, section 4"
RELEASE = "hard-wired in the release"

# Settings in the paper's order; None if the source is known for IMDB only.
SOURCES: dict[str, str | None] = {
    "search.init_magnitude": None,
    "search.steps": None,
    "search.step_size": None,
    "search.learning_rate": PAPER,
    "learning_rate": PAPER,
    "lambda_heads": None,
    "lambda_neurons": None,
    "head_sparsity": PAPER,
    "neuron_sparsity": PAPER,
    "epochs": PAPER,
    "weight_decay": RELEASE,
    "warmup_ratio": RELEASE,
}


@dataclass(frozen=True)
class SettingsData:
    """What the table of hyperparameters shows.

    Attributes:
        preset, chosen: the preset, and a sentence on how it was chosen.
        options: batch size, length and schedule, if the user gives them.
        tasks: names of the tasks.
    """

    preset: Preset
    chosen: str
    options: Options
    tasks: Sequence[str]


class Settings(Kind[Options, SettingsData]):
    """A row for each hyperparameter; nothing is trained, and no data is read."""

    draws = False

    def gather(self, source: Options) -> SettingsData:
        """Find the preset and the tasks that the options name.

        Raises:
            UserError: for an unknown preset, task or device.
        """
        on_gpu = choose_device(source.device) == "cuda"
        preset, chosen = find_preset(source.preset, has_cuda=on_gpu, has_assets=source.assets is not None)
        return SettingsData(preset, chosen, source, split_names(source.tasks, self.experiment.tasks or ()))

    def table(self, data: SettingsData) -> Table:
        return hyperparameter_table(self.experiment, data.preset, data.options, data.tasks)

    @classmethod
    def rebuild(cls, store: Store, content: Mapping[str, Any]) -> Table:
        """Settings are made of no record."""
        sources = content["sources"]
        asked = {name: sources[name] for name in ("batch_size", "max_length", "schedule") if name in sources}
        options = Options(**asked)
        experiment, preset = EXPERIMENTS[sources["experiment"]], PRESETS[sources["preset"]]
        return hyperparameter_table(experiment, preset, options, sources["tasks"])


def hyperparameter_table(experiment: Experiment, preset: Preset, options: Options, tasks: Sequence[str]) -> Table:
    """One row per task and hyperparameter; nothing is trained and no data is read.

    Args:
        options: batch size, length and schedule, if given.
    """
    preset = preset.with_schedule(options.schedule)
    columns = tuple(
        Column(heading, heading.lower().replace(" ", "_"), False)
        for heading in ("Task", "Hyperparameter", "Published", "This preset", "Source")
    )
    rows = tuple(row for task in tasks for row in _rows(preset, options, task))
    caption = (
        f"Preset {preset.key}. The paper's own table by task is known for IMDB alone, from a script of the release.",
        "The search decays by 0.01 and warms up over 10 % of an epoch. Fine-tuning takes the preset's schedule, the "
        "same for every method; --schedule published takes the release's.",
    )
    asked = {"batch_size": options.batch_size, "max_length": options.max_length, "schedule": options.schedule}
    sources = {"kind": "settings", "experiment": experiment.key, "preset": preset.key, "tasks": list(tasks), **asked}
    return Table(experiment.title, columns, rows, caption, sources=sources)


def _rows(preset: Preset, options: Options, key: str) -> list[tuple[str, ...]]:
    task = find_task(key)
    published = dict(flat(replace(EarlyRobust.for_task(key), **EarlyRobust.published).settings()))
    used = dict(flat(PLAIN.defense_for(preset, key, 0).settings()))
    rows = []
    for name, known in SOURCES.items():
        source = known or (SCRIPT if key == TASKS["imdb"].key else STAND_IN)
        rows.append((task.title, name, _short(published[name]), _short(used[name]), source))
    batch = options.batch_size or preset.batch_size or task.batch_size
    length = options.max_length or preset.max_length or task.max_length
    rows.append((task.title, "batch_size", str(task.batch_size), str(batch), RELEASE))
    rows.append((task.title, "max_length", str(task.max_length), str(length), PAPER))
    return rows


def _short(value: str) -> str:
    return f"{float(value):.4g}"
