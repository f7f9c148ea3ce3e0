"""Charmer against brute force on victims that weigh letters; places, words, budgets and pairs it must keep to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from baselines.validation import UserError
from benchmarks.attacks import reference
from benchmarks.attacks.character_edits import NOTHING, all_places, alphabet_of, edits
from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.recipe import CharacterEdits, Recipe
from benchmarks.attacks.recipes import CHARMER, CHARMER_FAST, CHARMER_PJC
from benchmarks.data.examples import Example

TEXT = "banana a nab, within a long band"
WEIGHTS = {"a": 3.0, "n": 2.0, "b": 1.0, "z": -5.0, ",": 0.5}


class Letters:
    """Label 0 as long as the weights of the last text's letters sum to more than the bound."""

    classes = 2

    def __init__(self, bound: float = -1000.0) -> None:
        self.bound, self.queries, self.read = bound, 0, []

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        self.queries += len(texts)
        self.read += texts
        weights = [sum(WEIGHTS.get(letter, 0.0) for letter in text[-1]) for text in texts]
        return np.array([[weight, self.bound] for weight in weights])


class Stubborn(Letters):
    """Every other text is read with more confidence than this one."""

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        super().logits(texts)
        return np.array([[1.0 if text[-1] == TEXT else 2.0, 0.0] for text in texts])


@pytest.fixture
def resources(resources):
    return dataclasses.replace(resources, alphabet=alphabet_of([(TEXT,), ("z",)]))


def attacked(victim, recipe: Recipe, resources, *texts: str, **options):
    example = Example("test-0", texts or (TEXT,), 0)
    columns = ("text",) if len(example.texts) == 1 else ("question", "sentence")
    (outcome,) = attack_all(victim, [example], recipe, resources, seed=1, columns=columns, **options)
    return outcome


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    return dataclasses.replace(recipe, character_edits=dataclasses.replace(recipe.character_edits, steps=steps))


@pytest.mark.parametrize("recipe", [CHARMER, CHARMER_FAST])
def test_one_step_is_the_best_of_all_edits(recipe: Recipe, resources) -> None:
    outcome = attacked(Letters(), with_steps(recipe, 1), resources)
    every = [(text,) for _, text in edits(TEXT, all_places(TEXT), [*resources.alphabet, NOTHING])]
    best = Letters().logits(every)[:, 0].min()
    assert Letters().logits([outcome.perturbed])[0, 0] == best == Letters().logits([(TEXT,)])[0, 0] - 8
    assert outcome.status == "failed" and (outcome.characters_changed, outcome.words_changed) == (1, 1)
    asked = recipe.character_edits.places * (len(resources.alphabet) + 1)
    assert outcome.queries == 1 + (2 * len(TEXT) + 1) + asked


def test_it_ends_with_the_edit_that_succeeds(resources) -> None:
    whole = Letters().logits([(TEXT,)])[0, 0]
    for needed in (1, 2, 4):
        victim = Letters(whole - 8 * needed + 1)
        outcome = attacked(victim, CHARMER, resources)
        assert (outcome.status, outcome.characters_changed) == ("successful", needed)
        assert victim.queries == outcome.queries + 1, "a success is asked again, and not counted"
    assert attacked(Letters(whole + 1), CHARMER, resources).status == "skipped"
    assert attacked(Letters(whole - 8 * 10 - 1), CHARMER, resources).characters_changed == 10


def test_inside_words_the_ends_of_words_stay_and_no_word_changes_twice(resources) -> None:
    victim = Letters()
    outcome = attacked(victim, CHARMER_PJC, resources)
    before, after = (re.findall(r"\w+", text) for text in (TEXT, outcome.perturbed[0]))
    changed = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
    assert [one for one, _ in changed] == ["banana", "within", "long", "band"] and outcome.words_changed == 4
    assert all(one[0] == two[0] and one[-1] == two[-1] for one, two in changed)
    assert all(Levenshtein.distance(one, two) == 1 for one, two in changed)
    assert re.sub(r"\w+", "", TEXT) == re.sub(r"\w+", "", outcome.perturbed[0])
    assert attacked(Letters(), CHARMER_PJC, resources, "a bad ban").queries == 1, "no word is long enough"


def test_nothing_is_drawn(resources) -> None:
    texts = [TEXT, "a", "", "bananas and bands", TEXT.upper()]
    examples = [Example(f"test-{n}", (text,), 0) for n, text in enumerate(texts)]

    def run(order, **options):
        found = attack_all(Letters(-4.0), order, CHARMER, resources, columns=("text",), **options)
        return {outcome.example_id: outcome for outcome in found}

    expected = run(examples, seed=1)
    assert len(expected) == 5 and "error" not in {outcome.status for outcome in expected.values()}
    assert run(examples[::-1], seed=2, in_flight=1) == expected


def test_an_edit_that_changes_nothing_ends_the_search(resources) -> None:
    outcome = attacked(Stubborn(), CHARMER, resources)
    assert outcome.perturbed == (TEXT,) and outcome.characters_changed == 0
    assert outcome.queries == 1 + (2 * len(TEXT) + 1) + 20 * (len(resources.alphabet) + 1)


@pytest.mark.parametrize("budget", [1, 30, 66, 70, 400])
def test_a_budget_is_kept(resources, budget: int) -> None:
    outcome = attacked(Letters(), dataclasses.replace(CHARMER, query_budget=budget), resources)
    assert outcome.queries == budget and outcome.status == "failed"


def test_a_budget_per_word_grows_with_the_text(resources) -> None:
    recipe = CHARMER.budgeted("3/word")
    assert [attacked(Letters(), recipe, resources, text).queries for text in ("", "a band", TEXT)] == [1, 6, 21]


def test_of_a_pair_the_second_text_changes(resources) -> None:
    outcome = attacked(Letters(), with_steps(CHARMER, 2), resources, TEXT, "a banana")
    assert outcome.perturbed[0] == TEXT and outcome.characters_changed == 2


def test_a_blank_that_splits_a_word_changes_one_or_two_words(resources) -> None:
    recipe = dataclasses.replace(CHARMER_FAST, character_edits=CharacterEdits(places=1, steps=1))
    outcome = attacked(Letters(), recipe, dataclasses.replace(resources, alphabet=" "), "xxaxx yy zz")
    assert outcome.perturbed == ("xx xx yy zz",) and (outcome.words_changed, outcome.characters_changed) == (2, 1)


def test_what_it_cannot_do_is_refused(resources) -> None:
    with pytest.raises(UserError, match="alphabet of the texts"):
        attacked(Letters(), CHARMER, dataclasses.replace(resources, alphabet=""))
    with pytest.raises(UserError, match="a search of its own"):
        CHARMER.searching(width=2)
    with pytest.raises(UserError, match="TextAttack's own loop"):
        reference.require_known_search(CHARMER)


def test_a_model_is_attacked_the_same_in_any_company(victim, examples, resources) -> None:
    read = victim([example.texts for example in examples]).argmax(axis=1)
    right = [dataclasses.replace(each, label=int(label)) for each, label in zip(examples, read, strict=True)]
    drawn = dataclasses.replace(resources, alphabet=alphabet_of(each.texts for each in examples))
    recipe = with_steps(CHARMER, 2)
    alone, together = (
        list(attack_all(victim, right, recipe, drawn, seed=1, columns=("text",), in_flight=width)) for width in (1, 64)
    )
    assert sorted(alone, key=lambda each: each.example_id) == sorted(together, key=lambda each: each.example_id)
    assert {outcome.status for outcome in alone} <= {"successful", "failed"}
