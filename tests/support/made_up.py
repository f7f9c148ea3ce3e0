"""Made-up records for the tests of store and reports."""

from __future__ import annotations

from typing import Any

from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord
from benchmarks.results.store import content_key


def training(defense: str = "fine_tune", seed: int = 42, seconds: float = 10.0, **changes: Any) -> TrainingRecord:
    identity = {"defense": defense, "seed": seed, "settings": changes.pop("settings", {}), "batch_size": 8}
    values: dict[str, Any] = {
        "key": content_key(identity),
        "identity": identity,
        "task": "sst2",
        "defense": defense,
        "title": changes.pop("title", defense.replace("_", " ").title()),
        "seed": seed,
        "status": "finished",
        "stages": [],
        "seconds": {"gpu": seconds, "wall": seconds * 1.1, "h2d": 0.0},
        "clock": "host",
        "parameters_before": 1000,
        "parameters_kept": 800,
        "clean_correct": "1110",
        "weights_sha256": "0" * 64,
        "peak_memory_bytes": None,
        "flags": [],
        "machine": {"processor": "x", "gpus": [], "threads": 2},
        "versions": {"torch": "2"},
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    return TrainingRecord(**(values | changes))


def outcome(number: int, status: str = "failed", queries: int = 10, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "example_id": f"test-{number}",
        "status": status,
        "queries": 0 if status == "skipped" else queries,
        "label": 1,
        "original": ("a good film",),
        "perturbed": ("a fine film",),
        "words": 3,
        "words_changed": 1,
        "similarity": 0.875,
    }
    return Outcome(**(values | changes))


def attack(of: TrainingRecord, recipe: str = "textfooler", texts: int = 4, **changes: Any) -> AttackRecord:
    identity = {"training": of.key, "recipe": recipe}
    values: dict[str, Any] = {
        "key": content_key(identity),
        "identity": identity,
        "training_key": of.key,
        "task": of.task,
        "defense": of.defense,
        "seed": of.seed,
        "recipe": recipe,
        "recipe_title": recipe.title(),
        "profile": "offline profile",
        "example_ids": [f"test-{number}" for number in range(texts)],
        "seconds": 1.0,
        "engine": "textattack",
        "machine": of.machine,
        "versions": of.versions,
        "started_at": of.started_at,
    }
    return AttackRecord(**(values | changes))


def stage(**changes: Any) -> dict[str, Any]:
    """A stage's log as plain values: one epoch of four updates."""
    values: dict[str, Any] = {
        "name": "train",
        "updates": 4,
        "updates_per_epoch": 4,
        "epochs": 1.0,
        "passes": {"forward": 4, "backward_full": 4, "backward_input": 0},
        "losses": [1.0, 0.75, 0.5, 0.25],
        "trace": {},
    }
    return values | changes
