"""Rewrites are tried in their order; the first that is misread and similar enough is taken."""

from __future__ import annotations

import dataclasses

import pytest
from bag_of_words import Bag

from baselines.validation import UserError
from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.proposals import Proposals
from benchmarks.attacks.recipe import SentenceBound
from benchmarks.attacks.recipes import PROPOSALS, find_recipe
from benchmarks.data.examples import Example

TEXT = "word1 word3 word2"  # read as 1
TRIED = ("word1 word3", "word2 word4", "word2 turned1 word3 more", "word4")
EXAMPLE = Example("test-0", (TEXT,), 1)
OPEN = dataclasses.replace(PROPOSALS, sentence=None)


def attacked(resources, recipe=OPEN, tried=TRIED, **options):
    found = Proposals("someone", (), {(TEXT,): tuple((each,) for each in tried)}, "0" * 64)
    drawn = dataclasses.replace(resources, proposals=found)
    example = dataclasses.replace(EXAMPLE, **options)
    (outcome,) = attack_all(Bag(), [example], recipe, drawn, seed=1, columns=("text",))
    return outcome


def test_the_first_misread_rewrite_is_taken(resources) -> None:
    outcome = attacked(resources)
    assert (outcome.status, outcome.perturbed, outcome.queries) == ("successful", ("word2 word4",), 3)
    assert outcome.words_changed == 3
    assert attacked(resources, tried=TRIED[:1]).status == "failed"
    assert attacked(resources, label=0).status == "skipped"
    assert attacked(resources, OPEN.budgeted(2)).queries == 2


def test_a_rewrite_must_be_similar_enough(resources) -> None:
    assert PROPOSALS.sentence is not None
    tried = ("word4", "word3 word2 word2 word1 word2")  # both are misread; the second has the same words
    outcome = attacked(resources, dataclasses.replace(PROPOSALS, sentence=SentenceBound("cosine", 0.8)), tried)
    assert (outcome.status, outcome.perturbed, outcome.queries) == ("successful", (tried[1],), 3)
    assert outcome.similarity is not None and outcome.similarity >= 0.8


def test_the_recipe_needs_a_file_that_is_its_identity(resources) -> None:
    with pytest.raises(UserError, match="give --proposals FILE"):
        resources.check(PROPOSALS)
    one, two = (dataclasses.replace(resources, proposals=Proposals("m", (), {}, letter * 64)) for letter in ("0", "1"))
    assert one.identity(PROPOSALS) != two.identity(PROPOSALS)
    assert one.identity(find_recipe("textfooler")) == resources.identity(find_recipe("textfooler"))
