"""Made-up victims with their attacks, for the tests of verdicts, comparisons and published numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from made_up import attack, outcome, training

from benchmarks.experiments.defenses import find_defense
from benchmarks.experiments.settings import with_settings
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store, content_key
from reports.frame import AttackResult

SEEDS = (42, 43, 44)
WEIGHTS = b"weights"
WITH_WEIGHTS = {"weights_sha256": hashlib.sha256(WEIGHTS).hexdigest()}


def bits(right: int, texts: int, seed: int = 42) -> str:
    """As many ones among `texts`; which one is last moves with the seed, so that runs differ by a text."""
    return "".join("1" if place < right + seed % 2 else "0" for place in range(texts))


class Made:
    """Trainings and attacks, as a store would hold them."""

    def __init__(self) -> None:
        self.trainings: dict[str, TrainingRecord] = {}
        self.results: list[AttackResult] = []

    def add(
        self,
        defense: str,
        *,
        task: str = "sst2",
        settings: Mapping[str, Any] | None = None,
        seeds: Sequence[int] = SEEDS,
        aua: int = 100,
        clean: int = 180,
        texts: int = 200,
        met: int | None = None,
        recipes: Sequence[str] = ("textfooler",),
        seconds: float = 10.0,
        surroundings: Mapping[str, Any] | None = None,
        attack_settings: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Made:
        """One defense's runs on a task: `aua` and `clean` of `texts` texts withstand and are read rightly.

        Args:
            met: how many of the texts are attacked; all where None.
            settings: hyperparameters, checked by the defense; `extra` ones are not.
        """
        kind = find_defense(defense)
        values = with_settings(kind.for_task(task), settings or {}).settings() | dict(extra or {})
        for seed in seeds:
            identity = {"task": task, "data": "d" * 64, "defense": defense, "settings": values, "seed": seed}
            identity |= {"batch_size": 32, **(surroundings or {})}
            record = training(
                defense,
                seed,
                seconds + seed / 100,
                **{
                    "key": content_key(identity),
                    "identity": identity,
                    "task": task,
                    "title": kind.title,
                    "clean_correct": bits(clean, texts, seed),
                }
                | changes,
            )
            self.trainings[record.key] = record
            for recipe in recipes:
                statuses = [("failed" if bit == "1" else "successful") for bit in bits(aua, met or texts, seed)]
                attacked = {"training": record.key, "recipe": recipe, **(attack_settings or {})}
                made = attack(record, recipe, met or texts, key=content_key(attacked), identity=attacked)
                self.results.append(
                    AttackResult(made, [outcome(number, status) for number, status in enumerate(statuses)])
                )
        return self

    def store(self, folder: Path, weights: bool = False) -> Path:
        """Write all of it to a folder.

        Args:
            weights: whether the weights are written too, so that trainings made `WITH_WEIGHTS` verify.
        """
        store = Store(folder)
        for record in self.trainings.values() if weights else ():
            store.weights_path(record.key).parent.mkdir(parents=True)
            store.weights_path(record.key).write_bytes(WEIGHTS)
        for record in self.trainings.values():
            store.put_training(record)
        for result in self.results:
            for each in result.outcomes:
                store.append_outcome(result.record.key, each)
            store.put_attack(result.record)
        return folder
