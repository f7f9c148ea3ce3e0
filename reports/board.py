"""Publish results: write a row of a board for each method whose runs and attacks are finished.

A row that is measured again stays in the log. It replaces the row on the board unless it has fewer runs or fewer
attacked texts, or the log holds it already.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from baselines.validation import UserError, require
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import Resources, full_resources, offline_resources
from benchmarks.data.digests import sha256_of
from benchmarks.data.plain_files import write_atomically
from benchmarks.data.tasks import TASKS, title_of
from benchmarks.experiments.experiment import FIRST_SEED
from benchmarks.jobs.attack_again import attack_again
from benchmarks.jobs.stored_models import open_store
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports.attack_groups import stored_results, told_apart
from reports.board_files import (
    CLAIMS,
    append_log,
    dump,
    logged,
    read_claims,
    read_rows,
    write_manifest,
    write_row,
)
from reports.card import card_table
from reports.claims import judge
from reports.frame import AttackResult
from reports.measured import Measured, measure
from reports.outside_formats import write_outside_formats
from reports.row import Row, agree, attacked_texts, row_of, with_badge
from reports.task_results import task_results
from reports.verified import verified

UNNAMED = "unnamed"
SAME_SHARE = 0.98  # of the texts attacked again; single texts may differ by rounding on another processor


@dataclass(frozen=True)
class Again:
    """Texts of each row that are attacked again with the stored weights before the row is published.

    Attributes:
        texts: how many, drawn from all its attacks and runs.
        synonyms, nltk_data, assets: the resources of the run, as it got them.
    """

    texts: int
    synonyms: Path | None = None
    nltk_data: Path | None = None
    assets: Path | None = None

    def resources(self, identity: Mapping[str, Any]) -> Resources:
        """The resources for an attack of the profile that its identity names.

        Raises:
            UserError: if a file is missing.
        """
        full = identity.get("resources", {}).get("profile") == "full"
        if full and self.assets is not None:
            return full_resources(self.assets, [find_recipe(identity["recipe"]["key"])])
        return offline_resources(synonyms=self.synonyms, nltk_data=self.nltk_data, assets=self.assets)


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        changes: a sentence for each row that changed.
        unchanged: number of rows that were there already.
        left_out: a sentence for each method that is not published, with the reason.
        outside: the folder with the numbers in the forms that others read.
    """

    changes: tuple[str, ...]
    unchanged: int
    left_out: tuple[str, ...]
    outside: tuple[Path, ...]


def publish(
    results: Path,
    board: Path,
    by: str = UNNAMED,
    link: str | None = None,
    runs: int | None = None,
    again: Again | None = None,
) -> Published:
    """Write the rows of a folder of results to a board, with the verdicts, the manifest and the log.

    The folder of results gets the numbers in the forms that others read.

    Args:
        by: who measured it; a badge is given where another repeats a measurement.
        link: where the folder of results can be fetched.
        runs: runs that each row must have; None for all seeds that the folder has of the task.
        again: texts to attack again first, or None.
    Raises:
        UserError: if the folder does not verify, or nothing in it can be published.
    """
    require(runs is None or runs >= 1, "--runs", "1 or more", runs)
    require(by.strip() != "" and by.isprintable(), "--by", "a name of printable characters", by)
    require(link is None or link.startswith("https://"), "--link", "an address that begins with https://", link)
    complaints = _complaints(results)
    store = open_store(results)
    trainings, found = stored_results(results)
    cells = [cell for cell in measure(trainings, found) if cell.trainings]
    real = [cell for cell in cells if not _is_generated(cell.task)]
    if cells and not real:
        raise UserError(
            f"{results} holds runs on generated texts alone, which are no results; publish runs on real data, of "
            "--preset small or paper"
        )
    open_attacks = _open_attacks(store, trainings, found)
    complete: list[tuple[Measured, Row]] = []
    generated = dict.fromkeys(cell.task for cell in cells if _is_generated(cell.task))
    left_out = [f"{title_of(task)}: generated texts are no results" for task in generated]
    unattacked: list[Measured] = []  # trained for their search alone, or not attacked yet
    for cell, name in zip(real, _names(real), strict=True):
        why = _missing(cell, _wanted(cell, trainings, runs), open_attacks, complaints)
        if why is None and not cell.attacks:
            unattacked.append(cell)
            continue
        row = None if why else row_of(cell, _files(store, cell), by=by, link=link)
        if row is not None and again is not None:
            why = _unlike(store, row, again)
        if why:
            left_out.append(f"{name}, seeds {_listed(sorted(cell.trainings))}: {why}")
        elif row is not None:
            complete.append((cell, row))
    if not complete:
        reason = left_out[-1] if left_out else "it holds no training with a finished attack"
        raise UserError(f"nothing in {results} can be published: {reason}; repeat the command that made it")
    rows = [row for _, row in complete]
    changes, unchanged = _write(board, rows, again is not None)
    _write_claims(board, [*(cell for cell, _ in complete), *unattacked], by)
    return Published(tuple(changes), unchanged, tuple(left_out), tuple(write_outside_formats(store, rows)))


def _complaints(results: Path) -> dict[str, str]:
    """What `verify` says of single trainings and attacks, by their place.

    Raises:
        UserError: if it says something of a table or of any other file.
    """
    found: dict[str, list[str]] = {}
    for place, what in verified(results).rows:
        found.setdefault(str(place), []).append(str(what))
    for place, said in found.items():
        is_unfinished = any(what.startswith("unfinished") for what in said)
        if not place.startswith(("trainings/", "attacks/")) and not is_unfinished:
            raise UserError(f"{results} does not pass 'earlyrobust verify': {place}: {said[0]}; nothing was published")
    return {place: said[0] for place, said in found.items()}


def _is_generated(task: str) -> bool:
    return task in TASKS and TASKS[task].layout is None


def _wanted(cell: Measured, trainings: Mapping[str, TrainingRecord], runs: int | None) -> set[int]:
    """The seeds that a row must have."""
    if runs is not None:
        return set(range(FIRST_SEED, FIRST_SEED + runs))
    of_data = (cell.task, cell.surroundings.get("data"))
    return {each.seed for each in trainings.values() if (each.task, each.identity.get("data")) == of_data}


def _open_attacks(
    store: Store, trainings: Mapping[str, TrainingRecord], results: Sequence[AttackResult]
) -> dict[str, str]:
    """For each training, the attack on it that is unfinished, or in which too many texts broke."""
    by_weights = {record.weights_sha256: record.key for record in trainings.values() if record.weights_sha256}
    found = {each.record.training_key: each.record.recipe_title for each in results if not each.sound}
    for key in set(store.keys("attacks")) - {each.record.key for each in results}:
        victim = by_weights.get(store.victim(key))
        if victim is not None:
            found.setdefault(victim, "an attack")
    return found


def _missing(
    cell: Measured, wanted: set[int], open_attacks: Mapping[str, str], complaints: Mapping[str, str]
) -> str | None:
    """Why a cell is not complete; None if it is."""
    if lacking := sorted(wanted - set(cell.trainings)):
        return f"the training of seed {_listed(lacking)} is unfinished"
    for attack in cell.attacks:
        if lacking := sorted(set(cell.trainings) - set(attack.runs)):
            return f"{attack.title} is unfinished on seed {_listed(lacking)}"
    for seed, record in cell.trainings.items():
        if record.key in open_attacks:
            return f"{open_attacks[record.key]} is unfinished on seed {seed}"
    places = [f"trainings/{record.key}" for record in cell.trainings.values()]
    places += [f"attacks/{key}" for attack in cell.attacks for key in attack.keys.values()]
    return next(
        (f"'earlyrobust verify' says of {each}: {complaints[each]}" for each in places if each in complaints), None
    )


def _names(cells: Sequence[Measured | Row]) -> list[str]:
    """Task and method of each, with the settings in which it differs from most others of the method."""
    names = told_apart([(cell.task, cell.title) for cell in cells], [cell.settings for cell in cells])
    return [f"{title_of(cell.task)}, {name}" for cell, name in zip(cells, names, strict=True)]


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _files(store: Store, cell: Measured) -> dict[str, str]:
    """SHA-256 of weights and outcomes, by path in the folder of results."""
    outcomes = [store.outcomes_path(key) for attack in cell.attacks for key in attack.keys.values()]
    found = {path.relative_to(store.root).as_posix(): sha256_of(path) for path in outcomes}
    for record in cell.trainings.values():
        found[store.weights_path(record.key).relative_to(store.root).as_posix()] = str(record.weights_sha256)
    return found


def _unlike(store: Store, row: Row, again: Again) -> str | None:
    """Attack some texts of a row again; the reason why it is not published, if too many give another verdict."""
    require(again.texts >= 1, "--attack-again", "1 or more", again.texts)
    met = [
        (attack, run.key, outcome.example_id)
        for attack in row.attacks
        for run in attack.runs.values()
        for outcome in store.outcomes(run.key)
    ]
    drawn = random.SystemRandom().sample(met, min(again.texts, len(met)))
    unlike: list[str] = []
    for attack, key in dict.fromkeys((attack.key, key) for attack, key, _ in drawn):
        identity = next(each.identity for each in row.attacks if each.key == attack)
        ids = {example for _, of, example in drawn if of == key}
        record = store.planned_attack(key)
        assert record is not None
        stored = {outcome.example_id: outcome.status for outcome in store.outcomes(key)}
        for outcome in attack_again(store, record, ids, again.resources(identity)):
            if (outcome.status == "failed") != (stored[outcome.example_id] == "failed"):
                unlike.append(f"{outcome.example_id} under {record.recipe_title}, seed {record.seed}")
    if len(unlike) <= (1 - SAME_SHARE) * len(drawn):
        return None
    return f"{len(unlike)} of {len(drawn)} texts attacked again gave another verdict: {', '.join(unlike[:3])}"


def _write(board: Path, new: Sequence[Row], attacked: bool) -> tuple[list[str], int]:
    """Write rows, log and manifest; a sentence for each row that changed, and the number of those that did not."""
    rows = {row.name: row for row in read_rows(board)}
    known, entries, sentences, now = logged(board), [], [], datetime.now(timezone.utc).isoformat(timespec="seconds")
    for row, name in zip(new, _names(new), strict=True):
        merged, what = merge(rows.get(row.name), row, attacked, known)
        if what is None:
            continue
        if what != "logged":
            rows[row.name] = merged
            write_row(board, merged)
        entry = {"at": now, "row": row.name, "what": what, "by": row.by, "badge": merged.badge}
        entries.append(entry | {"measurement": row.measurement, "measured": row.to_json()["numbers"]})
        sentences.append(f"{name}: {what} ({row.name}, {merged.badge})")
    write_manifest(board, rows.values())
    append_log(board, entries)
    return sentences, len(new) - len(entries)


def merge(old: Row | None, new: Row, attacked: bool, known: set[str]) -> tuple[Row, str | None]:
    """The row that is on the board afterwards, and what happened: "new", "replaced", "logged" (it has fewer runs or
    texts than the one on the board), "badge", "link", or None for nothing.

    Args:
        attacked: whether texts of the new row were attacked again.
        known: measurements that the log holds.
    """
    if old is None:
        return new, "new"
    by_another = new.by != old.by
    if old.measurement == new.measurement:
        if not by_another:
            return replace(old, link=new.link or old.link), "link" if new.link not in (None, old.link) else None
        marked = with_badge(old, "attacked again" if attacked else "derived again")
        return marked, "badge" if marked.badge != old.badge else None
    if new.measurement in known:
        return old, None
    enough = len(new.trainings) >= len(old.trainings) and attacked_texts(new) >= attacked_texts(old)
    stays = new if enough else old
    if by_another and not _starts(old) & _starts(new) and agree(old, new):
        stays = with_badge(stays, "trained again")
    return stays, "replaced" if enough else "badge" if stays.badge != old.badge else "logged"


def _starts(row: Row) -> set[str]:
    return {run.started_at for run in row.trainings.values()}


def _write_claims(board: Path, cells: Sequence[Measured], by: str) -> None:
    """Judge the claims on some cells, and keep each verdict that rests on as many measurements as the one before."""
    card = judge(task_results(cells))
    kept = read_claims(board)
    departures = {title: list(found) for title, found in card.departures.items()}
    for judgement, record in zip(card.judgements, card_table(card).records(), strict=True):
        measured = sum(part.estimate is not None for part in judgement.parts)
        before = kept.get(judgement.claim.key)
        if before is None or measured >= max(before["measurements"], 1):
            deciding = judgement.deciding.verdict if judgement.deciding else None
            about = {"deciding": deciding, "measurements": measured, "departures": departures, "by": by}
            kept[judgement.claim.key] = record | about
    write_atomically(board / CLAIMS, dump(kept))
