"""A made-up folder of results for the tests of the page: two methods, two attacks, hostile texts, blanks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from made_up import attack, outcome, stage, training

from benchmarks.results.records import Outcome, TrainingRecord
from benchmarks.results.store import Store
from reports.overview import Overview, overview

HOSTILE = (
    "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> \u202egood\u2066 & \x1b[2J bad"
)
STATUSES = {
    ("fine_tune", "textfooler"): ("failed", "successful", "skipped", "failed"),
    ("fine_tune", "textbugger"): ("successful", "successful", "skipped", "failed"),
    ("freelb", "textfooler"): ("failed", "failed", "failed", "successful"),
    ("freelb", "textbugger"): ("failed", "successful", "failed", "successful"),
}
TITLES = {"fine_tune": "Fine-tune", "freelb": "FreeLB"}
SECONDS = {"fine_tune": 10.0, "freelb": 40.0}
MASKS = [[0.0, 0.25, 0.5], [0.25, 0.0, 0.25], [0.5, 0.25, 0.0]]


def searched(**changes) -> TrainingRecord:
    """A training with a search that wrote down its masks; not attacked."""
    trace = {"mask_distances": {"heads": MASKS, "neurons": MASKS}, "kept": {"heads": [2, 3], "neurons": [40, 60]}}
    trace |= {"converged": True, "draw_epoch": 0.2, "stop_epoch": 0.5}
    search = stage(name="search", trace=trace, epochs=0.5, updates=2, losses=[1.0, 0.5])
    return training("early_robust", title="EarlyRobust", stages=[search], **changes)


def texts(statuses: tuple[str, ...]) -> list[Outcome]:
    """An outcome per status; the second text is hostile."""
    found = [
        outcome(
            row,
            status,
            10 * (row + 1),
            label=row % 2,
            original=(f"a good film number {row}",),
            perturbed=(f"a fine film number {row}",) if status != "skipped" else (f"a good film number {row}",),
        )
        for row, status in enumerate(statuses)
    ]
    found[1] = replace(found[1], original=(HOSTILE,), perturbed=(HOSTILE.replace("good", "fine"),))
    return found


def stored(folder: Path, seeds: tuple[int, ...] = (42, 43)) -> Path:
    """The folder, with two attacked methods, one only searched, one diverged, and one attack that is partial."""
    store = Store(folder)
    store.put_training(searched())
    store.put_training(training("pgd", title="PGD", status="diverged", clean_correct="", error=HOSTILE))
    for defense, title in TITLES.items():
        for seed in seeds:
            record = training(defense, seed, SECONDS[defense], title=title)
            store.put_training(record)
            for recipe in ("textfooler", "textbugger"):
                put_attack(store, record, recipe, texts(STATUSES[defense, recipe]))
    late = training("freelb", 44, 44.0, title="FreeLB")
    store.put_training(late)
    put_attack(store, late, "textfooler", texts(STATUSES["freelb", "textfooler"])[:2])
    put_attack(store, late, "pwws", texts(STATUSES["freelb", "textfooler"])[:3])
    return folder


def put_attack(store: Store, record: TrainingRecord, recipe: str, outcomes: list[Outcome]) -> None:
    """Store an attack on four texts with the outcomes given."""
    made = attack(record, recipe)
    store.put_attack(made)
    for each in outcomes:
        store.append_outcome(made.key, each)


def made_up_overview(folder: Path) -> Overview:
    """The overview of that folder."""
    return overview(stored(folder))
