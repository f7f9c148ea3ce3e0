"""Verdicts on made-up results: each claim holds where it should, fails where it should, and says what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from made_up_victims import Made

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.defenses import TABLE_ORDER
from reports.claims import CLAIMS, Card, Judgement, judge
from reports.measured import measure
from reports.task_results import task_results

OTHERS = [defense for defense in TABLE_ORDER if defense != "early_robust"]


def card_of(made: Made) -> Card:
    return judge(task_results(measure(made.trainings, made.results)))


def verdict(made: Made, key: str) -> Judgement:
    return next(each for each in card_of(made).judgements if each.claim.key == key)


def searched(first: int = 4, masks: int = 12, heads=(1, 2, 3), neurons=(30, 20, 10), **changes) -> dict:
    """The stages of a run that heard so many masks, twenty an epoch, alike from the one called `first` on."""
    alike = [
        [float(min(one, other) < first and one != other) for other in range(1, masks + 1)]
        for one in range(1, masks + 1)
    ]
    trace = {
        "draw_epoch": masks / 20,
        "stop_epoch": masks / 20,
        "boundaries": [{"update": 10 * one} for one in range(1, masks + 1)],
    }
    trace |= {"mask_distances": {"heads": alike, "neurons": alike}}
    trace |= {"kept": {"heads": list(heads), "neurons": list(neurons)}}
    stages = [{"name": "search", "epochs": masks / 20, "updates_per_epoch": 200, "trace": trace}]
    return {"stages": stages, **changes}


def ablation(settings: dict, aua: int, clean: int) -> Made:
    """EarlyRobust with 120 of 200 texts withstood and 180 read rightly, and a variant of it."""
    return Made().add("early_robust", aua=120, clean=180).add("early_robust", settings=settings, aua=aua, clean=clean)


def table(aua: int, clean: int = 180, tasks: tuple[str, ...] = ("sst2",), seconds: float = 10.0) -> Made:
    """All methods: the others withstand 100 of 200 texts and take 80 s."""
    made = Made()
    for task in tasks:
        made.add("early_robust", task=task, aua=aua, clean=clean, seconds=seconds)
        for defense in OTHERS:
            made.add(defense, task=task, aua=100, clean=180, seconds=80.0)
    return made


def curve(field: str, values: dict[float, tuple[int, int]]) -> Made:
    made = Made()
    for value, (aua, clean) in values.items():
        made.add("early_robust", settings={field: value}, aua=aua, clean=clean)
    return made


def scopes(both: int, heads: int, neurons: int, clean: int = 180) -> Made:
    """EarlyRobust and its layer-wise variants: texts that each withstands, and that layer-wise ones read rightly."""
    made = Made().add("early_robust", aua=both)
    made.add("early_robust", settings={"head_scope": "layerwise"}, aua=heads, clean=clean)
    return made.add("early_robust", settings={"neuron_scope": "layerwise"}, aua=neurons, clean=clean)


def parts_of_the_ticket(initialisation: tuple[int, int], structure: tuple[int, int]) -> Made:
    """EarlyRobust withstands 150 texts and reads 180 rightly; its two ablations so many."""
    made = Made().add("early_robust", aua=150)
    for lacking, (aua, clean) in (("initialisation", initialisation), ("structure", structure)):
        made.add("early_robust", aua=aua, clean=clean, extra={"without": lacking})
    return made


def patterns(sst2: tuple, imdb: tuple) -> Made:
    made = Made()
    for task, (heads, neurons) in (("sst2", sst2), ("imdb", imdb)):
        for seed in (42, 43, 44):
            kept = [count + (seed + place) % 2 for place, count in enumerate(heads)]
            made.add("early_robust", task=task, seeds=(seed,), **searched(heads=kept, neurons=neurons))
    return made


UP, DOWN = (10, 20, 30), (30, 20, 10)
MAIN_TASKS, PAIRS = ("imdb", "ag_news", "sst2"), ("qnli", "qqp")
CLEAN_SEARCH = {"search.steps": 1, "search.init_magnitude": 0.0}
NO_PENALTY = {"lambda_heads": 0.0, "lambda_neurons": 0.0}
RANDOM = {"ticket": "random", "ticket_seed": 3}

CASES: list[tuple[str, str, Callable[[], Made]]] = [
    ("C1", "supported", lambda: Made().add("early_robust", **searched(4))),
    ("C1", "not supported", lambda: Made().add("early_robust", **searched(7))),
    ("C1", "not supported", lambda: Made().add("early_robust", **searched(12))),
    (
        "C1",
        "inconclusive",
        lambda: Made().add("early_robust", seeds=(42,), **searched(7)).add("early_robust", seeds=(43,), **searched(4)),
    ),
    ("C2", "supported", lambda: table(120, seconds=5.0)),
    ("C2", "inconclusive", lambda: table(120, seconds=8.0)),
    ("C2", "inconclusive", lambda: table(120, seconds=20.0)),
    ("C2", "not supported", lambda: table(120, seconds=20.0, tasks=MAIN_TASKS)),
    ("C2", "not supported", lambda: table(120, seconds=8.0, tasks=MAIN_TASKS)),
    ("C3", "supported", lambda: table(120, tasks=MAIN_TASKS)),
    ("C3", "inconclusive", lambda: table(120)),
    ("C3", "not supported", lambda: table(80)),
    ("C3", "inconclusive", lambda: table(100)),
    ("C4", "supported", lambda: table(120, tasks=MAIN_TASKS)),
    ("C4", "not supported", lambda: table(60, tasks=MAIN_TASKS)),
    ("C4", "inconclusive", lambda: table(120, tasks=MAIN_TASKS[:2])),
    ("C5", "supported", lambda: table(100, clean=181)),
    ("C5", "not supported", lambda: table(100, clean=150)),
    ("C6", "supported", lambda: ablation(CLEAN_SEARCH, 80, 180)),
    ("C6", "not supported", lambda: ablation(CLEAN_SEARCH, 160, 180)),
    ("C6", "not supported", lambda: ablation(CLEAN_SEARCH, 80, 120)),
    ("C7", "supported", lambda: ablation(NO_PENALTY, 80, 150)),
    ("C7", "not supported", lambda: ablation(NO_PENALTY, 80, 195)),
    ("C8", "supported", lambda: ablation(RANDOM, 80, 180)),
    ("C8", "not supported", lambda: ablation(RANDOM, 80, 100)),
    ("C9", "supported", lambda: curve("gamma", {0.5: (60, 180), 0.1: (100, 180), 0.05: (101, 180)})),
    ("C9", "not supported", lambda: curve("gamma", {0.5: (60, 180), 0.1: (100, 180), 0.05: (150, 180)})),
    ("C9", "inconclusive", lambda: curve("gamma", {0.5: (60, 180), 0.1: (100, 180)})),
    ("C10", "supported", lambda: parts_of_the_ticket((50, 120), (100, 150))),
    ("C10", "not supported", lambda: parts_of_the_ticket((100, 150), (50, 120))),
    ("C10", "not supported", lambda: parts_of_the_ticket((50, 195), (100, 150))),
    ("C11", "not supported", lambda: curve("head_sparsity", {0: (60, 182), 2 / 12: (100, 180), 0.5: (140, 100)})),
    ("C12", "supported", lambda: scopes(150, 120, 60)),
    ("C12", "not supported", lambda: scopes(150, 60, 120)),
    ("C12", "not supported", lambda: scopes(150, 120, 60, clean=140)),
    ("C12", "not supported", lambda: scopes(120, 150, 180)),
    ("C12", "inconclusive", lambda: scopes(150, 151, 60)),
    ("C13", "supported", lambda: patterns((UP, DOWN), (DOWN, UP))),
    ("C13", "not supported", lambda: patterns((DOWN, UP), (UP, DOWN))),
    ("C13", "not supported", lambda: patterns((UP, UP), (DOWN, UP))),
    ("C13", "not supported", lambda: patterns((DOWN, DOWN), (UP, DOWN))),
    ("C14", "supported", lambda: table(120, clean=181, tasks=PAIRS)),
    ("C14", "not supported", lambda: table(80, clean=181, tasks=PAIRS)),
    ("C14", "inconclusive", lambda: table(120, clean=181, tasks=PAIRS[:1])),
]


@pytest.mark.parametrize(("key", "expected", "made"), CASES)
def test_a_claim_is_judged_by_its_rule(key: str, expected: str, made: Callable[[], Made]) -> None:
    found = verdict(made(), key)
    assert found.verdict == expected, found.parts
    assert found.deciding is not None and math.isfinite(found.deciding.estimate.value)
    estimate = found.deciding.estimate
    assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9  # the mean of equal numbers is rounded


def test_good_sparsities_of_heads_and_of_neurons_are_both_asked_for() -> None:
    made = curve("head_sparsity", {0: (60, 181), 2 / 12: (100, 180), 3 / 12: (102, 180), 0.5: (60, 170)})
    found = verdict(made, "C11")
    assert found.verdict == "inconclusive"
    assert [part.what for part in found.parts if part.verdict == "supported"] == [
        "SST-2: Aua %, heads, good range less least pruned",
        "SST-2: Aua %, heads, good range less most pruned",
        "SST-2: Clean %, heads, good range less least pruned",
    ]
    for sparsity in (0.0, 0.7):
        made.add("early_robust", settings={"neuron_sparsity": sparsity}, aua=60)
    assert verdict(made, "C11").verdict == "supported"


def test_nothing_measured_is_not_measured_and_says_what_would() -> None:
    found = card_of(Made())
    assert [each.claim.key for each in found.judgements] == [f"C{number}" for number in range(1, 15)]
    for each in found.judgements:
        assert (each.verdict, each.deciding) == ("not measured", None)
        assert set(re.split(", | and ", each.claim.measured_by)) <= set(EXPERIMENTS)


def test_other_surroundings_are_left_out_and_counted() -> None:
    made = Made().add("early_robust").add("fine_tune").add("fine_tune", surroundings={"data": "other"}, aua=0)
    found = card_of(made)
    assert found.left_out == {"SST-2": 1}
    assert verdict(made, "C3").parts[0].estimate.value == 0


def test_a_search_that_was_only_looked_at_is_no_departure() -> None:
    looked_at = {"epochs": 1e-6, "search_to_cap": True}
    made = Made().add("early_robust").add("early_robust", settings=looked_at, recipes=())
    assert not any("epochs" in words for words in card_of(made).departures["SST-2"])
    made.add("early_robust", settings={"epochs": 3})
    assert "3 epochs for 10" in card_of(made).departures["SST-2"]


def test_generated_and_other_data_judge_nothing() -> None:
    made = Made()
    for task in ("demo", "reviews"):
        made.add("early_robust", task=task, aua=20, seconds=99.0, **searched(12))
        for defense in OTHERS:
            made.add(defense, task=task, aua=150)
    found = card_of(made)
    assert {each.verdict for each in found.judgements} == {"not measured"} and not found.judges
    assert not any(each.parts for each in found.judgements)
    assert found.not_judged == {
        "Demo": "not judged on generated data",
        "reviews": "not judged on data that the paper did not use",
    }
    made.add("early_robust", aua=120).add("fine_tune")
    beside = card_of(made)
    assert beside.judges and verdict(made, "C5").verdict == "supported"
    measured = [part.what for each in beside.judgements for part in each.parts]
    assert measured and not any(name in what for what in measured for name in ("Demo", "reviews"))


def test_departures_from_the_paper_are_told_by_task() -> None:
    found = card_of(Made().add("early_robust", task="demo"))
    assert found.departures == {"Demo": ("Demo is no data set of the paper", "attacks in the offline profile")}


def test_claims_are_fourteen_and_each_has_a_rule() -> None:
    assert len({claim.weigh for claim in CLAIMS}) == len(CLAIMS) == 14
    assert all(claim.meaning and claim.section and claim.rule for claim in CLAIMS)


@pytest.mark.parametrize("claim", ["C3", "C4", "C5"])
def test_methods_under_unlike_schedules_are_not_judged_and_the_difference_is_named(claim: str) -> None:
    made = Made().add("early_robust", aua=120, settings={"weight_decay": 0.0}, seconds=8.0)
    for defense in OTHERS:
        made.add(defense, aua=100, seconds=80.0)
    parts = [part for part in verdict(made, claim).parts if part.note != "no such run"]
    assert parts and {part.verdict for part in parts} == {"not measured"}
    assert {part.note for part in parts} == {"unlike schedules: weight_decay is 0.01 and 0.0"}
    assert verdict(made, "C2").verdict == "not measured"
