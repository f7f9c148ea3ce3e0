"""Random substitutions keep to the recipe's words and bounds, and to a budget for each text."""

from __future__ import annotations

import dataclasses

from bag_of_words import SYNONYMS, Bag, texts_of_bags

from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.random_search import RandomSearch
from benchmarks.attacks.recipes import TEXTFOOLER
from benchmarks.attacks.words import words_of

OPEN = dataclasses.replace(TEXTFOOLER, sentence=None, part_of_speech=False)
EXAMPLES = texts_of_bags(20, seed=3)


def attacked(resources, budget: int, recipe=OPEN, **options):
    drawn = dataclasses.replace(resources, synonyms=SYNONYMS)
    search = RandomSearch(recipe, drawn, columns=("text",), classes=2, seed=1)
    search.budgets = {example.id: budget for example in EXAMPLES}
    how = {"seed": 1, "columns": ("text",), "search": search} | options
    return {each.example_id: each for each in attack_all(Bag(), EXAMPLES, recipe, drawn, **how)}


def test_chance_breaks_some_texts_within_the_budget(resources) -> None:
    found = attacked(resources, 4)
    assert {each.status for each in found.values()} == {"successful", "failed"}
    assert max(each.queries for each in found.values()) == 4
    assert attacked(resources, 4, in_flight=1) == found
    for each in found.values():
        for before, after in zip(words_of(each.original[0]), words_of(each.perturbed[0]), strict=True):
            assert before == after or after in SYNONYMS.neighbours(before, 9)
    assert all(each.status == "failed" and each.queries == 1 for each in attacked(resources, 1).values())


def test_it_ends_where_no_text_is_new(resources) -> None:
    found = attacked(resources, 10_000)
    assert all(each.queries <= 3**5 for each in found.values())


def test_a_bound_on_the_words_is_kept(resources) -> None:
    few = dataclasses.replace(OPEN, max_words_changed=0.1)
    assert all(each.words_changed <= 1 for each in attacked(resources, 200, few).values())
