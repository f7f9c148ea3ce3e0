"""A made-up folder of results with successes to judge."""

from __future__ import annotations

from pathlib import Path

from made_up import attack, outcome, training

from benchmarks.results.store import Store

STATUSES = ("successful", "successful", "failed", "skipped", "successful")


def successes(folder: Path) -> Path:
    """The folder, with two methods under one attack: three successes of five texts each."""
    store = Store(folder)
    for defense in ("fine_tune", "freelb"):
        record = training(defense, 42)
        store.put_training(record)
        under = attack(record, "textfooler", texts=5)
        store.put_attack(under)
        for row, status in enumerate(STATUSES):
            texts = {"original": (f"=a good film {row}",), "perturbed": (f"a {defense} film {row}",)}
            store.append_outcome(under.key, outcome(row, status, label=1, **texts))
    return folder
