"""Whether a run may stand beside the paper's numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import attack, outcome, training
from made_up_victims import Made

from benchmarks.results.records import TrainingRecord
from reports.comparability import attack_departures, cell_departures, departures
from reports.frame import AttackResult
from reports.measured import measure

PAPER = {"settings": {"epochs": 10}, "batch_size": 32, "max_length": 128}


def as_in_the_paper(**changes) -> TrainingRecord:
    """A run on all of SST-2 with BERT-base under a head of two classes."""
    record = training(parameters_before=109_483_778, clean_correct="1" * 872)
    stages = [{"name": "train", "updates_per_epoch": 2105, "trace": {}}]
    return replace(record, **({"identity": PAPER, "stages": stages} | changes))


def test_a_run_of_the_paper_s_size_departs_in_nothing() -> None:
    assert departures(as_in_the_paper()) == []


CHANGES = {
    "a backbone of 23 M parameters for BERT-base": {"parameters_before": 22_713_986},
    "about 4000 training texts for 67349": {
        "stages": [{"name": "train", "updates_per_epoch": 125, "trace": {}}],
    },
    "500 test texts for 872": {"clean_correct": "1" * 500},
    "3 epochs for 10": {"identity": PAPER | {"settings": {"epochs": 3}}},
    "64 tokens for 128": {"identity": PAPER | {"max_length": 64}},
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_each_departure_is_named(sentence: str) -> None:
    assert departures(as_in_the_paper(**CHANGES[sentence])) == [sentence]


def test_another_batch_size_is_named_and_the_texts_are_still_all() -> None:
    stages = [{"name": "train", "updates_per_epoch": 67_349 // 16 + 1, "trace": {}}]
    found = departures(as_in_the_paper(identity=PAPER | {"batch_size": 16}, stages=stages))
    assert found == ["16 texts in a batch for 32"]


@pytest.mark.parametrize(("task", "title"), [("demo", "Demo"), ("reviews", "reviews")])
def test_other_data_is_no_data_set_of_the_paper(task: str, title: str) -> None:
    assert departures(as_in_the_paper(task=task)) == [f"{title} is no data set of the paper"]


def test_attacks_are_judged_by_their_texts_and_resources() -> None:
    record = as_in_the_paper()
    results = []
    for texts, profile in ((872, "full"), (4, "offline")):
        made = attack(record, key=profile, texts=texts)
        made = replace(made, identity=made.identity | {"resources": {"profile": profile}})
        results.append(AttackResult(made, [outcome(number) for number in range(texts)]))
    (cell,) = measure({record.key: record}, results)
    found = {len(each.example_ids): attack_departures(each, "sst2") for each in cell.attacks}
    few = ["4 attacked texts for 872", "attacks in the offline profile"]
    assert found == {872: [], 4: few}
    assert cell_departures(cell) == few


def test_a_departure_of_every_run_is_told_once() -> None:
    made = Made().add("pgd", task="demo")
    (cell,) = measure(made.trainings, made.results)
    assert cell_departures(cell) == ["Demo is no data set of the paper", "attacks in the offline profile"]
