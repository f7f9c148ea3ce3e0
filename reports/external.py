"""Rows of external victims: our measurements, and blanks for values that only their makers know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.data.tasks import title_of
from benchmarks.jobs.provenance import Provenance
from benchmarks.results.metrics import aua_percent, mean_queries, too_many_broke
from benchmarks.results.records import AttackRecord, EvaluationRecord
from benchmarks.results.store import Store, content_key
from reports.frame import AttackResult, broken_note
from reports.tables import Number


@dataclass(frozen=True)
class ExternalResult:
    """An evaluated victim with the attacks on it, by recipe."""

    record: EvaluationRecord
    attacks: Mapping[str, AttackResult]

    @property
    def broken(self) -> int:
        """Number of texts with an attack error."""
        return sum(outcome.status == "error" for attack in self.attacks.values() for outcome in attack.outcomes)


def external_results(store: Store, origin: Provenance) -> list[ExternalResult]:
    """The external victims that were attacked on the same texts by the same recipes as the run's trained models."""
    attacks = list(store.attacks()) if (evaluations := list(store.evaluations())) else []
    found = []
    for record in sorted(evaluations, key=lambda each: (each.title, each.temperature)):
        task = origin.tasks.get(record.task)
        if task is None or (record.identity["data"], record.identity["max_length"]) != (task.data, task.max_length):
            continue
        met = {
            attack.recipe: AttackResult(attack, store.outcomes(attack.key))
            for attack in attacks
            if attack.training_key == record.key and _is_alike(attack, task.attacks.get(attack.recipe))
        }
        if set(met) == set(task.attacks) and all(result.complete for result in met.values()):
            found.append(ExternalResult(record, met))
    return found


def _is_alike(attack: AttackRecord, identity: Mapping[str, Any] | None) -> bool:
    """Whether an attack has this identity apart from its victim; false for None."""
    return identity is not None and content_key({name: attack.identity.get(name) for name in identity}) == content_key(
        identity
    )


def external_cells(external: ExternalResult, recipes: Sequence[str]) -> list[Number | str]:
    """The cells from the task to the last attack; the columns after these are about training."""
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
    """The origin of each external victim and the effect of its calibration, in sentences."""
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
