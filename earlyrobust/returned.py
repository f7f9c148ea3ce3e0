"""What the functions of the public API return."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from benchmarks.jobs.attack_texts import Attacked
    from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord
    from reports.tables import Table


@dataclass(frozen=True)
class Training:
    """One trained model.

    Attributes:
        out: the folder of results with the model.
        record: all measurements and their conditions.
    """

    out: Path
    record: TrainingRecord

    def __repr__(self) -> str:
        what = f"{self.record.defense!r}, task={self.record.task!r}, seed={self.record.seed}, status={self.status!r}"
        return f"Training({what}, clean_percent={self.clean_percent:.1f}, seconds={self.seconds:.1f})"

    @cached_property
    def model(self) -> nn.Module:
        """The trained classifier of transformers, in eval mode; `model.tokenizer` is its tokenizer.

        Raises:
            MachineError: if the training did not finish, or the weights were changed after it.
        """
        from earlyrobust.stored import load_model

        return load_model(self.out, self.record)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer, which cuts texts at the training's length."""
        return self.model.tokenizer

    @property
    def status(self) -> str:
        """`finished`, `diverged` (the loss was not finite) or `failed` (out of memory)."""
        return self.record.status

    @property
    def clean_percent(self) -> float:
        """Accuracy on all test texts, in [0, 100]; NaN if the training did not finish."""
        bits = self.record.clean_correct
        return 100 * bits.count("1") / len(bits) if bits else float("nan")

    @property
    def seconds(self) -> float:
        """Seconds of training on the training clock: CUDA events on a GPU, otherwise the host's clock."""
        return float(self.record.seconds["gpu"])


@dataclass(frozen=True)
class Outcomes:
    """The result of an attack: a sequence with an `Outcome` for each text, in order.

    Attributes:
        attacked: the outcomes with the record of the attack.
    """

    attacked: Attacked

    def __len__(self) -> int:
        return len(self.attacked.outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.attacked.outcomes)

    def __getitem__(self, place: int) -> Outcome:
        return self.attacked.outcomes[place]

    def __repr__(self) -> str:
        broken = f", broken={self.broken}" if self.broken else ""
        percents = f"clean_percent={self.clean_percent:.1f}, aua_percent={self.aua_percent:.1f}"
        return f"Outcomes(texts={len(self)}, {percents}, queries={self.queries:.1f}{broken})"

    @property
    def record(self) -> AttackRecord:
        """The record of the attack: the victim, the texts, the settings."""
        return self.attacked.record

    @property
    def clean_percent(self) -> float:
        """Accuracy on these texts before the attack, in [0, 100]."""
        from benchmarks.results.metrics import clean_percent

        return clean_percent(self.attacked.outcomes)

    @property
    def aua_percent(self) -> float:
        """Accuracy under attack, in [0, 100]: share of all texts that are still read correctly."""
        from benchmarks.results.metrics import aua_percent

        return aua_percent(self.attacked.outcomes)

    @property
    def asr_percent(self) -> float:
        """Attack success rate, in [0, 100]: share of successful attacks among texts that were read correctly before."""
        from benchmarks.results.metrics import asr_percent

        return asr_percent(self.attacked.outcomes)

    @property
    def queries(self) -> float:
        """Mean number of queries per attacked text."""
        from benchmarks.results.metrics import mean_queries

        return mean_queries(self.attacked.outcomes)

    @property
    def broken(self) -> int:
        """Number of texts with an attack error; `to_pandas()` shows the errors."""
        return sum(outcome.status == "error" for outcome in self.attacked.outcomes)

    def to_pandas(self) -> pd.DataFrame:
        """A row for each text: example_id, status, queries, label, original, perturbed, words, words_changed,
        similarity, error; and where the attack records them characters_changed, gradient_passes, equal_ranking_share,
        idle_step_share. Both columns of a pair stand in one cell, as a tuple.
        """
        import pandas as pd

        frame = pd.DataFrame([outcome.as_json() for outcome in self.attacked.outcomes])
        for name in ("original", "perturbed"):
            frame[name] = [text[0] if len(text) == 1 else text for text in frame[name]]
        return frame

    def table(self) -> Table:
        """The percentages as a table."""
        from reports.attacked import attack_table

        return attack_table([self.attacked])

    def show(self) -> None:
        """Print the percentages."""
        from rich.console import Console

        self.table().print(Console())


@dataclass(frozen=True)
class Report:
    """A table, and the files with it and its figures.

    Attributes:
        table: title, columns, rows, caption.
        files: of the table and its figures.
    """

    table: Table
    files: tuple[Path, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every run finished and no attack broke, so that no cell is blank."""
        return not self.table.incomplete

    def to_pandas(self) -> pd.DataFrame:
        """A row for each row of the table; a mean's standard deviation has a column of its own, ending in `_std`."""
        import pandas as pd

        return pd.DataFrame(self.table.records())

    def show(self) -> None:
        """Print the table's main columns and its caption."""
        from rich.console import Console

        self.table.print(Console())


@dataclass(frozen=True)
class Results:
    """A folder of results as data frames.

    Attributes:
        out: the folder of results.
    """

    out: Path

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """A row for each training: key, task, defense, title, seed, status, clean_percent, seconds, wall_seconds,
        kept_percent. Seconds are blank where they do not count.
        """
        from reports.frame import training_frame

        records = list(self._store.trainings())
        frame = training_frame(records)
        frame.insert(0, "key", [record.key for record in records])
        return frame

    @cached_property
    def attacks(self) -> pd.DataFrame:
        """A row for each finished attack: key, training_key, task, defense, seed, recipe, clean_percent, aua_percent,
        asr_percent, queries, errors. Percentages are of the attacked texts.
        """
        from reports.frame import AttackResult, attack_frame

        found = [AttackResult(record, self._store.outcomes(record.key)) for record in self._store.attacks()]
        sound = [each.record for each in found if each.sound]
        frame = attack_frame(found).rename(columns={"subset_clean_percent": "clean_percent"})
        frame.insert(0, "key", [record.key for record in sound])
        frame.insert(1, "training_key", [record.training_key for record in sound])
        return frame

    @property
    def _store(self) -> Any:
        from benchmarks.jobs.stored_models import open_store

        return open_store(self.out)
