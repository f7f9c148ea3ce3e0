"""What one attack on one classifier came to."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.results.metrics import asr_percent, aua_percent, clean_percent, mean_queries
from benchmarks.results.records import Outcome
from benchmarks.runs.attack_file import FileAttack
from reports.tables import Column, Number, Table

COLUMNS = (
    Column("Model", "model", False),
    Column("Recipe", "recipe", False),
    Column("Clean %", "clean_percent"),
    Column("Aua %", "aua_percent"),
    Column("ASR %", "asr_percent"),
    Column("#Query", "queries"),
    Column("Texts", "texts"),
    Column("Broken", "errors"),
)


def attack_table(attack: FileAttack, outcomes: Sequence[Outcome]) -> Table:
    """One row: the attack's percentages over all its texts."""
    broken = [outcome for outcome in outcomes if outcome.status == "error"]
    row = (
        attack.model_name,
        attack.recipe.title,
        Number(clean_percent(outcomes)),
        Number(aua_percent(outcomes)),
        Number(asr_percent(outcomes)),
        Number(mean_queries(outcomes)),
        Number(len(outcomes), digits=0),
        Number(len(broken), digits=0),
    )
    caption = [
        f"Clean % is on the attacked texts, of at most {attack.victim.max_length} tokens. Engine {attack.engine}.",
        f"{attack.resources.describe()}." if attack.recipe.library is None else attack.recipe.note,
    ]
    if attack.victim.temperature != 1:
        caption.append(f"The victim's logits were divided by {attack.victim.temperature:g}.")
    caption += [f"{each.example_id}: {_reason(each)}" for each in broken[:5]]
    return Table("Accuracy under attack", COLUMNS, (row,), tuple(caption), incomplete=bool(broken))


def _reason(outcome: Outcome) -> str:
    """The last line of a traceback: the sentence that was raised."""
    return (outcome.error or "").strip().splitlines()[-1]
