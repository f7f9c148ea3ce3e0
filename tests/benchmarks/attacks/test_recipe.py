"""A recipe's identity, budget and search."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.attacks.recipes import TEXTFOOLER, find_recipe


def test_prose_does_not_change_the_identity_and_a_threshold_does() -> None:
    assert dataclasses.replace(TEXTFOOLER, note="another", title="T").identity() == TEXTFOOLER.identity()
    assert dataclasses.replace(TEXTFOOLER, min_word_similarity=0.6).identity() != TEXTFOOLER.identity()


def test_the_kinds_of_empty_transformations_are_in_the_identity() -> None:
    kinds = [part["kind"] for part in find_recipe("textbugger").identity()["transformations"]]
    assert kinds == ["InsertSpace", "DeleteInner", "SwapInner", "Homoglyph", "Substitute"]


def test_a_search_at_its_defaults_leaves_the_identity_as_it_was() -> None:
    assert find_recipe("textfooler+width1+restarts0") == TEXTFOOLER
    assert not {"score", "width", "restarts", "exclude_antonyms"} & TEXTFOOLER.identity().keys()


def test_textattacks_own_recipes_have_no_other_search() -> None:
    with pytest.raises(ValueError, match="which has no margin"):
        find_recipe("textattack:PWWSRen2019").searching("margin")
    with pytest.raises(ValueError, match="unknown score 'margins'"):
        TEXTFOOLER.searching("margins")


def test_a_budget_is_for_a_text_or_for_each_of_its_words() -> None:
    assert TEXTFOOLER.budgeted(None) == TEXTFOOLER and TEXTFOOLER.budget_for(9) is None
    assert TEXTFOOLER.budgeted("30").budget_for(9) == TEXTFOOLER.budgeted(30).budget_for(9) == 30
    by_word = TEXTFOOLER.budgeted("50/word")
    assert [by_word.budget_for(words) for words in (0, 1, 7)] == [1, 50, 350]
    assert by_word.budgeted(100).budget_for(7) == 100
    assert by_word.identity() == TEXTFOOLER.identity() | {"queries_per_word": 50}
    for budget in (0, -1, "50/words", "1.5", "", 2.5):
        with pytest.raises(ValueError, match="number per word like 50/word"):
            TEXTFOOLER.budgeted(budget)
