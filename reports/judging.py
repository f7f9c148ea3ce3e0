"""Human judgement of attacked texts: questions for raters, and what their answers say about successes.

Raters see no method, no attack, and not which text is the original. The key that says so is a file of its own. Nothing
is sent anywhere.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from baselines.validation import UserError, require
from benchmarks.data.files import text_of
from benchmarks.results.records import Outcome
from benchmarks.results.store import write_atomically
from reports.attack_groups import AttackGroup, attack_groups, stored_results
from reports.krippendorff import alpha
from reports.output_files import require_output_folder
from reports.tables import Column, FileColumn, Number, Table, formula_safe

KEY, QUESTIONS = "key.json", "questions.txt"
RATERS = 3
SCALE = ("1", "2", "3", "4")
UNCLEAR = "unclear"
LAYOUT = 1
FIELDS = ("row", "first", "second", "label", "natural", "same_meaning")
INSTRUCTIONS = """Rows with one text:
  label         which class does the text say? One of: {labels}
  natural       1 = not natural at all ... 4 = as a person would write it
Rows with two texts:
  same_meaning  1 = they say different things ... 4 = they say the same

Leave a cell empty if you cannot answer. Do not change the column 'row', and do not ask the other raters.
"""


@dataclass(frozen=True)
class Item:
    """A success that is judged.

    Attributes:
        task, method, attack, seed: its group in the report, and its run.
        outcome: the original and the attacked text.
    """

    task: str
    method: str
    attack: str
    seed: int
    outcome: Outcome


def write_questions(out: Path, folder: Path, count: int, task: str | None, seed: int) -> list[Path]:
    """Draw successes from a folder of results and write questions for three raters; return the files.

    The successes are spread over methods and attacks as evenly as there are enough.

    Args:
        count: number of successes to judge.
        task: the task's title in the report; None if there is only one.
        seed: decides which successes are drawn, and the order of the rows.
    Raises:
        UserError: if the folder holds files, no success matches, or there are several tasks.
    """
    require(count >= 1, "--n", "1 or more", count)
    require_output_folder(folder, "--folder")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"--folder {str(folder)!r} is not empty; name a new folder, so that no answer is overwritten")
    groups = _groups(out, task)
    items = _drawn(groups, count, random.Random(f"judge|{seed}"))
    if not items:
        raise UserError(f"no attack in {out} succeeded, so there is nothing to judge")
    labels = _labels(groups)
    key, rows = _rows(items, labels, random.Random(f"sides|{seed}"))
    files = {QUESTIONS: INSTRUCTIONS.format(labels=", ".join((*labels.values(), UNCLEAR)))}
    for rater in range(1, RATERS + 1):
        shuffled = list(rows)
        random.Random(f"rater {rater}|{seed}").shuffle(shuffled)
        files[f"rater_{rater}.csv"] = _csv(shuffled)
    content = {"layout": LAYOUT, "task": groups[0].task, "labels": list(labels.values()), "rows": key}
    files[KEY] = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    for name, text in files.items():
        write_atomically(folder / name, text)
    return [folder / name for name in files]


def _groups(out: Path, task: str | None) -> list[AttackGroup]:
    """The attacks of one task in a folder of results."""
    groups = attack_groups(*stored_results(out))
    tasks = list(dict.fromkeys(group.task for group in groups))
    if not tasks:
        raise UserError(f"no attack in {out} is complete; repeat the command that was interrupted")
    if task is None:
        require(len(tasks) == 1, "--task", f"one of {', '.join(tasks)}", task)
    else:
        require(task in tasks, "--task", f"one of {', '.join(tasks)}", task)
    return [group for group in groups if group.task == (task or tasks[0])]


def _labels(groups: Sequence[AttackGroup]) -> dict[int, str]:
    """The classes as raters write them."""
    if groups[0].label_names:
        return dict(enumerate(groups[0].label_names))
    numbers = sorted({each.label for group in groups for run in group.runs.values() for each in run})
    return {number: str(number) for number in numbers}


def _drawn(groups: Sequence[AttackGroup], count: int, generator: random.Random) -> list[Item]:
    """Up to `count` successes, one from each group in turn."""
    waiting = []
    for group in groups:
        found = [
            Item(group.task, group.method, group.attack, seed, outcome)
            for seed, outcomes in group.runs.items()
            for outcome in outcomes
            if outcome.status == "successful"
        ]
        generator.shuffle(found)
        waiting.append(found)
    items: list[Item] = []
    while len(items) < count and any(waiting):
        items += [found.pop() for found in waiting if found][: count - len(items)]
    return items


def _rows(
    items: Sequence[Item], labels: Mapping[int, str], generator: random.Random
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The key's and the raters' rows: each text once, and each pair of an original and its attacked text."""
    asked: list[tuple[dict[str, Any], str, str]] = []
    shown: set[tuple[str, tuple[str, ...]]] = set()
    for number, item in enumerate(items):
        outcome = item.outcome
        about = {"method": item.method, "attack": item.attack, "seed": item.seed, "example": outcome.example_id}
        about |= {"gold": labels[outcome.label], "item": number}
        before, after = "\n".join(outcome.original), "\n".join(outcome.perturbed)
        if (outcome.example_id, outcome.original) not in shown:
            shown.add((outcome.example_id, outcome.original))
            asked.append((about | {"kind": "original"}, before, ""))
        asked.append((about | {"kind": "attacked"}, after, ""))
        pair = [before, after]
        generator.shuffle(pair)
        asked.append((about | {"kind": "pair"}, *pair))
    generator.shuffle(asked)
    key = {str(number): about for number, (about, _, _) in enumerate(asked, start=1)}
    rows = [{"row": str(n), "first": one, "second": two} for n, (_, one, two) in enumerate(asked, start=1)]
    return key, rows


def _csv(rows: Sequence[Mapping[str, str]]) -> str:
    output = io.StringIO()
    writer = csv.DictWriter(output, FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: formula_safe(value) for name, value in row.items()} for row in rows)
    return output.getvalue()


@dataclass(frozen=True)
class Judged:
    """The answers of all raters.

    Attributes:
        task: the task's title in the report.
        rows: the key: what each row asks about.
        answers: by question (label, natural, same_meaning) and row, the answers of the raters that gave one.
    """

    task: str
    rows: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, Mapping[str, Sequence[str]]]

    def of(self, question: str, kind: str) -> Iterator[tuple[Mapping[str, Any], Sequence[str]]]:
        """The rows of a kind, each with its answers to a question."""
        for row, about in self.rows.items():
            if about["kind"] == kind:
                yield about, self.answers[question].get(row, ())


def read_answers(folder: Path) -> Judged:
    """Read the raters' files `rater_*.csv` and the key in a folder.

    Raises:
        UserError: naming file and row, for an answer that is none of the allowed ones, or files of another layout.
    """
    path = folder / KEY
    try:
        key = json.loads(text_of(path))
        rows, labels, task = key["rows"], key["labels"], key["task"]
        whole = key["layout"] == LAYOUT and all(
            {"kind", "item", "method", "attack", "seed", "example", "gold"} <= set(about) for about in rows.values()
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        whole = False
    if not whole:
        raise UserError(f"{path} is not a key that 'judge export' wrote; name the folder that it filled")
    files = sorted(folder.glob("rater_*.csv"))
    require(len(files) > 0, str(folder), "a folder with rater_1.csv, rater_2.csv, ...", "none")
    found: dict[str, dict[str, list[str]]] = {"label": {}, "natural": {}, "same_meaning": {}}
    allowed = {"label": (*labels, UNCLEAR), "natural": SCALE, "same_meaning": SCALE}
    for file in files:
        seen = set()
        for answers in _read_rater(file):
            row = answers["row"]
            if row not in rows or row in seen:
                raise UserError(f"{file}: the row {row[:20]!r} is {'there twice' if row in seen else 'not in the key'}")
            seen.add(row)
            for question, values in allowed.items():
                answer = (answers[question] or "").strip()
                if not answer:
                    continue
                known = {value.casefold(): value for value in values}
                if answer.casefold() not in known:
                    allowed_ones = f"one of {', '.join(values)}, or empty"
                    raise UserError(f"{file}, row {row}: {question} must be {allowed_ones}, got {answer[:40]!r}")
                found[question].setdefault(row, []).append(known[answer.casefold()])
    return Judged(task, rows, found)


def _read_rater(path: Path) -> list[dict[str, str]]:
    text = text_of(path)
    separator = ";" if text.partition("\n")[0].count(";") >= len(FIELDS) - 1 else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: it is not readable as CSV ({error})") from error
    absent = [name for name in FIELDS if name not in (reader.fieldnames or ())]
    if absent:
        raise UserError(f"{path} has no column {absent[0]!r}; keep the header that 'judge export' wrote")
    return rows


COLUMNS = (
    Column("Method", "method", False),
    Column("Attack", "attack", False),
    Column("Judged", "judged"),
    Column("Valid %", "valid_percent"),
    FileColumn("Valid % low", "valid_percent_low"),
    FileColumn("Valid % high", "valid_percent_high"),
    Column("Aua %", "aua_percent"),
    Column("Validated Aua %", "validated_aua_percent"),
    Column("Low", "validated_aua_percent_low"),
    Column("High", "validated_aua_percent_high"),
    Column("Meaning", "same_meaning"),
    Column("Natural", "natural"),
)
NOTES = (
    "Valid % is the share of judged successes for which more than half of the raters name the gold class. Validated "
    "Aua % counts the other successes as withstood: Aua % + (1 - valid) x 100 x successes / texts. Low and high are "
    "the ends of its 95 % interval (Clopper-Pearson); if all successes were judged, there is nothing to estimate.",
    "Meaning (is it the same as that of the original) and natural are means from 1 to 4.",
)


def judged_table(out: Path, folder: Path) -> Table:
    """What the raters' answers in a folder say about the stored attacks: a row per method and attack.

    Raises:
        UserError: for answers that cannot be read, or attacks that are no longer in the results.
    """
    judged = read_answers(folder)
    groups = {(group.method, group.attack): group for group in _groups(out, judged.task)}
    asked = dict.fromkeys((about["method"], about["attack"]) for about in judged.rows.values())
    missing = [f"{attack} on {method}" for method, attack in asked if (method, attack) not in groups]
    if missing:
        raise UserError(f"{out} lacks the attack {missing[0]}, which was judged; name the folder that was exported")
    rows = tuple(_row(groups[cell], judged) for cell in asked)
    return Table(f"Human judgement of successes on {judged.task}", COLUMNS, rows, (*NOTES, *_agreement(judged)))


def _row(group: AttackGroup, judged: Judged) -> tuple[Number | str, ...]:
    def mine(question: str, kind: str) -> list[tuple[Mapping[str, Any], Sequence[str]]]:
        cell = (group.method, group.attack)
        found = judged.of(question, kind)
        return [(about, given) for about, given in found if given and (about["method"], about["attack"]) == cell]

    verdicts = [is_valid(given, about["gold"]) for about, given in mine("label", "attacked")]
    outcomes = [outcome for run in group.runs.values() for outcome in run]
    successes = sum(outcome.status == "successful" for outcome in outcomes)
    aua = 100 * sum(outcome.status == "failed" for outcome in outcomes) / len(outcomes)

    def validated(share: float) -> float:
        return aua + 100 * (1 - share) * successes / len(outcomes)

    valid, low, high = _share(verdicts, successes)
    asked = (("same_meaning", "pair"), ("natural", "attacked"))
    means = [_mean(answers for _, answers in mine(question, kind)) for question, kind in asked]
    return (
        group.method,
        group.attack,
        Number(len(verdicts), digits=0),
        *(Number(100 * each) for each in (valid, low, high)),
        *(Number(each) for each in (aua, validated(valid), validated(high), validated(low))),
        *(Number(each, digits=2) for each in means),
    )


def is_valid(answers: Sequence[str], gold: str) -> bool:
    """Whether more than half of the raters name the gold class."""
    (label, votes), *_ = Counter(answers).most_common(1)
    return label == gold and 2 * votes > len(answers)


def _share(verdicts: Sequence[bool], successes: int) -> tuple[float, float, float]:
    """The share of valid successes with the ends of its interval."""
    if not verdicts:
        return math.nan, math.nan, math.nan
    share = sum(verdicts) / len(verdicts)
    if len(verdicts) == successes:
        return share, share, share
    interval = stats.binomtest(sum(verdicts), len(verdicts)).proportion_ci()
    return share, float(interval.low), float(interval.high)


def _mean(answers: Any) -> float:
    values = [int(answer) for given in answers for answer in given]
    return sum(values) / len(values) if values else math.nan


def _agreement(judged: Judged) -> list[str]:
    """Sentences on how well the raters agree, and how they read the originals."""
    labels = [*judged.of("label", "original"), *judged.of("label", "attacked")]
    natural = [*judged.of("natural", "original"), *judged.of("natural", "attacked")]
    found = {
        "label": alpha([given for _, given in labels], "nominal"),
        "natural": alpha([[int(each) for each in given] for _, given in natural], "ordinal"),
        "meaning": alpha([[int(each) for each in given] for _, given in judged.of("same_meaning", "pair")], "ordinal"),
    }
    said = ", ".join(f"{name} {'–' if math.isnan(value) else f'{value:.2f}'}" for name, value in found.items())
    originals = [is_valid(given, about["gold"]) for about, given in judged.of("label", "original") if given]
    read = f"{sum(originals)} of {len(originals)} originals are read as their gold class by most raters"
    mean = _mean(given for _, given in judged.of("natural", "original"))
    return [f"Agreement of the raters, Krippendorff's alpha: {said}.", f"{read}; they are natural at {mean:.2f}."]
