"""TextAttack's loop on our parts: what is counted, drawn, protected and reported."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from benchmarks.attacks.homoglyphs import HOMOGLYPHS
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.reference import attack_all
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.data.examples import Example
from benchmarks.results.metrics import aua_percent, clean_percent

OURS = ["textfooler", "textbugger", "bertattack_official"]
STOP = {"the", "was", "and", "a"}


def run(victim, examples, key, resources, **options):
    """The outcomes of one recipe."""
    given = {"seed": 7, "columns": ("text",)} | options
    return list(attack_all(victim, examples, find_recipe(key), resources, **given))


def with_right_labels(victim, examples):
    """The examples with the labels that the victim reads."""
    read = victim([example.texts for example in examples]).argmax(axis=1)
    return [dataclasses.replace(example, label=int(label)) for example, label in zip(examples, read, strict=True)]


@pytest.mark.parametrize("key", OURS)
def test_outcomes_stand_in_order_and_add_up(victim, examples, resources, key: str) -> None:
    outcomes = run(victim, examples, key, resources)
    read = victim([example.texts for example in examples]).argmax(axis=1)
    final = victim([outcome.perturbed for outcome in outcomes]).argmax(axis=1)
    assert [outcome.example_id for outcome in outcomes] == [example.id for example in examples]
    for outcome, example, before, after in zip(outcomes, examples, read, final, strict=True):
        assert outcome.error is None
        assert (outcome.status == "skipped") == (before != example.label)
        assert (outcome.status == "failed") == (after == example.label)
        assert outcome.original == example.texts
    assert clean_percent(outcomes) == 100 * (read == [e.label for e in examples]).mean()
    assert aua_percent(outcomes) <= clean_percent(outcomes)


@pytest.mark.parametrize("key", ["textfooler", "bertattack_official"])
def test_an_attack_without_candidates_returns_the_text_and_counts_its_ranking(victim, examples, resources, key) -> None:
    right = with_right_labels(victim, examples)
    nothing = dataclasses.replace(resources, synonyms=NeighbourList({}, "nothing"))
    for outcome in run(victim, right, key, nothing):
        assert outcome.status == "failed" and outcome.perturbed == outcome.original and outcome.words_changed == 0
        words = outcome.original[0].replace(",", "").replace(".", "").replace("!", "").split()
        # The first query, then one for each word that may change; "The" and "A" are no stop words to TextAttack.
        assert outcome.queries == 1 + sum(word not in STOP for word in words)
        assert outcome.words == len(words)


@pytest.mark.parametrize("key", ["textfooler", "bertattack_official"])
def test_stop_words_stay_and_words_change_within_their_group(victim, examples, resources, key) -> None:
    changed = 0
    for outcome in run(victim, with_right_labels(victim, examples), key, resources):
        for old, new in zip(outcome.original[0].split(), outcome.perturbed[0].split(), strict=True):
            old, new = old.strip(".,!"), new.strip(".,!")
            if old != new:
                changed += 1
                assert old not in STOP
                assert new.lower() in resources.synonyms.neighbours(old.lower(), 50)
    assert changed > 0


def test_textbugger_changes_letters_and_spaces_alone_where_there_are_no_neighbours(victim, examples, resources) -> None:
    nothing = dataclasses.replace(resources, synonyms=NeighbourList({}, "nothing"))
    plain = {alike: letter for letter, alike in HOMOGLYPHS.items() if letter.isalpha()}
    outcomes = run(victim, with_right_labels(victim, examples), "textbugger", nothing)
    assert any(outcome.perturbed != outcome.original for outcome in outcomes)
    for outcome in outcomes:
        read = {letter for text in outcome.perturbed for letter in text}
        assert {plain.get(letter, letter) for letter in read} <= set(outcome.original[0]) | {" "}


@pytest.mark.parametrize("key", OURS)
def test_a_subset_in_another_order_gives_the_same_outcomes(victim, examples, resources, key: str) -> None:
    right = with_right_labels(victim, examples)
    whole = {outcome.example_id: outcome for outcome in run(victim, right, key, resources)}
    for outcome in run(victim, right[::-2], key, resources):
        assert outcome == whole[outcome.example_id]


def test_the_seed_alone_decides_what_is_drawn(victim, examples, resources) -> None:
    right = with_right_labels(victim, examples)
    drawn = []
    for state, seed in ((1, 7), (2, 7), (1, 8)):
        np.random.seed(state)
        drawn.append(run(victim, right, "textbugger", resources, seed=seed))
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_global_generators_are_left_as_they_were(victim, examples, resources) -> None:
    random.seed(3)
    np.random.seed(3)
    before = random.getstate(), np.random.get_state()[1].tolist()
    run(victim, examples, "textbugger", resources)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_a_premise_is_left_alone_by_textfooler_and_other_columns_are_not(victim, resources) -> None:
    pairs = [Example("test-0", ("the film was good", "the food was bad"), 0)]
    right = with_right_labels(victim, pairs)
    queries = {}
    nothing = dataclasses.replace(resources, synonyms=NeighbourList({}, "nothing"))
    for columns in (("premise", "hypothesis"), ("question", "sentence")):
        (outcome,) = run(victim, right, "textfooler", nothing, columns=columns)
        assert outcome.perturbed == pairs[0].texts
        queries[columns[0]] = outcome.queries
    assert queries == {"premise": 3, "question": 5}


def test_an_attack_that_breaks_is_an_outcome_and_the_others_go_on(victim, examples, resources) -> None:
    right = with_right_labels(victim, examples)
    expected = run(victim, right, "textfooler", resources)

    class Breaking(NeighbourList):
        def neighbours(self, word, k):
            if word == "plot":
                raise ZeroDivisionError("broken on purpose")
            return resources.synonyms.neighbours(word, k)

    broken = run(victim, right, "textfooler", dataclasses.replace(resources, synonyms=Breaking({}, "breaks")))
    assert {outcome.status for outcome in broken} > {"error"}
    for outcome, usual in zip(broken, expected, strict=True):
        if outcome.status == "error":
            assert "broken on purpose" in outcome.error and "plot" in outcome.original[0]
        else:
            assert outcome == usual


def test_bertattack_is_refused_before_textattack_is_touched(victim, examples, resources) -> None:
    with pytest.raises(ValueError, match="earlyrobust prepare"):
        run(victim, examples, "bertattack", resources)
