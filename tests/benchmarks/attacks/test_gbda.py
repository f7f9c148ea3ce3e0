"""The white box finds the known optimum of a linear victim, among the recipe's own candidates and within its bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from baselines.validation import UserError
from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.recipe import SentenceBound
from benchmarks.attacks.recipes import GBDA_WORDS, TEXTFOOLER_TOKENS
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.attacks.words import words_of
from benchmarks.data.examples import Example
from benchmarks.victims.mixtures import Margins, Mixture
from benchmarks.victims.pieces import Row

# How much each word speaks against label 0
WEIGHTS = {
    "nice": 2.0,
    "great": 1.0,
    "sweet": -1.0,
    "tale": 1.5,
    "story": 0.5,
    "movie": -1.0,
    "tall": 0.05,
    "so-so": 9.0,
}
NEIGHBOURS = {
    "good": ["great", "nice", "sweet", "so-so"],
    "plot": ["story", "tale"],
    "film": ["movie"],
    "long": ["tall"],
}
TEXT = "A good film, a long plot"


class Linear:
    """The margin is the sum of the words' weights minus a bound; a word with a hyphen has two tokens."""

    classes = 2

    def __init__(self, bound: float) -> None:
        self.bound, self.queries, self.passes = bound, 0, 0
        self.words = ["", *WEIGHTS, *NEIGHBOURS, "a", "A"]

    def rows(self, texts: Sequence[tuple[str, ...]]) -> list[Row]:
        ids = [[self.words.index(word) for word in words_of(text)] for (text,) in texts]
        return [Row(tuple(each for one in row for each in [one, 0][: 1 + ("-" in self.words[one])]), ()) for row in ids]

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        self.queries += len(texts)
        return np.array([[0.0, self._weights(row.ids).sum() - self.bound] for row in self.rows(texts)])

    def _weights(self, ids) -> np.ndarray:
        return np.array([WEIGHTS.get(self.words[each], 0.0) for each in ids])

    def margins(self, mixture: Mixture) -> Margins:
        tables = [np.array([self._weights(ids).sum() for ids in choices]) for choices in mixture.choices]
        scores = np.full(len(mixture.weights[0]), self._weights(mixture.row.ids).sum() - self.bound)
        for table, weights in zip(tables, mixture.weights, strict=True):
            scores += weights @ table - table[0]
        self.passes += len(scores)
        gradients = [
            np.broadcast_to(table, weights.shape) for table, weights in zip(tables, mixture.weights, strict=True)
        ]
        return Margins(scores, gradients)


@pytest.fixture
def resources(resources):
    return dataclasses.replace(resources, synonyms=NeighbourList(NEIGHBOURS, "a test"))


OPEN = dataclasses.replace(GBDA_WORDS, sentence=None, part_of_speech=False)


def attacked(victim, resources, recipe=OPEN, **options):
    options = {"seed": 1} | options
    (outcome,) = attack_all(victim, [Example("test-0", (TEXT,), 0)], recipe, resources, columns=("text",), **options)
    return outcome


@pytest.mark.parametrize("straight_through", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_known_optimum_is_found_with_the_fewest_changes(resources, straight_through: bool, seed: int) -> None:
    gradients = dataclasses.replace(OPEN.gradients, straight_through=straight_through)
    victim = Linear(3.4)  # only the best words for "good" and for "plot" together exceed it
    outcome = attacked(victim, resources, dataclasses.replace(OPEN, gradients=gradients), seed=seed)
    assert outcome.error is None and outcome.status == "successful"
    assert outcome.perturbed == ("A nice film, a long tale",) and outcome.words_changed == 2
    assert outcome.gradient_passes == victim.passes and victim.passes % OPEN.gradients.samples == 0
    assert victim.queries == outcome.queries + 1, "a success is asked again, and not counted"


def test_one_change_is_enough_where_one_is(resources) -> None:
    outcome = attacked(Linear(1.9), resources)
    assert outcome.perturbed == ("A nice film, a long plot",)


def test_no_text_beyond_the_optimum_is_claimed(resources) -> None:
    outcome = attacked(Linear(3.6), resources)
    assert (outcome.status, outcome.perturbed[0].split()[1]) == ("failed", "nice")
    assert outcome.gradient_passes == OPEN.gradients.iterations * OPEN.gradients.samples
    assert attacked(Linear(-1.0), resources).status == "skipped"


def test_nothing_depends_on_the_company(resources) -> None:
    examples = [Example(f"test-{n}", (text,), 0) for n, text in enumerate((TEXT, "a good plot", "long", "a"))]

    def run(order, in_flight: int):
        found = attack_all(Linear(1.9), order, OPEN, resources, seed=3, columns=("text",), in_flight=in_flight)
        return {outcome.example_id: outcome for outcome in found}

    expected = run(examples, 1)
    assert run(examples[::-1], 64) == expected and "error" not in {each.status for each in expected.values()}
    assert expected["test-3"].queries == 1, "it has no word to change"


def test_results_keep_to_the_recipe_s_bounds(resources) -> None:
    bounded = dataclasses.replace(OPEN, sentence=SentenceBound("cosine", 1.1))
    outcome = attacked(Linear(3.4), resources, bounded)
    assert (outcome.status, outcome.perturbed) == ("failed", (TEXT,))
    few = dataclasses.replace(OPEN, max_words_changed=0.1)
    assert attacked(Linear(3.4), resources, few).status == "failed"


def test_the_black_box_on_the_same_candidates_tries_no_word_of_other_tokens(resources) -> None:
    black = dataclasses.replace(TEXTFOOLER_TOKENS, sentence=None, part_of_speech=False)
    outcome = attacked(Linear(3.4), resources, black)
    assert outcome.perturbed == ("A nice film, a tall tale",) and outcome.gradient_passes is None
    all_words = dataclasses.replace(black, same_tokens=False)
    assert attacked(Linear(3.4), resources, all_words).perturbed == ("A so-so film, a long plot",)


def test_a_budget_is_kept(resources) -> None:
    for budget in (1, 2, 11, 25):
        outcome = attacked(Linear(3.6), resources, dataclasses.replace(OPEN, query_budget=budget))
        assert outcome.queries <= budget and outcome.status == "failed"


def test_a_function_gives_no_gradients(resources) -> None:
    class Function:
        classes, queries = 2, 0

    with pytest.raises(UserError, match="needs a model, for its tokens and gradients"):
        attacked(Function(), resources)


def test_a_model_is_attacked_with_words_that_the_recipe_allows(victim, examples, resources) -> None:
    groups = NeighbourList.from_groups([["good", "great", "fine"], ["bad", "awful", "poor"], ["film", "movie"]])
    drawn = dataclasses.replace(resources, synonyms=groups)
    read = victim([example.texts for example in examples]).argmax(axis=1)
    right = [dataclasses.replace(each, label=int(label)) for each, label in zip(examples, read, strict=True)]
    gradients = dataclasses.replace(OPEN.gradients, iterations=20, draws=5)
    recipe = dataclasses.replace(OPEN, gradients=gradients)
    outcomes = list(attack_all(victim, right, recipe, drawn, seed=1, columns=("text",)))
    assert {each.status for each in outcomes} <= {"successful", "failed"}, [each.error for each in outcomes]
    for outcome in outcomes:
        for before, after in zip(*map(words_of, (outcome.original[0], outcome.perturbed[0])), strict=True):
            assert before == after or after.lower() in groups.neighbours(before.lower(), 9)
    assert any(each.words_changed for each in outcomes)
