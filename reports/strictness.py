"""Aua % where a success must be similar to its original, or change few of its words: from stored outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.results.metrics import strict_aua_percent
from reports.attack_groups import AttackGroup
from reports.figures import Panel, Series
from reports.statistics import summarise
from reports.tables import Column, Number, Table

LEAST_SIMILARITIES = (0.8, 0.85, 0.9, 0.95, 0.98)
MOST_CHANGED = (0.4, 0.3, 0.2, 0.1, 0.05)
STEPS = 50
NOTE = (
    "Aua % if a success counts only with at least this similarity to the original, or with at most this share of its "
    "words changed. Mean over runs. The search did not know the bound. A search that knows it goes on after such a "
    "success, so these numbers are the upper ends of Aua %; an attack by a strict recipe gives the lower ones. Blank "
    "where a recipe measures no similarity."
)


def strictness_table(groups: Sequence[AttackGroup]) -> Table:
    """A row per task, method and attack: Aua % under each bound."""
    columns = (
        Column("Task", "task", False),
        Column("Method", "method", False),
        Column("Attack", "attack", False),
        *(Column(f"Similarity ≥ {least:g}", f"aua_percent_similarity_{least:g}") for least in LEAST_SIMILARITIES),
        *(Column(f"Words ≤ {100 * most:g} %", f"aua_percent_words_{100 * most:g}") for most in MOST_CHANGED),
    )
    bounds: list[dict[str, Any]] = [{"least_similarity": least} for least in LEAST_SIMILARITIES]
    bounds += [{"most_changed": most} for most in MOST_CHANGED]
    rows = tuple(
        (group.task, group.method, group.attack, *(Number(_mean(group, **bound)) for bound in bounds))
        for group in groups
    )
    return Table("Aua % if only strict successes count", columns, rows, (NOTE,))


def _mean(group: AttackGroup, **bound: float) -> float:
    return summarise([strict_aua_percent(run, **bound) for run in group.runs.values()]).mean


def strictness_panels(groups: Sequence[AttackGroup]) -> list[tuple[str, Panel]]:
    """Two panels per task and attack, each with its task: Aua % by the bound on similarity and on changed words."""
    shares = [step / STEPS for step in range(STEPS + 1)]
    panels = []
    for task, attack in dict.fromkeys((group.task, group.attack) for group in groups):
        own = [group for group in groups if (group.task, group.attack) == (task, attack)]
        for title, label, bound in (
            ("similarity", "Least similarity of a success", "least_similarity"),
            ("words", "Largest share of changed words", "most_changed"),
        ):
            series = [Series(each.method, shares, [_mean(each, **{bound: share}) for share in shares]) for each in own]
            panels.append((task, Panel(f"{attack}, {title}", label, "Aua, %", series)))
    return panels
