"""What the paper's claims rest on: for each claim, its measurements with a verdict on each alone.

"Small", "slightly" and "level" carry no numbers in the paper's text; the margins below are this suite's. A comparison
of accuracy under attack takes the mean over the attacks that both sides met.

Source: Xi et al., EMNLP 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Literal

import numpy as np
from scipy import stats

from baselines.validation import UserError
from benchmarks.data.tasks import TASKS
from benchmarks.experiments.defenses import TABLE_ORDER, find_defense
from reports.frame import conditions, counted_seconds, unlike_schedules
from reports.measured import Measured
from reports.statistics import Estimate, Summary, require_comparable, summarise, time_ratio
from reports.task_results import OURS, Quantity, TaskResults, contrast, setting

Verdict = Literal["supported", "not supported", "inconclusive", "not measured"]
Rule = Callable[[Estimate], Verdict]

SMALL_LOSS = 2.0
SLIGHT_LOSS = 5.0
LEVEL = 5.0
LEAST_SPEEDUP = 7.0
SETTLED_EPOCHS = (0.15, 0.30)
GAMMA_OF_THE_PAPER = 0.1
LOOSE_GAMMA = 0.3
GOOD_SPARSITY = {"head_sparsity": (1 / 6, 1 / 4), "neuron_sparsity": (0.2, 0.4)}

ADVERSARIAL = ("pgd", "freelb", "info_bert", "robust_ticket")
PAIR_TASKS = ("qnli", "qqp")
SCOPES = ("head_scope", "neuron_scope")


@dataclass(frozen=True)
class Part:
    """One measurement that a claim rests on.

    Attributes:
        what: the quantity in words, with the task.
        unit: "points", "×", "epochs" or "correlation".
        estimate: None where it was not measured.
        verdict: of the claim's rule on this part alone.
        note: what the reader must know of it.
    """

    what: str
    unit: str
    estimate: Estimate | None
    verdict: Verdict
    note: str = ""


def above(bound: float) -> Rule:
    """Supported where the whole interval is above the bound, not supported where it is below."""
    return lambda found: _decide(found.low > bound, found.high < bound)


def within(low: float, high: float) -> Rule:
    """Supported where the whole interval is inside the bounds, not supported where it is outside."""
    return lambda found: _decide(low <= found.low and found.high <= high, found.high < low or found.low > high)


def _decide(supported: bool, refuted: bool) -> Verdict:
    return "supported" if supported else "not supported" if refuted else "inconclusive"


def _compare(
    where: str,
    quantity: Quantity,
    plus: Measured | Sequence[Measured] | None,
    minus: Measured | Sequence[Measured] | None,
    rule: Rule,
    words: str,
) -> Part:
    """A contrast as a part; not measured where a side is absent or nothing is shared."""
    what = f"{where}: {quantity}, {words}"
    if not plus or not minus:
        return Part(what, "points", None, "not measured", "no such run")
    sides = [[side] if isinstance(side, Measured) else list(side) for side in (plus, minus)]
    found = contrast(quantity, *sides)
    if found is None:
        return Part(what, "points", None, "not measured", "no run and attack in common")
    note = "one run: the interval is over texts alone" if found.runs == 1 else ""
    return _part(what, "points", found, rule(found), note)


def _part(what: str, unit: str, estimate: Estimate, verdict: Verdict, note: str = "") -> Part:
    """A measured part; a single run decides nothing."""
    return Part(what, unit, estimate, verdict if estimate.runs > 1 else "inconclusive", note)


def _single(tasks: Sequence[TaskResults]) -> list[tuple[TaskResults, Measured]]:
    """Tasks of single texts that have EarlyRobust's main cell, with it."""
    return [(each, main) for each in tasks if each.task not in PAIR_TASKS and (main := each.main(OURS))]


def _title(defense: str) -> str:
    return find_defense(defense).title


def settled(tasks: Sequence[TaskResults]) -> list[Part]:
    """C1: when tickets are drawn, in epochs of search."""
    parts = []
    for each, main in _single(tasks):
        traces = [
            stage["trace"] for run in main.trainings.values() for stage in run.stages if stage["name"] == "search"
        ]
        if not traces:
            continue
        drawn, stopped = ([trace[name] for trace in traces] for name in ("draw_epoch", "stop_epoch"))
        low, high = SETTLED_EPOCHS
        early = [trace["converged"] and low <= trace["draw_epoch"] <= high for trace in traces]
        note = f"stopped at {fmean(stopped):.2f}; the interval is the range over runs"
        unsettled = sum(not trace["converged"] for trace in traces)
        if unsettled:
            note += f"; {unsettled} of {len(traces)} runs did not settle"
        estimate = Estimate(fmean(drawn), min(drawn), max(drawn), len(drawn))
        verdict = _decide(all(early), not any(early))
        parts.append(_part(f"{each.title}: draw epoch", "epochs", estimate, verdict, note))
    return parts


def faster(tasks: Sequence[TaskResults]) -> list[Part]:
    """C2: training time of each adversarial method over EarlyRobust's."""
    parts = []
    for each, main in _single(tasks):
        for defense in ADVERSARIAL:
            what = f"{each.title}: {_title(defense)}'s training time over EarlyRobust's"
            parts.append(_speedup(what, each.main(defense), main))
    return parts


def _speedup(what: str, baseline: Measured | None, main: Measured) -> Part:
    if baseline is None:
        return Part(what, "×", None, "not measured", "no such run")
    try:
        for one in baseline.trainings.values():
            for other in main.trainings.values():
                require_comparable(conditions(one), conditions(other))
    except UserError as unlike:
        return Part(what, "×", None, "not measured", str(unlike))
    found = time_ratio(*(counted_seconds(cell.trainings.values()) for cell in (baseline, main)))
    if not found.count:
        return Part(what, "×", None, "not measured", "no block in which both times count")
    steps = setting(baseline, "search.steps") or setting(baseline, "steps")
    clock = next(iter(main.trainings.values())).clock
    note = f"K {steps}, in EarlyRobust's search {setting(main, 'search.steps')}; clock {clock}"
    if found.count == 1:
        note += "; one block has no interval"
    estimate = _of_runs(found)
    return _part(what, "×", estimate, above(LEAST_SPEEDUP)(estimate), note)


def _of_runs(found: Summary) -> Estimate:
    return Estimate(found.mean, found.low, found.high, found.count)


def _over(each: TaskResults, main: Measured, defense: str, quantity: Quantity, rule: Rule) -> Part:
    """EarlyRobust less another method; not measured where their optimisers were driven differently."""
    other, words = each.main(defense), f"EarlyRobust less {_title(defense)}"
    runs = [next(iter(cell.trainings.values()), None) for cell in (other, main) if cell is not None]
    if len(runs) == 2 and all(runs) and (unlike := unlike_schedules(*runs)):
        return Part(f"{each.title}: {quantity}, {words}", "points", None, "not measured", f"unlike schedules: {unlike}")
    return _compare(each.title, quantity, main, other, rule, words)


def more_robust(tasks: Sequence[TaskResults]) -> list[Part]:
    """C3: Aua% over methods without adversarial training."""
    return [
        _over(each, main, defense, "Aua %", above(0))
        for each, main in _single(tasks)
        for defense in ("fine_tune", "early_bert")
    ]


def most_robust(tasks: Sequence[TaskResults]) -> list[Part]:
    """C4: Aua% over every method on IMDB and AG News; not far below FreeLB on SST-2."""
    mains = {each.task: (each, main) for each, main in _single(tasks)}
    parts = []
    for task in ("imdb", "ag_news"):
        others = [defense for defense in TABLE_ORDER if defense != OURS]
        parts += [_over(*mains[task], defense, "Aua %", above(0)) for defense in others if task in mains]
    if "sst2" in mains:
        parts.append(_over(*mains["sst2"], "freelb", "Aua %", above(-SLIGHT_LOSS)))
    absent = [TASKS[task].title for task in ("imdb", "ag_news", "sst2") if task not in mains]
    return parts + [Part(f"{title}: Aua %", "points", None, "not measured", "no such run") for title in absent]


def little_clean_loss(tasks: Sequence[TaskResults]) -> list[Part]:
    """C5: Clean% against fine-tuning."""
    return [_over(each, main, "fine_tune", "Clean %", above(-SMALL_LOSS)) for each, main in _single(tasks)]


def adversarial_search(tasks: Sequence[TaskResults]) -> list[Part]:
    """C6: the ablation of the search's adversarial loss."""
    same = within(-SMALL_LOSS, SMALL_LOSS)
    return _ablation(tasks, "without adversarial loss", _without_adversarial_loss, above(0), same)


def regulariser(tasks: Sequence[TaskResults]) -> list[Part]:
    """C7: the ablation of the L1 penalty."""
    return _ablation(tasks, "without regulariser", _without_regulariser, above(0), above(0))


def random_tickets(tasks: Sequence[TaskResults]) -> list[Part]:
    """C8: the ablation of the search."""
    return _ablation(tasks, "random ticket", _random_ticket, above(0), within(-SMALL_LOSS, SMALL_LOSS))


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
    aua: Rule,
    clean: Rule,
) -> list[Part]:
    """EarlyRobust less its variant, in Aua% and Clean%, on the tasks that have it."""
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
            parts.append(_compare(each.title, "Aua %", tighter, paper, within(-LEVEL, LEVEL), words))
    return parts


def initialisation_and_structure(tasks: Sequence[TaskResults]) -> list[Part]:
    """C10: what redrawing the ticket's weights, and what keeping the whole network, costs."""
    parts = []
    for each, main in _single(tasks):
        no_start, no_shape = (each.variant({"without": kind}) for kind in ("initialisation", "structure"))
        if no_start or no_shape:
            for plus, minus, words in (
                (main, no_start, "EarlyRobust less without initialisation"),
                (main, no_shape, "EarlyRobust less without structure"),
                (no_shape, no_start, "without structure less without initialisation"),
            ):
                parts.append(_compare(each.title, "Aua %", plus, minus, above(0), words))
    return parts


def good_sparsity(tasks: Sequence[TaskResults]) -> list[Part]:
    """C11: Aua% and Clean% by sparsity, within the good range against the ends measured."""
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
    """C12: Aua% by what the ranking runs over."""
    parts = []
    for each, _ in _single(tasks):
        main = each.main(OURS)
        cells = [main, *each.variants(*SCOPES)] if main else []
        by_scope = {tuple(setting(cell, scope) for scope in SCOPES): cell for cell in cells}
        if len(by_scope) < 2:
            continue
        both = by_scope.get(("global", "global"))
        heads, neurons = by_scope.get(("layerwise", "global")), by_scope.get(("global", "layerwise"))
        at_least = above(-SMALL_LOSS)
        for other, words in ((heads, "heads"), (neurons, "neurons")):
            parts.append(_compare(each.title, "Aua %", both, other, at_least, f"global less layer-wise {words}"))
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
    what = "SST-2: lean of kept heads to upper layers less that of kept neurons"
    if "sst2" not in patterns:
        return [*parts, Part(what, "correlation", None, "not measured", "no such run")]
    leans = [_lean(heads) - _lean(neurons) for heads, neurons in patterns["sst2"].values()]
    estimate = _of_runs(summarise(leans))
    note = "Spearman's correlation of kept share and depth; t interval over runs"
    return [*parts, _part(what, "correlation", estimate, above(0)(estimate), note)]


def _kept_shares(main: Measured) -> dict[int, np.ndarray]:
    """By seed, how heads and neurons that were kept spread over layers: (2, layers), each row adding up to 1."""
    found = {}
    for seed, run in main.trainings.items():
        for stage in run.stages:
            kept = stage["trace"].get("kept")
            if kept:
                counts = np.array([kept["heads"], kept["neurons"]], float)
                found[seed] = counts / counts.sum(axis=1, keepdims=True)
    return found


def _layers(kept: Mapping[int, np.ndarray]) -> int:
    """Layers of the encoder; patterns of unlike encoders are not compared."""
    return next(iter(kept.values())).shape[1]


def _lean(shares: np.ndarray) -> float:
    """Spearman's correlation of share and depth; 0 for the same share in every layer."""
    return 0.0 if np.ptp(shares) == 0 else float(stats.spearmanr(np.arange(len(shares)), shares).statistic)


def _task_difference(patterns: Mapping[str, Mapping[int, np.ndarray]]) -> Part:
    """How much further apart patterns of two tasks are than patterns of two runs of a task, by seed."""
    what, unit = "distance of patterns between tasks less between runs", "points"
    excess = []
    for seed in sorted(set.intersection(*(set(runs) for runs in patterns.values()))):
        apart = [_apart(first[seed], second[seed]) for first, second in combinations(patterns.values(), 2)]
        alike = [_apart(runs[seed], runs[other]) for runs in patterns.values() for other in runs if other != seed]
        if apart and alike:
            excess.append(float(np.mean(apart) - np.mean(alike)))
    if not excess:
        return Part(what, unit, None, "not measured", "needs two tasks and two runs")
    estimate = _of_runs(summarise(excess))
    note = "100 × total variation over layers, mean of heads and neurons; t interval over runs"
    return _part(what, unit, estimate, above(0)(estimate), note)


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    return 100 * float(np.abs(first - second).sum(axis=1).mean()) / 2


def pair_tasks(tasks: Sequence[TaskResults]) -> list[Part]:
    """C14: C3 and C5 on QNLI and QQP."""
    mains = {each.task: (each, main) for each in tasks if each.task in PAIR_TASKS and (main := each.main(OURS))}
    parts = []
    for each, main in mains.values():
        parts += [_over(each, main, defense, "Aua %", above(0)) for defense in ("fine_tune", "early_bert")]
        parts.append(_over(each, main, "fine_tune", "Clean %", above(-SMALL_LOSS)))
    absent = [TASKS[task].title for task in PAIR_TASKS if task not in mains]
    missing = [Part(f"{title}: Aua %", "points", None, "not measured", "no such run") for title in absent]
    return [*parts, *missing] if parts else []
