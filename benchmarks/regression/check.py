"""Check defenses against stored references and report the differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from baselines.defense import Defense
from baselines.validation import UserError
from benchmarks.experiments.options import split_names
from benchmarks.regression.references import (
    FOLDER,
    differences,
    make_reference,
    read_reference,
    time_advice,
    write_reference,
)
from benchmarks.regression.subset import defense_on_subset, observe

NUDGES = (1, 2)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Regression:
    """The differences of one defense; none if everything is as stored.

    Attributes:
        defense: its key.
        differences: one sentence each.
    """

    defense: str
    differences: list[str]


def check(folder: Path | None, defenses: str | None, say: Say) -> list[Regression]:
    """Run the subset for each defense and compare it with the stored reference.

    Args:
        folder: references, one JSON file per defense; by default the suite's own.
        defenses: names or paths of Python files, separated by commas; by default all that have a reference.
    Raises:
        UserError: for a defense without a reference, before anything is trained.
    """
    folder = folder or FOLDER
    planned = [(defense, read_reference(_path(folder, defense))) for defense in _chosen(folder, defenses)]
    found = []
    for defense, reference in planned:
        now = observe(defense)
        found.append(Regression(defense.key, differences(reference, now)))
        same = f"{len(reference.examples)} outcomes and {len(reference.counters)} groups of counters"
        say(f"{defense.key}: {_verdict(found[-1], same)}; {time_advice(reference, now)}")
    return found


def update(folder: Path | None, defenses: str | None, say: Say) -> None:
    """Make new references of the defenses and report what changed in each.

    Raises:
        MachineError: if a reference would depend on rounding.
    """
    folder = folder or FOLDER
    for defense in _chosen(folder, defenses, must_exist=False):
        path = _path(folder, defense)
        exact = observe(defense)
        reference = make_reference(exact, (observe(defense, nudge=seed) for seed in NUDGES))
        if path.exists():
            for line in differences(read_reference(path), exact):
                say(f"{defense.key}: {line}")
        write_reference(path, reference)
        left = f", left out as too close: {', '.join(reference.left_out)}" if reference.left_out else ""
        say(f"{path}: {len(reference.examples)} outcomes{left}")


def _verdict(regression: Regression, same: str) -> str:
    count = len(regression.differences)
    return f"{count} difference{'s' if count > 1 else ''}" if count else f"{same} as stored"


def _path(folder: Path, defense: Defense) -> Path:
    return folder / f"{defense.key}.json"


def _chosen(folder: Path, defenses: str | None, must_exist: bool = True) -> list[Defense]:
    stored = tuple(sorted(path.stem for path in folder.glob("*.json")))
    if defenses is None and not stored:
        raise UserError(f"the folder {folder} holds no references; make some with --defenses NAMES --update")
    chosen = [defense_on_subset(name) for name in split_names(defenses, stored)]
    for defense in chosen:
        if must_exist and defense.key not in stored:
            raise UserError(
                f"the folder {folder} holds no reference for {defense.key!r}; make it with --update, or leave it out; "
                f"known: {', '.join(stored) or 'none'}"
            )
    return chosen
