"""Rows of victims from outside: what was measured here, and blanks where only their makers could know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.data.tasks import title_of
from benchmarks.jobs.evaluate import stored_externals
from benchmarks.jobs.resolve import Setup
from benchmarks.results.metrics import aua_percent, mean_queries, too_many_broke
from benchmarks.results.records import EvaluationRecord
from reports.frame import AttackResult, broken_note
from reports.tables import Number


@dataclass(frozen=True)
class ExternalResult:
    """An evaluated victim with the attacks on it, by recipe."""

    record: EvaluationRecord
    attacks: Mapping[str, AttackResult]

    @property
    def broken(self) -> int:
        """Texts whose attack broke."""
        return sum(outcome.status == "error" for attack in self.attacks.values() for outcome in attack.outcomes)


def external_results(setup: Setup) -> list[ExternalResult]:
    """The victims from outside that met the same texts and recipes as the run's trained models."""
    return [
        ExternalResult(
            record, {attack.recipe: AttackResult(attack, setup.store.outcomes(attack.key)) for attack in attacks}
        )
        for record, attacks in stored_externals(setup)
    ]


def external_cells(external: ExternalResult, recipes: Sequence[str]) -> list[Number | str]:
    """Task, title and what was measured, up to the last attack's columns; all that follows is of training."""
    record = external.record
    clean = 100 * record.clean_correct.count("1") / len(record.clean_correct)
    cells: list[Number | str] = [title_of(record.task), record.title, Number(clean)]
    for recipe in recipes:
        attack = external.attacks.get(recipe)
        if attack is None or not attack.complete or too_many_broke(attack.outcomes):
            cells += [Number(math.nan), Number(math.nan)]
        else:
            cells += [Number(aua_percent(attack.outcomes)), Number(mean_queries(attack.outcomes))]
    return cells


def external_caption(externals: Sequence[ExternalResult]) -> list[str]:
    """Where they come from, and what calibration did, in sentences."""
    if not externals:
        return []
    lines = ["External victims were trained elsewhere: cells on training are blank, and each was attacked once."]
    for each in externals:
        for note in each.record.victim.get("notes", ()):
            lines.append(f"{title_of(each.record.task)}, {each.record.title}: {note}")
        broken = broken_note(each.attacks.values())
        if broken is not None:
            lines.append(f"{title_of(each.record.task)}, {each.record.title}: {broken}")
        about = each.record.calibration
        if about is not None:
            lines.append(
                f"{title_of(each.record.task)}, {each.record.title}: logits divided by "
                f"{each.record.temperature:.3f}, fitted to {about['texts']} test texts that are not attacked (loss "
                f"{about['nats_before']:.3f} before, {about['nats_after']:.3f} after). An Aua % that falls by it was "
                f"confidence that starved the search, not robustness."
            )
    return lines
