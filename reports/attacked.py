"""The result of one attack on one classifier, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.jobs.attack_texts import Attacked
from benchmarks.results.metrics import asr_percent, aua_percent, clean_percent, mean_queries, reason, starved_among
from reports.stages import Staged, stage_table, stages_of
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


def attack_table(attacks: Sequence[Attacked]) -> Table:
    """A row for each attack on the same texts: its percentages over all of them.

    Args:
        attacks: attacks that differ only in the victim's temperature.
    """
    first = attacks[0].record
    longest = first.identity["max_length"]
    cut = "" if longest is None else f", each cut to {longest} tokens at most"
    caption = [
        f"All texts are attacked{cut}. Engine {first.engine}.",
        f"{first.profile.rstrip('.')}.",
        *dict.fromkeys(note for each in attacks for note in each.notes),
    ]
    rows, incomplete, is_tempered = [], False, False
    for each in attacks:
        found, temperature = each.outcomes, each.record.identity["temperature"]
        broken = [outcome for outcome in found if outcome.status == "error"]
        incomplete, is_tempered = incomplete or bool(broken), is_tempered or temperature != 1
        rows.append(
            (
                each.record.defense,
                each.record.recipe_title,
                Number(clean_percent(found)),
                Number(aua_percent(found)),
                Number(asr_percent(found)),
                Number(mean_queries(found)),
                Number(len(found), digits=0),
                Number(len(broken), digits=0),
                Number(temperature, digits=2),
            )
        )
        caption += [f"{outcome.example_id}: {reason(outcome)}" for outcome in broken[:5]]
        if (starved := starved_among(found)) is not None:
            caption.append(f"{starved[0].upper()}{starved[1:]}.")
    if is_tempered:
        caption.append("Temperature: what the victim's logits were divided by; its classes stay the same.")
    return Table("Accuracy under attack", COLUMNS, tuple(rows), tuple(caption), incomplete=incomplete)


def attacked_stages(attacks: Sequence[Attacked]) -> Table:
    """Aua % after each stage of cascades; without rows if there is none."""
    records = [(each.record, each.outcomes) for each in attacks]
    return stage_table(Staged(one.task, one.defense, stages_of(one.identity), [found]) for one, found in records)
