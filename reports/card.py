"""The verdict card: the claims of the paper with our measurements, on the screen and as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from baselines.validation import printable
from benchmarks.data.tasks import TASKS
from reports.claim_rules import Part
from reports.claims import Card, Judgement
from reports.comparability import TRAINING_TEXTS
from reports.statistics import ONE_SIDED, Estimate
from reports.tables import BLANK, Column, Number, Table, write_table

DIGITS = {"points": 1}
COLOURS = {"supported": "green", "not supported": "red", "inconclusive": "yellow", "not measured": "dim"}
ABSENT = Estimate(math.nan, math.nan, math.nan, 0)
MEASURED = (
    Column("Value", "value"),
    Column("Low", "low"),
    Column("High", "high"),
    Column("Unit", "unit", False),
    Column("Runs", "runs"),
    Column("Texts", "texts"),
)


def card_table(card: Card) -> Table:
    """One row per claim, with the part that decides its verdict."""
    columns = (
        Column("Claim", "claim", False),
        Column("Meaning", "meaning", False),
        Column("Section", "section", False),
        Column("Verdict", "verdict", False),
        Column("Decided by", "quantity", False),
        *MEASURED,
        Column("Rule", "rule", False),
        Column("Note", "note", False),
    )
    rows = []
    for each in card.judgements:
        claim, part = each.claim, each.deciding
        head = (claim.key, claim.meaning, claim.section, each.verdict, part.what if part else "")
        rows.append((*head, *_measured(part), claim.rule, _note(each)))
    return Table("Verdicts on the paper's claims", columns, tuple(rows), caption(card))


def parts_table(card: Card) -> Table:
    """One row per measurement for a claim."""
    columns = (
        Column("Claim", "claim", False),
        Column("Quantity", "quantity", False),
        Column("Verdict", "verdict", False),
        *MEASURED,
        Column("Note", "note", False),
    )
    rows = tuple(
        (each.claim.key, part.what, part.verdict or BLANK, *_measured(part), part.note)
        for each in card.judgements
        for part in each.parts
    )
    return Table("What the verdicts rest on", columns, rows, caption(card))


def _measured(part: Part | None) -> tuple[Number | str, ...]:
    """A cell for each column of `MEASURED`, blank if nothing was measured."""
    found = part.estimate if part and part.estimate else ABSENT
    digits = DIGITS.get(part.unit, 2) if part else 1
    measures = (Number(value, digits=digits) for value in (found.value, found.low, found.high))
    counts = (Number(count or math.nan, digits=0) for count in (found.runs, found.texts))
    return (*measures, part.unit if part else "", *counts)


def _note(judgement: Judgement) -> str:
    """For a measured claim, the deciding part's note and what was not measured; otherwise how to measure it."""
    if judgement.verdict == "not measured":
        why = [part.note for part in judgement.parts if part.verdict == "not measured" and part.note]
        how = f"to measure it: earlyrobust reproduce {judgement.claim.measured_by} --preset small, or paper"
        return "; ".join([*dict.fromkeys(why), how])
    missing = [part.what for part in judgement.parts if part.verdict == "not measured"]
    notes = [judgement.deciding.note] if judgement.deciding and judgement.deciding.note else []
    return "; ".join(notes + ([f"not measured: {', '.join(missing)}"] if missing else []))


def caption(card: Card) -> tuple[str, ...]:
    """The basis of the verdicts, in sentences."""
    lines = [f"{title}: {why}." for title, why in card.not_judged.items()]
    for title, found in card.departures.items():
        lines.append(f"NOT COMPARABLE WITH THE PAPER, {title}: {'; '.join(found)}.")
    lines += [
        f"{title}: {count} victims trained on other data, backbone or sizes were left out; give them another folder."
        for title, count in card.left_out.items()
    ]
    claims = len(card.judgements)
    by_chance = 100 * (1 - (1 - ONE_SIDED) ** claims)
    lines.append(
        f"{claims} claims are judged at once. If all were true and just at their bounds, {by_chance:.0f} % of such "
        f"cards would call at least one not supported."
    )
    return (*lines, *NOTES)


NOTES = (
    "Claims are judged on the paper's tasks alone. Intervals of Aua and Clean are 95 % ones by a bootstrap over runs "
    "and texts, paired by both; of times, t intervals of log ratios paired by run. Aua is the mean over the attacks "
    "that both sides met.",
    "A claim is supported where each of its parts is. It is not supported where a part is not, after Holm's correction "
    "over the claim's parts. One run decides nothing. The margins for what the paper calls small, slight or level are "
    "this suite's.",
)


def summary(card: Card) -> tuple[str, ...]:
    """The sentences shown instead of verdicts if nothing relevant was measured."""
    tasks = ", ".join(TASKS[task].title for task in TRAINING_TEXTS)
    return (
        *(f"{title}: {why}." for title, why in card.not_judged.items()),
        f"The paper's claims are about {tasks}. To judge them: earlyrobust reproduce all --preset small, or paper.",
    )


def print_card(card: Card, console: Console) -> None:
    """Show each claim with its verdict, the deciding part and its interval; or a sentence if nothing can be judged."""
    console.print(Text("Verdicts on the paper's claims", "bold"))
    if not card.judges:
        for line in summary(card):
            console.print(Text(printable(line)), soft_wrap=True)
        return
    for each in card.judgements:
        claim, part = each.claim, each.deciding
        line = Text(f"{claim.key:<4}")
        line.append(f"{each.verdict:<15}", COLOURS[each.verdict])
        console.print(line.append(f"{claim.meaning} ({claim.section})"), soft_wrap=True)
        if part is not None and part.estimate is not None:
            value, low, high, unit, runs, texts = map(str, _measured(part))
            interval = "no interval" if math.isnan(part.estimate.low) else f"[{low}, {high}]"
            of_texts = "" if part.estimate.texts is None else f", {texts} texts"
            words = f"{part.what}: {value} {unit} {interval}, {runs} runs{of_texts}"
            console.print(Text(f"    {words}"), soft_wrap=True)
        if _note(each):
            console.print(Text(f"    {_note(each)}"), soft_wrap=True)
    for line in caption(card):
        console.print(Text(line), soft_wrap=True)


def write_card(card: Card, folder: Path, sources: Mapping[str, Any]) -> list[Path]:
    """Write the card as `claims` and its parts as `claims_parts`, each in every format of tables.

    Args:
        sources: keys of the trainings and attacks that were judged.
    """
    tables = {"claims": card_table(card), "claims_parts": parts_table(card)}
    named = {name: replace(table, sources={"kind": name, **sources}) for name, table in tables.items()}
    return [path for name, table in named.items() for path in write_table(table, folder, name)]
