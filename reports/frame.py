"""Records as data frames: one row per run, one row per attacked run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from baselines.defense import Schedule
from benchmarks.results.metrics import (
    asr_percent,
    aua_percent,
    broken_among,
    clean_percent,
    mean_queries,
    starved_among,
    too_many_broke,
)
from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord


@dataclass(frozen=True)
class AttackResult:
    """An attack's record with its outcomes."""

    record: AttackRecord
    outcomes: Sequence[Outcome]

    @property
    def complete(self) -> bool:
        """Whether every planned text has exactly one outcome."""
        return sorted(outcome.example_id for outcome in self.outcomes) == sorted(self.record.example_ids)

    @property
    def sound(self) -> bool:
        """Whether it can be used: it is complete and not too many of its texts have errors."""
        return self.complete and not too_many_broke(self.outcomes)

    def in_order(self) -> list[Outcome]:
        """The outcomes of a complete attack, in the order in which the texts were drawn."""
        found = {outcome.example_id: outcome for outcome in self.outcomes}
        return [found[example] for example in self.record.example_ids]


def broken_note(results: Iterable[AttackResult]) -> str | None:
    """Sentences about single texts with attack errors and their reasons; None if there are none."""
    broken = broken_among([outcome for result in results for outcome in result.outcomes])
    if broken is None:
        return None
    return f"{broken}. They count as neither withstood nor queried; the same command attacks them again."


def starved_notes(results: Iterable[AttackResult]) -> list[str]:
    """A sentence for each method and attack, if on more than 10 % of the texts the search was starved."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for result in results:
        record = result.record
        groups.setdefault((record.recipe_title, record.defense, record.task), []).extend(result.outcomes)
    notes = {group: starved_among(outcomes) for group, outcomes in groups.items()}
    return [f"{title} on {defense} ({task}): {note}." for (title, defense, task), note in notes.items() if note]


def keys_of(trainings: Iterable[TrainingRecord], results: Iterable[AttackResult]) -> dict[str, list[str]]:
    """The keys of some trainings and attacks, for a table's sources."""
    return {
        "trainings": [record.key for record in trainings],
        "attacks": [result.record.key for result in results],
    }


def schedule_of(record: TrainingRecord) -> dict[str, Any]:
    """Epochs, rate, decay, warm-up and clipping of a training's fine-tuning, as its settings name them."""
    settings = record.identity.get("settings", {})
    return {each.name: settings.get(each.name) for each in fields(Schedule)}


def unlike_schedules(first: TrainingRecord, second: TrainingRecord) -> str:
    """How the schedules of two trainings differ, in a few words; empty if they do not."""
    one, other = schedule_of(first), schedule_of(second)
    unlike = [f"{name} is {one[name]!r} and {other[name]!r}" for name in one if one[name] != other[name]]
    return "; ".join(unlike)


def conditions(record: TrainingRecord) -> dict[str, Any]:
    """The conditions that two runs must share for a comparison of their times."""
    identity = record.identity
    shared = {
        name: identity.get(name) for name in ("data", "backbone", "batch_size", "max_length", "precision", "device")
    }
    shared["capture"] = bool(identity.get("capture"))
    machine = {name: record.machine.get(name) for name in ("processor", "gpus", "threads")}
    versions = {"clock": record.clock, "torch": record.versions.get("torch")}
    return versions | shared | schedule_of(record) | machine


def counted_seconds(records: Iterable[TrainingRecord]) -> dict[int, float]:
    """Training seconds by seed, without diverged runs and runs with a time that does not count."""
    return {
        record.seed: record.seconds["gpu"] for record in records if record.status == "finished" and not record.invalid
    }


def training_frame(records: Iterable[TrainingRecord]) -> pd.DataFrame:
    """One row per run: task, defense, title, seed, status, clean_percent, seconds, wall_seconds, kept_percent."""
    rows = [
        {
            "task": record.task,
            "defense": record.defense,
            "title": record.title,
            "seed": record.seed,
            "status": record.status,
            "clean_percent": _share(record.clean_correct),
            "seconds": record.seconds["gpu"] if record.status == "finished" and not record.invalid else math.nan,
            "wall_seconds": record.seconds["wall"],
            "kept_percent": math.nan
            if record.status == "failed"
            else 100 * record.parameters_kept / record.parameters_before,
        }
        for record in records
    ]
    columns = ["task", "defense", "title", "seed", "status", "clean_percent", "seconds", "wall_seconds", "kept_percent"]
    return pd.DataFrame(rows, columns=columns)


def _share(bits: str) -> float:
    return 100 * bits.count("1") / len(bits) if bits else math.nan


def attack_frame(results: Iterable[AttackResult]) -> pd.DataFrame:
    """One row per complete attack: task, defense, seed, recipe and its percentages.

    Partial attacks are left out, and those with too many errors.
    """
    rows = [
        {
            "task": result.record.task,
            "defense": result.record.defense,
            "seed": result.record.seed,
            "recipe": result.record.recipe,
            "subset_clean_percent": clean_percent(result.outcomes),
            "aua_percent": aua_percent(result.outcomes),
            "asr_percent": asr_percent(result.outcomes),
            "queries": mean_queries(result.outcomes),
            "errors": sum(outcome.status == "error" for outcome in result.outcomes),
        }
        for result in results
        if result.sound
    ]
    columns = [
        "task",
        "defense",
        "seed",
        "recipe",
        "subset_clean_percent",
        "aua_percent",
        "asr_percent",
        "queries",
        "errors",
    ]
    return pd.DataFrame(rows, columns=columns)
