"""Planted faults are seen, and nothing else: a saturated, a random, a company-dependent victim, a masked gradient."""

from __future__ import annotations

import dataclasses

import pytest
from bag_of_words import SYNONYMS, Bag, texts_of_bags

from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.recipes import TEXTFOOLER
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.stop_words import StopWords
from benchmarks.jobs.suspect import measure
from reports.suspicions import flags

OPEN = dataclasses.replace(TEXTFOOLER, sentence=None, part_of_speech=False)
EXAMPLES = texts_of_bags(40, seed=1)
HELD_OUT = texts_of_bags(64, seed=2, mislabelled=0.15)
NONE = StopWords(frozenset(), "a test")
RESOURCES = Resources("offline", SYNONYMS, None, None, NONE, NONE)


def raised(victim: Bag, recipe: Recipe = OPEN, **how) -> set[str]:
    how = {"held_out": HELD_OUT} | how
    found = flags(measure(victim, EXAMPLES, recipe, RESOURCES, columns=("text",), seed=1, **how))
    assert len(found) == 11
    return {flag.name for flag in found if flag.raised}


def test_an_honest_victim_raises_none() -> None:
    assert raised(Bag()) == set()


def test_a_saturated_victim_raises_the_flags_of_saturation() -> None:
    found = raised(Bag(scale=50))
    assert {"saturated", "starved", "margin matters", "temperature matters"} <= found
    assert found <= {"saturated", "starved", "margin matters", "temperature matters", "noise beats search"}


@pytest.mark.parametrize(
    ("victim", "flag"),
    [
        (Bag(noise=0.01), "random answers"),
        (Bag(company=0.01), "company matters"),
        (Bag(slope=0.0), "gradient masked"),
    ],
)
def test_each_planted_fault_raises_its_flag_and_no_other(victim: Bag, flag: str) -> None:
    assert raised(victim) == {flag}


def test_a_budget_that_ends_the_searches_is_named() -> None:
    assert raised(Bag(), OPEN.budgeted(12)) == {"budget ends it"}


def test_texts_that_break_another_model_are_shown_to_the_victim() -> None:
    assert "transfer is stronger" in raised(Bag(scale=50), source=Bag())
    assert "transfer is stronger" not in raised(Bag(), source=Bag())


def test_what_cannot_be_measured_is_left_open() -> None:
    measured = measure(Bag(noise=1), EXAMPLES[:4], OPEN, RESOURCES, columns=("text",), seed=1)
    open_flags = [flag for flag in flags(measured) if flag.raised is None]
    assert measured.direct is None and len(open_flags) == 9
    assert all(flag.said.startswith("not measured: ") for flag in open_flags)
