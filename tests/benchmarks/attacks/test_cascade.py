"""A cascade against the union of its attacks, and what it says of stages that are missing."""

from __future__ import annotations

import dataclasses
import json

import pytest

from benchmarks.attacks import reference
from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.recipe import Recipe, Stage, partial_cascade
from benchmarks.attacks.recipes import RECIPES, WORST_V1, find_recipe
from benchmarks.data.examples import Example
from benchmarks.results.metrics import aua_after_stages, aua_percent, worst_aua_percent
from benchmarks.results.records import Outcome

THREATS = {"words": ("bertattack_official", "textfooler+margin+width3"), "letters": ("deepwordbug", "textbugger")}


def cascade_of(threats: dict[str, tuple[str, ...]] = THREATS) -> Recipe:
    """A whole cascade of these attacks."""
    stages = [Stage(threat, find_recipe(key)) for threat, keys in threats.items() for key in keys]
    return dataclasses.replace(RECIPES["worst_v1"], key="worst", title="Worst", missing=(), stages=tuple(stages))


def run(victim, examples, recipe, resources, **options) -> dict[str, Outcome]:
    """Outcomes by id."""
    given = {"seed": 7, "columns": ("text",)} | options
    return {outcome.example_id: outcome for outcome in attack_all(victim, examples, recipe, resources, **given)}


@pytest.fixture
def right(victim, examples) -> list[Example]:
    """The examples with the labels that the victim reads, and one that it misreads."""
    read = victim([example.texts for example in examples]).argmax(axis=1)
    labelled = [dataclasses.replace(each, label=int(label)) for each, label in zip(examples, read, strict=True)]
    return [dataclasses.replace(labelled[0], id="test-wrong", label=1 - labelled[0].label), *labelled]


def test_a_cascade_breaks_what_the_union_of_its_attacks_breaks(victim, right, resources) -> None:
    whole = run(victim, right, cascade_of(), resources)
    alone = {key: run(victim, right, find_recipe(key), resources) for keys in THREATS.values() for key in keys}
    statuses = {outcome.status for outcome in whole.values()}
    assert statuses == {"skipped", "successful", "failed"} or statuses == {"skipped", "successful"}
    for threat, keys in THREATS.items():
        after = aua_after_stages(list(whole.values()), keys)
        for count in range(1, len(keys) + 1):
            assert after[count - 1] == worst_aua_percent([list(alone[key].values()) for key in keys[:count]]), threat
    assert aua_percent(list(whole.values())) == worst_aua_percent([list(each.values()) for each in alone.values()])
    for name, outcome in whole.items():
        assert outcome.queries == sum(alone[key][name].queries for key in outcome.stages or ())
        assert all(alone[key][name].status == status for key, status in (outcome.stages or {}).items())


def test_a_stage_attacks_only_what_the_earlier_ones_left_right(victim, right, resources) -> None:
    for outcome in run(victim, right, cascade_of(), resources).values():
        for keys in THREATS.values():
            made = [outcome.stages[key] for key in keys if key in (outcome.stages or {})]
            assert "successful" not in made[:-1]


def test_order_and_width_change_nothing(victim, right, resources) -> None:
    expected = run(victim, right, cascade_of(), resources)
    for outcome in run(victim, right[::-1], cascade_of(), resources, in_flight=2).values():
        assert outcome == expected[outcome.example_id]
        assert Outcome.from_json(json.loads(json.dumps(outcome.as_json()))) == outcome


def test_a_budget_is_that_of_each_stage(victim, right, resources) -> None:
    recipe = dataclasses.replace(cascade_of(), query_budget=5)
    for outcome in run(victim, right, recipe, resources).values():
        assert outcome.queries <= 5 * len(outcome.stages or ())


def test_a_stage_that_breaks_makes_the_text_no_survivor(victim, right, resources, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.attacks.candidates.Candidates.of", lambda *arguments: 1 / 0)
    found = list(run(victim, right, cascade_of(), resources).values())
    assert {outcome.status for outcome in found} == {"skipped", "error"} and aua_percent(found) == 0


def test_missing_stages_are_in_key_title_and_identity(resources, tiny_masked_model) -> None:
    whole = cascade_of({"words": ("textfooler", "bertattack@0.3.11")})
    fitted = resources.fitted(whole)
    assert (fitted.key, fitted.title) == ("worst_partial", "Worst without bertattack@0.3.11")
    assert fitted.identity()["missing"] == ["bertattack@0.3.11"] and fitted.identity() != whole.identity()
    assert dataclasses.replace(resources, masked_model=tiny_masked_model).fitted(whole) == whole
    again = partial_cascade(fitted, fitted.stages, [*fitted.missing, "another"])
    assert (again.key, again.title) == ("worst_partial", "Worst without bertattack@0.3.11, another")


def test_version_1_is_its_table(resources) -> None:
    recipe = find_recipe("worst_v1")
    assert recipe.key == "worst_v1" and not recipe.missing
    assert [stage.recipe.key for stage in recipe.stages] == [key for keys in WORST_V1.values() for key in keys]
    with pytest.raises(ValueError, match="have searches of their own; leave out margin"):
        recipe.searching("margin")
    with pytest.raises(ValueError, match="makes one attack"):
        reference.require_known_search(recipe)


def test_a_function_and_a_profile_without_a_masked_model_lack_two_stages_of_version_1(resources) -> None:
    fitted = resources.fitted(find_recipe("worst_v1"), is_model=False)
    assert fitted.missing == ("bertattack@0.3.11", "gbda_words")
    assert fitted.title == "Worst case v1 without bertattack@0.3.11, gbda_words"
    assert not fitted.needs_model and not fitted.needs_masked_model and fitted.needs_alphabet
