"""Eleven flags: signs that a victim's robustness is a failure of the attack."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.jobs.suspect import SAME, Measurements
from benchmarks.results.metrics import STARVED_PERCENT, aua_percent, broken_among, starved_percent
from benchmarks.results.records import EvaluationRecord, Outcome, TrainingRecord
from benchmarks.results.store import Store, content_key
from reports.statistics import Estimate, two_level
from reports.tables import Column, Table

MANY = 10.0  # per cent
UNMEASURED = "not measured"


@dataclass(frozen=True)
class Flag:
    """A sign of a failed attack.

    Attributes:
        name: what the sign is.
        raised: whether it is there; None if it was not measured.
        said: what was measured.
    """

    name: str
    raised: bool | None
    said: str


def flags(found: Measurements) -> list[Flag]:
    """All flags, in a fixed order."""
    random = found.repeated > SAME
    in_company = found.company > SAME
    first = [
        Flag("random answers", random, f"two answers to a text differ by up to {found.repeated:.2g}"),
        Flag("company matters", None, f"{UNMEASURED}: its answers are random")
        if random
        else Flag("company matters", in_company, f"beside other texts an answer changes by {found.company:.2g}"),
        _saturated(found),
    ]
    if found.direct is None:
        why = f"{UNMEASURED}: an attack needs answers that can be repeated"
        return [*first, *(Flag(name, None, why) for name in LATER)]
    return [
        *first,
        _starved(found.direct),
        _lower("temperature matters", found.direct, found.tempered, "no other texts were left to fit it to"),
        _lower("margin matters", found.direct, found.margin, ""),
        _masked(found),
        _lower("noise beats search", found.direct, found.random, ""),
        _unbreakable(found),
        _budget(found),
        _transfer(found),
    ]


LATER = (
    "starved",
    "temperature matters",
    "margin matters",
    "gradient masked",
    "noise beats search",
    "not breakable",
    "budget ends it",
    "transfer is stronger",
)


def _saturated(found: Measurements) -> Flag:
    gold = found.probabilities.astype(np.float32)[np.arange(len(found.labels)), found.labels]
    percent = 100 * float((gold == 1).mean())
    return Flag("saturated", percent > MANY, f"{percent:.0f} % of the texts get a probability of exactly 1")


def _starved(direct: Sequence[Outcome]) -> Flag:
    percent = starved_percent(direct)
    if np.isnan(percent):
        return Flag("starved", None, f"{UNMEASURED}: no text was attacked")
    said = f"on {percent:.0f} % of the attacked texts most words make no difference"
    return Flag("starved", percent > STARVED_PERCENT, said)


def _lower(name: str, direct: Sequence[Outcome], other: Sequence[Outcome] | None, missing: str) -> Flag:
    """Raised if the other attack leaves less than the direct one, by more than the interval."""
    if other is None:
        return Flag(name, None, f"{UNMEASURED}: {missing}")
    change = _change(_withstood(other), _withstood(direct))
    return Flag(name, change.high < 0, _said(aua_percent(direct), aua_percent(other), change))


def _masked(found: Measurements) -> Flag:
    if found.white is None or found.black is None:
        return Flag("gradient masked", None, f"{UNMEASURED}: a function has no gradient")
    change = _change(_withstood(found.white), _withstood(found.black))
    return Flag("gradient masked", change.low > 0, _said(aua_percent(found.black), aua_percent(found.white), change))


def _unbreakable(found: Measurements) -> Flag:
    assert found.replaced is not None
    majority = 100 * max(Counter(found.labels.tolist()).values()) / len(found.labels)
    left = 100 * float(found.replaced.mean())
    said = f"with every word replaced {left:.1f} % stand; the largest class has {majority:.1f} %"
    return Flag("not breakable", left > majority, said)


def _budget(found: Measurements) -> Flag:
    assert found.direct is not None
    stood = [each for each in found.direct if each.status == "failed"]
    ended = [each for each in stood if each.queries == found.recipe.budget_for(each.words)]
    percent = 100 * len(ended) / len(stood) if stood else 0.0
    said = f"{percent:.0f} % of {len(stood)} withstood texts ended by the budget"
    return Flag("budget ends it", percent > MANY, said)


def _transfer(found: Measurements) -> Flag:
    assert found.direct is not None
    if found.transferred is None:
        return Flag("transfer is stronger", None, f"{UNMEASURED}: no other model was given")
    left = 100.0 * found.transferred
    change = _change(left, _withstood(found.direct))
    return Flag("transfer is stronger", change.high < 0, _said(aua_percent(found.direct), float(left.mean()), change))


def _withstood(outcomes: Sequence[Outcome]) -> np.ndarray:
    return np.array([100.0 * (outcome.status == "failed") for outcome in outcomes])


def _change(other: np.ndarray, direct: np.ndarray) -> Estimate:
    return two_level((other - direct)[None])


def _said(direct: float, other: float, change: Estimate) -> str:
    return f"Aua % {direct:.1f} becomes {other:.1f} (difference {change.low:.1f} to {change.high:.1f})"


COLUMNS = (
    Column("Flag", "flag", False),
    Column("Raised", "raised", False),
    Column("Measured", "measured", False),
)
NOTE = (
    "A raised flag says that Aua % may be an effect of the search and not of the model. Differences are paired by "
    "text, with the ends of their 95 % intervals; a flag on a difference is raised only if its interval excludes 0."
)


def suspicion_table(name: str, found: Measurements) -> Table:
    """A row for each flag."""
    raised = {True: "yes", False: "no", None: "–"}
    rows = tuple((flag.name, raised[flag.raised], flag.said) for flag in flags(found))
    named = [row[0] for row in rows if row[1] == "yes"]
    attacks = (found.direct, found.margin, found.tempered, found.white, found.black, found.random)
    broken = [said for each in attacks if each is not None and (said := broken_among(each)) is not None]
    caption = (
        f"{name}: {', '.join(named) if named else 'no flag'} on {len(found.labels)} texts under {found.recipe.title}.",
        NOTE,
        *dict.fromkeys(f"{each[0].upper()}{each[1:]}." for each in broken),
    )
    return Table("Signs of a failed attack", COLUMNS, rows, caption, incomplete=bool(broken))


def file_of(identity: Mapping[str, Any]) -> str:
    """The name, without a suffix, of the files with a model's flags in a folder of results.

    Args:
        identity: of the model: the hash of its weights, or what is known of a model of the hub.
    """
    return f"suspect_{str(identity.get('weights_sha256') or content_key(dict(identity)))[:16]}"


def suspicion_notes(
    store: Store, trained: Iterable[TrainingRecord], evaluations: Iterable[EvaluationRecord]
) -> list[str]:
    """A sentence for each row of a table whose model has flags in the folder."""
    known = [
        (f"{each.title} seed {each.seed}", each.task, {"weights_sha256": each.weights_sha256})
        for each in trained
        if each.weights_sha256 is not None
    ]
    known += [(each.title, each.task, each.victim["model"]) for each in evaluations if "model" in each.victim]
    notes = []
    for title, task, identity in known:
        path = store.root / f"{file_of(identity)}.json"
        if path.is_file():
            rows = json.loads(path.read_text("utf-8"))["rows"]
            named = [row["flag"] for row in rows if row["raised"] == "yes"]
            notes.append(f"Signs of a failed attack on {title} ({title_of(task)}): {', '.join(named) or 'none'}.")
    return notes
