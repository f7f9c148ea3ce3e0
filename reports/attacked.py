"""What one attack on one classifier came to."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.jobs.attack_file import FileAttack
from benchmarks.results.metrics import asr_percent, aua_percent, clean_percent, mean_queries
from benchmarks.results.records import Outcome
from reports.tables import Column, Number, Table

COLUMNS = (
    Column("Model", "model", False),
    Column("Recipe", "recipe", False),
    Column("Clean % of attacked", "subset_clean_percent"),
    Column("Aua %", "aua_percent"),
    Column("ASR %", "asr_percent"),
    Column("#Query", "queries"),
    Column("Texts", "texts"),
    Column("Broken", "errors"),
    Column("Temperature", "temperature"),
)


def attack_table(attacks: Sequence[FileAttack], outcomes: Sequence[Sequence[Outcome]]) -> Table:
    """A row for each attack of one file: its percentages over all its texts.

    Args:
        attacks: the same but for the victim's temperature.
        outcomes: of each attack.
    """
    first = attacks[0]
    caption = [
        f"All texts are attacked, each cut to {first.victim.max_length} tokens at most. Engine {first.engine}.",
        f"{first.resources.describe()}." if first.recipe.library is None else first.recipe.note,
        *first.notes,
    ]
    rows, incomplete = [], False
    for attack, found in zip(attacks, outcomes, strict=True):
        broken = [outcome for outcome in found if outcome.status == "error"]
        incomplete = incomplete or bool(broken)
        rows.append(
            (
                attack.model_name,
                attack.recipe.title,
                Number(clean_percent(found)),
                Number(aua_percent(found)),
                Number(asr_percent(found)),
                Number(mean_queries(found)),
                Number(len(found), digits=0),
                Number(len(broken), digits=0),
                Number(attack.victim.temperature, digits=2),
            )
        )
        caption += [f"{each.example_id}: {_reason(each)}" for each in broken[:5]]
    if any(attack.victim.temperature != 1 for attack in attacks):
        caption.append("Temperature: what the victim's logits were divided by; its classes stay the same.")
    return Table("Accuracy under attack", COLUMNS, tuple(rows), tuple(caption), incomplete=incomplete)


def _reason(outcome: Outcome) -> str:
    """The last line of a traceback: the sentence that was raised."""
    return (outcome.error or "").strip().splitlines()[-1]
