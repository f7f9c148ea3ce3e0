"""The rules that decide the paper's claims: the measurements for each claim, with a verdict on each.

"Small", "slightly" and "level" have no numbers in the paper's text; the margins below are this suite's. Accuracies
under attack are compared by their mean over the attacks that both sides have.

Source: Xi et al., EMNLP 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any, Literal

import numpy as np
from scipy import stats

from baselines.validation import UserError
from benchmarks.clock.cost import update_passes, update_units
from benchmarks.data.tasks import TASKS
from benchmarks.experiments.defenses import TABLE_ORDER, find_defense
from benchmarks.experiments.settings import with_settings
from method.convergence import Convergence
from reports.frame import conditions, counted_seconds, unlike_schedules
from reports.measured import Measured
from reports.statistics import Estimate, holm, over_runs, require_comparable, summarise, time_ratio
from reports.task_results import OURS, Quantity, TaskResults, contrast, setting

Verdict = Literal["supported", "not supported", "inconclusive", "not measured"]

SMALL_LOSS = 2.0
SLIGHT_LOSS = 5.0
LEVEL = 5.0
SPEEDUPS = (7.0, 13.0)
SETTLED_EPOCHS = (0.15, 0.30)
LEAST_EPOCH_UPDATES = 200
GAMMA_OF_THE_PAPER = 0.1
LOOSE_GAMMA = 0.3
GOOD_SPARSITY = {"head_sparsity": (1 / 6, 1 / 4), "neuron_sparsity": (0.2, 0.4)}

ADVERSARIAL = ("pgd", "freelb", "info_bert", "robust_ticket")
# Cost of the authors' code for the same updates; a method that is not listed is trained at its own cost
AS_RELEASED: Mapping[str, Mapping[str, Any]] = {"pgd": {"ascent_backward": "full"}, "info_bert": {"fused": False}}
SINGLE_TASKS = ("imdb", "ag_news", "sst2")
PAIR_TASKS = ("qnli", "qqp")
SCOPES = ("head_scope", "neuron_scope")


@dataclass(frozen=True)
class Part:
    """One measurement for a claim.

    Attributes:
        what: the quantity in words, with the task.
        unit: "points", "×", "epochs" or "correlation".
        estimate: None if it was not measured.
        verdict: the claim's rule applied to this part; None for a number that is shown but decides nothing.
        note: what the reader must know about it.
        p_against: one-sided p-value, under the hypothesis that the claim is true; 1 if nothing was tested.
    """

    what: str
    unit: str
    estimate: Estimate | None
    verdict: Verdict | None
    note: str = ""
    p_against: float = 1.0


@dataclass(frozen=True)
class Bounds:
    """The range of a quantity for which the claim holds."""

    low: float = -math.inf
    high: float = math.inf

    def verdict(self, found: Estimate) -> Verdict:
        """Supported if the whole interval is inside the range, not supported if all of it is outside."""
        return _decide(self.low < found.low and found.high < self.high, found.high < self.low or found.low > self.high)

    def p_against(self, found: Estimate) -> float:
        """One-sided p-value of the quantity being in the range; 1 if no distribution is known."""
        if found.share_above is None:
            return 1.0
        return min(found.share_above(self.low), 1 - found.share_above(self.high))


def above(bound: float) -> Bounds:
    """The range of a quantity that must be larger than `bound`."""
    return Bounds(low=bound)


def within(margin: float) -> Bounds:
    """The range of a quantity that must not differ from 0 by more than `margin`."""
    return Bounds(-margin, margin)


def _decide(supported: bool, refuted: bool) -> Verdict:
    return "supported" if supported else "not supported" if refuted else "inconclusive"


def corrected(parts: Sequence[Part]) -> list[Part]:
    """The parts; "not supported" is kept only where it holds after Holm's correction over all parts."""
    tested = [part for part in parts if part.estimate is not None and part.estimate.runs > 1 and part.verdict]
    kept = dict(zip(map(id, tested), holm([part.p_against for part in tested]), strict=True))
    return [
        replace(part, verdict="inconclusive", note=_joined(part.note, _NOT_AFTER_HOLM.format(len(tested))))
        if part.verdict == "not supported" and not kept[id(part)]
        else part
        for part in parts
    ]


_NOT_AFTER_HOLM = "against the claim by itself, not after Holm's correction over {} parts"


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _compare(
    where: str,
    quantity: Quantity,
    plus: Measured | Sequence[Measured] | None,
    minus: Measured | Sequence[Measured] | None,
    bounds: Bounds,
    words: str,
) -> Part:
    """A contrast as a part; not measured if a side is missing or they share no run."""
    what = f"{where}: {quantity}, {words}"
    if not plus or not minus:
        return Part(what, "points", None, "not measured", "no such run")
    sides = [[side] if isinstance(side, Measured) else list(side) for side in (plus, minus)]
    found = contrast(quantity, *sides)
    if found is None:
        return Part(what, "points", None, "not measured", "no run and attack in common")
    note = "one run: the interval is over texts alone" if found.runs == 1 else ""
    return _judged(what, "points", found, bounds, note)


def _judged(what: str, unit: str, estimate: Estimate, bounds: Bounds, note: str = "") -> Part:
    """A measured part with the verdict of its range."""
    return _part(what, unit, estimate, bounds.verdict(estimate), note, bounds.p_against(estimate))


def _part(what: str, unit: str, estimate: Estimate, verdict: Verdict, note: str, p_against: float) -> Part:
    """A measured part; a single run decides nothing."""
    return Part(what, unit, estimate, verdict if estimate.runs > 1 else "inconclusive", note, p_against)


def _single(tasks: Sequence[TaskResults]) -> list[tuple[TaskResults, Measured]]:
    """Single-text tasks with EarlyRobust's main cell, with this cell."""
    return [(each, main) for each in tasks if each.task not in PAIR_TASKS and (main := each.main(OURS))]


def _without_run(wanted: Sequence[str], there: Container[str], quantity: str, unit: str = "points") -> list[Part]:
    """A part marked as not measured for each task of a claim without runs."""
    absent = [task for task in wanted if task not in there]
    return [Part(f"{TASKS[task].title}: {quantity}", unit, None, "not measured", "no such run") for task in absent]


def _title(defense: str) -> str:
    return find_defense(defense).title


def settled(tasks: Sequence[TaskResults]) -> list[Part]:
    """C1: the epoch of search with the first mask to which later masks stay close."""
    parts = []
    for each, main in _single(tasks):
        searches = [stage for run in main.trainings.values() for stage in run.stages if stage["name"] == "search"]
        searches = [search for search in searches if "mask_distances" in search["trace"]]
        if searches:
            parts.append(_settled(f"{each.title}: epoch of the first mask of the settled run", main, searches))
    return parts


def _settled(what: str, main: Measured, searches: Sequence[Mapping[str, Any]]) -> Part:
    updates = min(search["updates_per_epoch"] for search in searches)
    if updates < LEAST_EPOCH_UPDATES:
        why = f"an epoch has {updates} updates: below {LEAST_EPOCH_UPDATES} its mini-epochs are too coarse"
        return Part(what, "epochs", None, "not measured", why)
    found = [epoch for search in searches if (epoch := _settled_epoch(main, search)) is not None]
    drawn, stopped = (fmean(search["trace"][name] for search in searches) for name in ("draw_epoch", "stop_epoch"))
    note = f"drawn at {drawn:.2f}, stopped at {stopped:.2f}; the interval is the range over runs"
    if len(found) < len(searches):
        note += f"; {len(searches) - len(found)} of {len(searches)} runs did not settle"
    low, high = SETTLED_EPOCHS
    # A mini-epoch is not a whole number of updates: its mask may come one update before or after its end
    early = [low - 1 / updates <= epoch <= high + 1 / updates for epoch in found]
    shown = found or [search["trace"]["stop_epoch"] for search in searches]
    estimate = Estimate(fmean(shown), min(shown), max(shown), len(searches))
    verdict = _decide(len(found) == len(searches) and all(early), not any(early))
    return _part(what, "epochs", estimate, verdict, note, 0.0 if verdict == "not supported" else 1.0)


def _settled_epoch(main: Measured, search: Mapping[str, Any]) -> float | None:
    """The epoch of the first mask of the settled run, from the distances in the record; None if none settled."""
    trace = search["trace"]
    heads, neurons = (trace["mask_distances"][kind] for kind in ("heads", "neurons"))
    rule: Convergence[int] = Convergence(
        *(setting(main, name) for name in ("stop_rule", "gamma", "patience")),
        distance=lambda one, other: (heads[one][other], neurons[one][other]),
    )
    for place in range(len(heads)):
        if rule.observe(place):
            break
    return None if rule.first is None else trace["boundaries"][rule.first - 1]["update"] / search["updates_per_epoch"]


def faster(tasks: Sequence[TaskResults]) -> list[Part]:
    """C2: the largest training time of an adversarial method divided by EarlyRobust's, and the other ratios."""
    ratios = [_speedup(each, main, defense) for each, main in _single(tasks) for defense in ADVERSARIAL]
    return [_largest(bound, ratios) for bound in SPEEDUPS] + ratios if ratios else []


def _speedup(each: TaskResults, main: Measured, defense: str) -> Part:
    """The ratio of one method's training time to EarlyRobust's; by itself it decides no claim."""
    what = f"{each.title}: {_title(defense)}'s training time over EarlyRobust's"
    baseline = each.main(defense)
    if baseline is None:
        return Part(what, "×", None, None, "no such run")
    try:
        for one in baseline.trainings.values():
            for other in main.trainings.values():
                require_comparable(conditions(one), conditions(other))
    except UserError as differing:
        return Part(what, "×", None, None, str(differing))
    found = time_ratio(*(counted_seconds(cell.trainings.values()) for cell in (baseline, main)))
    if not found.count:
        return Part(what, "×", None, None, "no block in which both times count")
    steps = setting(baseline, "search.steps") or setting(baseline, "steps")
    clock = next(iter(main.trainings.values())).clock
    note = f"K {steps}, in EarlyRobust's search {setting(main, 'search.steps')}; clock {clock}"
    if found.count == 1:
        note += "; one block has no interval"
    return Part(what, "×", over_runs(found, logarithmic=True), None, _joined(note, _as_released(baseline, found.mean)))


def _as_released(baseline: Measured, ratio: float) -> str:
    """The ratio if the baseline's updates cost the passes of its authors' code, in words; empty if they do."""
    if baseline.defense not in AS_RELEASED:
        return ""
    ours = with_settings(find_defense(baseline.defense)(), baseline.settings)
    theirs = with_settings(ours, AS_RELEASED[baseline.defense])
    released = ratio * update_units(update_passes(theirs)) / update_units(update_passes(ours))
    if released == ratio:
        return ""
    words = f"{released:.1f} × at the cost of the released code"
    least = SPEEDUPS[0]
    if ratio < least:
        words += f", {100 * min(1.0, (released - ratio) / (least - ratio)):.0f} % of what is missing to {least:g}"
    return words


def _largest(bound: float, ratios: Sequence[Part]) -> Part:
    """Whether one of the ratios reaches a bound. "None does" needs measurements of all of the paper's ratios.

    One of many may reach it by chance, so support requires Holm's correction over them.
    """
    measured = [part for part in ratios if part.estimate is not None]
    missing = len(SINGLE_TASKS) * len(ADVERSARIAL) - len(measured)
    what = f"the largest of {len(measured)} ratios, against {bound:g}"
    if not measured:
        return Part(what, "×", None, "not measured", "no ratio was measured")
    best = max(measured, key=lambda part: part.estimate.value)
    found = [part.estimate for part in measured]
    tested = [estimate for estimate in found if estimate.share_above is not None]
    reached = any(holm([1 - estimate.share_above(bound) for estimate in tested]))
    refuted = not missing and all(estimate.high < bound for estimate in found)
    p_against = max(above(bound).p_against(estimate) for estimate in found)
    note = _joined(best.what, best.note, f"{missing} of the paper's ratios were not measured" if missing else "")
    return _part(what, "×", best.estimate, _decide(reached, refuted), note, p_against)


def _over(each: TaskResults, main: Measured, defense: str, quantity: Quantity, bounds: Bounds) -> Part:
    """EarlyRobust minus another method; not measured if their schedules differ."""
    other, words = each.main(defense), f"EarlyRobust less {_title(defense)}"
    runs = [next(iter(cell.trainings.values()), None) for cell in (other, main) if cell is not None]
    if len(runs) == 2 and all(runs) and (unlike := unlike_schedules(*runs)):
        return Part(f"{each.title}: {quantity}, {words}", "points", None, "not measured", f"unlike schedules: {unlike}")
    return _compare(each.title, quantity, main, other, bounds, words)


def more_robust(tasks: Sequence[TaskResults]) -> list[Part]:
    """C3: Aua% compared with methods without adversarial training, on every single-text task."""
    mains = _single(tasks)
    parts = [
        _over(each, main, defense, "Aua %", above(0)) for each, main in mains for defense in ("fine_tune", "early_bert")
    ]
    return parts + _without_run(SINGLE_TASKS, [each.task for each, _ in mains], "Aua %") if parts else []


def most_robust(tasks: Sequence[TaskResults]) -> list[Part]:
    """C4: Aua% compared with every method on IMDB and AG News; not far below FreeLB on SST-2."""
    mains = {each.task: (each, main) for each, main in _single(tasks)}
    parts = []
    for task in ("imdb", "ag_news"):
        others = [defense for defense in TABLE_ORDER if defense != OURS]
        parts += [_over(*mains[task], defense, "Aua %", above(0)) for defense in others if task in mains]
    if "sst2" in mains:
        parts.append(_over(*mains["sst2"], "freelb", "Aua %", above(-SLIGHT_LOSS)))
    return parts + _without_run(SINGLE_TASKS, mains, "Aua %") if mains else []


def little_clean_loss(tasks: Sequence[TaskResults]) -> list[Part]:
    """C5: Clean% compared with fine-tuning."""
    return [_over(each, main, "fine_tune", "Clean %", above(-SMALL_LOSS)) for each, main in _single(tasks)]


def adversarial_search(tasks: Sequence[TaskResults]) -> list[Part]:
    """C6: the ablation of the search's adversarial loss."""
    same = within(SMALL_LOSS)
    return _ablation(tasks, "without adversarial loss", _without_adversarial_loss, above(0), same)


def regulariser(tasks: Sequence[TaskResults]) -> list[Part]:
    """C7: the ablation of the L1 penalty."""
    return _ablation(tasks, "without regulariser", _without_regulariser, above(0), above(0))


def random_tickets(tasks: Sequence[TaskResults]) -> list[Part]:
    """C8: the ablation of the search."""
    return _ablation(tasks, "random ticket", _random_ticket, above(0), within(SMALL_LOSS))


def _without_adversarial_loss(each: TaskResults) -> Measured | None:
    return each.variant({"search.steps": 1, "search.init_magnitude": 0}, "search.step_size")


def _without_regulariser(each: TaskResults) -> Measured | None:
    return each.variant({"lambda_heads": 0, "lambda_neurons": 0})


def _random_ticket(each: TaskResults) -> Measured | None:
    return each.variant({"ticket": "random"}, "ticket_seed")


def _ablation(
    tasks: Sequence[TaskResults],
    words: str,
    variant: Callable[[TaskResults], Measured | None],
    aua: Bounds,
    clean: Bounds,
) -> list[Part]:
    """EarlyRobust minus its variant, in Aua% and Clean%, on the tasks that have it."""
    parts = []
    for each, main in _single(tasks):
        other = variant(each)
        if other is not None:
            parts.append(_compare(each.title, "Aua %", main, other, aua, f"EarlyRobust less {words}"))
            parts.append(_compare(each.title, "Clean %", main, other, clean, f"EarlyRobust less {words}"))
    return parts


def gamma_levels_off(tasks: Sequence[TaskResults]) -> list[Part]:
    """C9: Aua% by gamma."""
    parts = []
    for each, main in _single(tasks):
        curve = each.by("gamma")
        if not curve:
            continue
        paper = curve.get(GAMMA_OF_THE_PAPER, main)
        loose = [gamma for gamma in curve if gamma >= LOOSE_GAMMA]
        words = f"gamma {GAMMA_OF_THE_PAPER:g} less gamma {max(loose):g}" if loose else f"gamma {LOOSE_GAMMA:g} or more"
        parts.append(_compare(each.title, "Aua %", paper, curve[max(loose)] if loose else None, above(0), words))
        tight = [gamma for gamma in curve if gamma < GAMMA_OF_THE_PAPER]
        for gamma in tight or [None]:
            words = f"gamma {gamma:g} less gamma {GAMMA_OF_THE_PAPER:g}" if gamma else "a gamma below the paper's"
            tighter = curve[gamma] if gamma else None
            parts.append(_compare(each.title, "Aua %", tighter, paper, within(LEVEL), words))
    return parts


def initialisation_and_structure(tasks: Sequence[TaskResults]) -> list[Part]:
    """C10: the loss in Aua% and Clean% from redrawing the ticket's weights, and from keeping the whole network."""
    parts = []
    for each, main in _single(tasks):
        no_start, no_shape = (each.variant({"without": kind}) for kind in ("initialisation", "structure"))
        if no_start or no_shape:
            for plus, minus, words in (
                (main, no_start, "EarlyRobust less without initialisation"),
                (main, no_shape, "EarlyRobust less without structure"),
                (no_shape, no_start, "without structure less without initialisation"),
            ):
                parts += [
                    _compare(each.title, quantity, plus, minus, above(0), words) for quantity in ("Aua %", "Clean %")
                ]
    return parts


def good_sparsity(tasks: Sequence[TaskResults]) -> list[Part]:
    """C11: Aua% and Clean% by sparsity: the good range compared with the smallest and largest measured sparsity."""
    parts = []
    for each, _ in _single(tasks):
        curves = {field: each.by(field) for field in GOOD_SPARSITY}
        if not any(curves.values()):
            continue
        for field, (low, high) in GOOD_SPARSITY.items():
            curve = curves[field]
            good = [cell for value, cell in curve.items() if low - 1e-9 <= value <= high + 1e-9]
            least = [cell for value, cell in curve.items() if value < low - 1e-9][:1]
            most = [cell for value, cell in curve.items() if value > high + 1e-9][-1:]
            kind = f"{field.partition('_')[0]}s, good range less"
            parts.append(_compare(each.title, "Aua %", good, least, above(0), f"{kind} least pruned"))
            parts.append(_compare(each.title, "Aua %", good, most, above(0), f"{kind} most pruned"))
            parts.append(_compare(each.title, "Clean %", good, least, above(-SMALL_LOSS), f"{kind} least pruned"))
    return parts


def global_pruning(tasks: Sequence[TaskResults]) -> list[Part]:
    """C12: Aua% and Clean% for global and layer-wise ranking."""
    parts = []
    for each, _ in _single(tasks):
        main = each.main(OURS)
        cells = [main, *each.variants(*SCOPES)] if main else []
        by_scope = {tuple(setting(cell, scope) for scope in SCOPES): cell for cell in cells}
        if len(by_scope) < 2:
            continue
        both = by_scope.get(("global", "global"))
        heads, neurons = by_scope.get(("layerwise", "global")), by_scope.get(("global", "layerwise"))
        for other, kind in ((heads, "heads"), (neurons, "neurons")):
            words = f"global less layer-wise {kind}"
            parts.append(_compare(each.title, "Aua %", both, other, above(0), words))
            parts.append(_compare(each.title, "Clean %", both, other, within(SMALL_LOSS), words))
        words = "gap of layer-wise neurons less gap of layer-wise heads"
        parts.append(_compare(each.title, "Aua %", heads, neurons, above(0), words))
    return parts


def sparsity_patterns(tasks: Sequence[TaskResults]) -> list[Part]:
    """C13: in which layers heads and neurons are kept."""
    patterns = {each.task: kept for each, main in _single(tasks) if (kept := _kept_shares(main))}
    if not patterns:
        return []
    layers = _layers(patterns.get("sst2") or next(iter(patterns.values())))
    patterns = {task: kept for task, kept in patterns.items() if _layers(kept) == layers}
    parts = [_task_difference(patterns)]
    what = {kind: f"kept {kind} lean to upper layers" for kind in ("heads", "neurons")}
    if "sst2" not in patterns:
        return parts + [part for words in what.values() for part in _without_run(["sst2"], (), words, "correlation")]
    note = "Spearman's correlation of kept share and depth; t interval over runs"
    for place, (words, bounds) in enumerate(zip(what.values(), (above(0), Bounds(high=0)), strict=True)):
        estimate = over_runs(summarise([_lean(shares[place]) for shares in patterns["sst2"].values()]))
        parts.append(_judged(f"SST-2: {words}", "correlation", estimate, bounds, note))
    return parts


def _kept_shares(main: Measured) -> dict[int, np.ndarray]:
    """By seed, how the kept heads and neurons are spread over layers: (2, layers), each row with sum 1."""
    found = {}
    for seed, run in main.trainings.items():
        for stage in run.stages:
            kept = stage["trace"].get("kept")
            if kept:
                counts = np.array([kept["heads"], kept["neurons"]], float)
                found[seed] = counts / counts.sum(axis=1, keepdims=True)
    return found


def _layers(kept: Mapping[int, np.ndarray]) -> int:
    """Layers of the encoder; patterns of different encoders are not compared."""
    return next(iter(kept.values())).shape[1]


def _lean(shares: np.ndarray) -> float:
    """Spearman's correlation of share and depth; 0 for the same share in every layer."""
    return 0.0 if np.ptp(shares) == 0 else float(stats.spearmanr(np.arange(len(shares)), shares).statistic)


def _task_difference(patterns: Mapping[str, Mapping[int, np.ndarray]]) -> Part:
    """How much patterns of two tasks differ more than patterns of two runs of a task, by seed."""
    what, unit = "distance of patterns between tasks less between runs", "points"
    excess = []
    for seed in sorted(set.intersection(*(set(runs) for runs in patterns.values()))):
        apart = [_apart(first[seed], second[seed]) for first, second in combinations(patterns.values(), 2)]
        alike = [_apart(runs[seed], runs[other]) for runs in patterns.values() for other in runs if other != seed]
        if apart and alike:
            excess.append(float(np.mean(apart) - np.mean(alike)))
    if not excess:
        return Part(what, unit, None, "not measured", "needs two tasks and two runs")
    note = "100 × total variation over layers, mean of heads and neurons; t interval over runs"
    return _judged(what, unit, over_runs(summarise(excess)), above(0), note)


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    return 100 * float(np.abs(first - second).sum(axis=1).mean()) / 2


def pair_tasks(tasks: Sequence[TaskResults]) -> list[Part]:
    """C14: C3 and C5 on QNLI and QQP."""
    mains = {each.task: (each, main) for each in tasks if each.task in PAIR_TASKS and (main := each.main(OURS))}
    parts = []
    for each, main in mains.values():
        parts += [_over(each, main, defense, "Aua %", above(0)) for defense in ("fine_tune", "early_bert")]
        parts.append(_over(each, main, "fine_tune", "Clean %", above(-SMALL_LOSS)))
    return parts + _without_run(PAIR_TASKS, mains, "Aua %") if parts else []
