"""The targets of a device study, each with its measurement and its verdict: met, missed or not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.clock.cost import EncoderShape, epoch_units
from benchmarks.device.study import PartRecord
from benchmarks.speed.loop_speed import LoopTiming
from benchmarks.speed.stage_speed import MethodTiming, StageSteps, compared_methods
from method.early_robust import EarlyRobust
from reports.statistics import Summary, summarise, time_ratio

OURS = EarlyRobust.title
BASELINES = ("PGD-5", "FreeLB-5", "InfoBERT-3", "RobusT")
MODEL_TOLERANCE = 0.15
LEAST_CAPTURED, LEAST_LOOP, LEAST_ENGINE = 2.0, 1.5, 10.0
LOOP_METHODS = ("PGD-3", "FreeLB-3", "InfoBERT-3")
LEAST_RUNS, ALL_TEXTS = 3, 872
TEXTATTACK = "textattack dynamic"
EARLY_SEARCH = 0.3  # epochs: the upper end of the range in which the paper's masks settle

Verdict = Literal["met", "missed", "not measured"]


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        what: the quantity, in words.
        goal: its target value, in words.
        value, low, high: the measurement with its 95 % interval; NaN if there is none.
        expected: the cost model's prediction, or NaN.
        verdict: of the value; intervals are shown but decide nothing.
        note: what the reader must know about it; if not measured, the reason.
        profile: the beginning of the name of the profile that explains a miss.
    """

    what: str
    goal: str
    value: float
    low: float
    high: float
    expected: float
    verdict: Verdict
    note: str = ""
    profile: str = ""


def targets(records: Mapping[str, PartRecord], attacked: Mapping[str, int]) -> list[Target]:
    """All targets, from the parts that were done.

    Args:
        records: parts by key.
        attacked: by the titles of Table 1's methods, number of runs with all texts of the task attacked by all recipes.
    """
    return [
        *_speedups(records.get("steps_filling_fp32")),
        *_captured(records.get("minilm"), records.get("minilm_captured")),
        *_loops(records.get("loops")),
        *_engine(records.get("attacks")),
        _table1(attacked),
    ]


def timings_of(record: PartRecord) -> list[MethodTiming]:
    """The timings of a part that times stages."""
    return [
        MethodTiming(**(each | {"stages": {name: StageSteps(**steps) for name, steps in each["stages"].items()}}))
        for each in record.result["timings"]
    ]


def seconds_by_block(
    timings: Sequence[MethodTiming], method: str, search_epochs: float | None = None
) -> dict[int, float]:
    """Seconds of a training, by block."""
    return {each.block: each.training_seconds(search_epochs) for each in timings if each.method == method}


def speedup(timings: Sequence[MethodTiming], method: str, search_epochs: float | None = None) -> Summary:
    """How many times faster EarlyRobust trains than another method, over blocks."""
    return time_ratio(seconds_by_block(timings, method), seconds_by_block(timings, OURS, search_epochs))


def predicted_speedup(record: PartRecord, method: str, search_epochs: float | None = None) -> float:
    """The same value by the cost model."""
    shape, tokens = EncoderShape(**record.result["encoder"]), record.result["batch"]["tokens"]
    units = {
        title: epoch_units(defense, shape=shape, tokens=tokens, search_epochs=search_epochs)
        for title, defense in compared_methods().items()
        if title in (method, OURS)
    }
    return units[method] / units[OURS]


def _speedups(record: PartRecord | None) -> list[Target]:
    goal = f"within {100 * MODEL_TOLERANCE:.0f} % of the cost model"
    found = []
    for method in BASELINES:
        what = f"EarlyRobust's speedup over {method}, filling batch, fp32"
        if not _done(record):
            found.append(_absent(what, goal, record))
            continue
        assert record is not None
        ratio, expected = speedup(timings_of(record), method), predicted_speedup(record, method)
        off = ratio.mean / expected - 1
        note = f"{100 * off:+.0f} % from the model; the search goes on to its cap of one epoch"
        found.append(_judged(record, what, goal, ratio, abs(off) <= MODEL_TOLERANCE, note, "Fine-tune", expected))
    return found


def _captured(eager: PartRecord | None, captured: PartRecord | None) -> list[Target]:
    goal = f"at least {LEAST_CAPTURED:g} times as fast"
    words = "captured updates over eager ones, short texts, MiniLM's shape"
    if not _done(eager) or not _done(captured):
        return [_absent(words, goal, captured if _done(eager) else eager)]
    assert eager is not None and captured is not None
    found = []
    for method in dict.fromkeys(each.method for each in timings_of(eager)):
        ratio = time_ratio(*(seconds_by_block(timings_of(each), method) for each in (eager, captured)))
        if not ratio.count:
            note = captured.result["refused"].get(method, "it was not timed")
            found.append(Target(f"{method}: {words}", goal, *[np.nan] * 4, "not measured", note))
            continue
        met = ratio.mean >= LEAST_CAPTURED
        found.append(_judged(captured, f"{method}: {words}", goal, ratio, met, "", "Fine-tune, MiniLM"))
    return found


def _loops(record: PartRecord | None) -> list[Target]:
    goal = f"at least {LEAST_LOOP:g} times as fast"
    words = "our update over the plain one of the release, which pads to the limit"
    if not _done(record):
        return [_absent(f"{method}: {words}", goal, record) for method in LOOP_METHODS]
    assert record is not None
    found = []
    for task, timings in record.result["timings"].items():
        for method in LOOP_METHODS:
            own, plain, padded = (LoopTiming(**each) for each in timings if each["method"] == method)
            ratio = summarise([padded.seconds / own.seconds])
            note = f"{task}; {plain.seconds / own.seconds:.2f} where the plain one pads as ours does"
            met = ratio.mean >= LEAST_LOOP
            found.append(_judged(record, f"{method}: {words}", goal, ratio, met, note, "PGD-3"))
    return found


def _engine(record: PartRecord | None) -> list[Target]:
    goal = f"at least {LEAST_ENGINE:g} times as many"
    words = "queries a second of the attack engine over TextAttack's"
    if not _done(record):
        return [_absent(words, goal, record)]
    assert record is not None
    if record.result["textattack"] != "measured":
        return [Target(words, goal, *[np.nan] * 4, "not measured", record.result["textattack"].partition(": ")[2])]
    found = []
    for timings in record.result["timings"].values():
        rates = {(each["recipe"], each["way"]): each["queries"] / each["seconds"] for each in timings}
        for recipe in dict.fromkeys(recipe for recipe, _ in rates):
            ratio = summarise([rates[recipe, "engine"] / rates[recipe, TEXTATTACK]])
            met = ratio.mean >= LEAST_ENGINE
            found.append(_judged(record, f"{recipe}: {words}", goal, ratio, met, "TextAttack pads in its batch"))
    return found


def _table1(attacked: Mapping[str, int]) -> Target:
    words = "runs of every method on SST-2 with all texts attacked by TextFooler and bertattack_official"
    goal = f"at least {LEAST_RUNS} of all {ALL_TEXTS} texts"
    least = min(attacked.values(), default=0)
    note = ", ".join(f"{method} {runs}" for method, runs in attacked.items()) or "no such run"
    verdict: Verdict = "met" if least >= LEAST_RUNS else "missed" if least else "not measured"
    return Target(words, goal, float(least) if attacked else np.nan, *[np.nan] * 3, verdict, note)


def _done(record: PartRecord | None) -> bool:
    return record is not None and record.status == "done"


def _absent(what: str, goal: str, record: PartRecord | None) -> Target:
    why = "this part was not come to" if record is None else f"{record.status}: {record.why}"
    return Target(what, goal, *[np.nan] * 4, "not measured", why)


def _judged(
    record: PartRecord,
    what: str,
    goal: str,
    ratio: Summary,
    met: bool,
    note: str,
    profile: str = "",
    expected: float = np.nan,
) -> Target:
    """The verdict; "not measured" if the part is of the tiny size or its times do not count."""
    verdict: Verdict = "met" if met else "missed"
    invalid: Sequence[Any] = record.watch.get("invalid", ())
    if record.conditions["size"] != "full":
        verdict, note = "not measured", "; ".join(filter(None, ("the tiny size judges nothing", note)))
    elif invalid:
        verdict, note = "not measured", f"the part's times do not count: {'; '.join(invalid)}"
    return Target(what, goal, ratio.mean, ratio.low, ratio.high, expected, verdict, note, profile)
