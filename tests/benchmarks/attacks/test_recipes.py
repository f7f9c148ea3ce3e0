"""The recipes' values and identities."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from benchmarks.attacks.recipe import ColumnRule, MaskedSubstitute, SentenceBound, Substitute
from benchmarks.attacks.recipes import (
    BERT_ATTACK,
    BERT_ATTACK_8,
    BERT_ATTACK_OFFICIAL,
    RECIPES,
    TEXTFOOLER,
    find_recipe,
)


def test_bertattack_official_is_what_the_releases_run() -> None:
    recipe = BERT_ATTACK_OFFICIAL
    assert recipe.transformations == (Substitute(50),)
    assert recipe.part_of_speech and recipe.ranking == "delete" and recipe.stop_words == "nltk"
    assert recipe.sentence == SentenceBound("cosine", 0.2, window=15, against="original", skip_short=False)
    assert recipe.column_rules == (
        ColumnRule(("sentence1", "sentence2"), ("sentence1",)),
        ColumnRule(("sentence", "question"), ("sentence",)),
    )
    assert recipe.min_word_similarity is None and recipe.max_words_changed is None
    assert not recipe.needs_masked_model


def test_bertattack_differs_between_releases_by_k_alone() -> None:
    assert BERT_ATTACK.transformations == (MaskedSubstitute(48),)
    renamed = dataclasses.replace(
        BERT_ATTACK_8, key=BERT_ATTACK.key, title=BERT_ATTACK.title, source=BERT_ATTACK.source
    )
    assert dataclasses.replace(renamed, transformations=(MaskedSubstitute(48),)) == BERT_ATTACK
    assert BERT_ATTACK_8.transformations == (MaskedSubstitute(8),)


def test_identities_are_plain_and_distinct() -> None:
    written = [json.dumps(recipe.identity(), sort_keys=True) for recipe in RECIPES.values()]
    assert len(set(written)) == len(RECIPES)


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown recipe 'textfoler'; did you mean 'textfooler'\?"):
        find_recipe("textfoler")


def test_marks_choose_a_search_and_are_in_key_title_and_identity() -> None:
    recipe = find_recipe("textfooler+margin+width4")
    assert recipe == TEXTFOOLER.searching("margin", 4) == find_recipe("textfooler+width4+margin")
    assert (recipe.key, recipe.title) == ("textfooler+margin+width4", "TextFooler, margin, width 4")
    assert recipe.base_key == "textfooler" and recipe.searching("probability", 1) == TEXTFOOLER
    assert recipe.identity().keys() - TEXTFOOLER.identity().keys() == {"score", "width"}


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("textfooler+margins", "unknown mark of a recipe 'margins'; did you mean 'margin'"),
        ("textfooler+width0", "width must be 1 or more, got 0"),
        ("textfoler+margin", "did you mean 'textfooler'"),
    ],
)
def test_other_marks_are_refused(key: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        find_recipe(key)
