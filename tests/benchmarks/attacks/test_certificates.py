"""Certificates of attacked texts, and attacks on guarded victims."""

from __future__ import annotations

import pytest
from made_up_guards import Dropping, Flipping, Mixing

from baselines.guard import put_guard
from benchmarks.attacks.certificates import with_certificate
from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.recipes import TEXTFOOLER
from benchmarks.results.metrics import (
    abstention_percent,
    aua_percent,
    certified_percent,
    contradicted,
    first_flip_aua_percent,
    median_radius,
    uncovered_percent,
)
from benchmarks.victims.guarded import victim_of

HOW = {"seed": 1, "columns": ("text",)}


@pytest.fixture
def guarded(tiny_backbone):
    """A random classifier behind a guard."""

    def make(guard, **how):
        model = tiny_backbone.new_classifier(2, 0)
        put_guard(model, guard)
        return victim_of(model, tiny_backbone.load_tokenizer(), max_length=32, **how)

    return make


def attacked(victim, examples, resources, **how):
    return sorted(
        attack_all(victim, examples, TEXTFOOLER, resources, **HOW, **how), key=lambda outcome: outcome.example_id
    )


@pytest.mark.parametrize("randomness", ["pinned", "fresh"])
def test_outcomes_do_not_depend_on_how_many_searches_run_side_by_side(guarded, examples, resources, randomness) -> None:
    runs = [
        attacked(guarded(Dropping(share=0.05), randomness=randomness), order, resources, in_flight=number)
        for order, number in ((examples, 8), (examples[::-1], 1))
    ]
    assert runs[0] == runs[1] and all(outcome.error is None for outcome in runs[0])
    assert len({outcome.status for outcome in runs[0]}) > 1
    flips = {outcome.first_flip for outcome in runs[0]}
    assert flips == {None} if randomness == "pinned" else flips <= {True, False}


def test_a_success_by_chance_is_no_success_but_a_first_flip(guarded, examples, resources) -> None:
    found = attacked(guarded(Flipping(), randomness="fresh"), examples, resources)
    assert [each.status for each in found] == ["failed" if each.label == 0 else "skipped" for each in found]
    unconfirmed = [each for each in found if each.status == "failed" and each.first_flip]
    assert unconfirmed, "some single answers flip by chance"
    assert first_flip_aua_percent(found) == aua_percent(found) - 100 * len(unconfirmed) / len(found)
    assert all("first_flip" in each.as_json() and "certificate" not in each.as_json() for each in found)


def test_an_attack_on_mixed_answers_counts_a_text_that_is_misread_by_itself(guarded, examples, resources) -> None:
    victim = guarded(Mixing())
    for outcome in attacked(victim, examples, resources):
        assert outcome.error is None and outcome.first_flip is not None
        if outcome.status in ("successful", "skipped"):
            assert victim.judged([outcome.perturbed]).decided[0] != outcome.label


def test_an_attack_on_a_plain_victim_says_nothing_of_guards(victim, examples, resources) -> None:
    found = attacked(victim, examples, resources)
    assert not {"first_flip", "certificate"} & {name for outcome in found for name in outcome.as_json()}
    assert first_flip_aua_percent(found) == aua_percent(found)


def test_a_false_certificate_is_refuted_by_an_attack_and_a_modest_one_is_not(guarded, examples, resources) -> None:
    bold = attacked(guarded(Dropping(claimed=9, share=0.05)), examples, resources)
    broken = [each.example_id for each in bold if each.status == "successful" and each.certificate["right"]]
    assert broken and set(contradicted(bold)) <= set(broken) and contradicted(bold)
    modest = attacked(guarded(Dropping(claimed=0, share=0.05)), examples, resources)
    assert contradicted(modest) == []
    assert certified_percent(bold, 9) == certified_percent(bold, 0) == certified_percent(modest, 0) > 0
    assert certified_percent(modest, 1) == 0 and (median_radius(bold), median_radius(modest)) == (9, 0)
    assert 0 <= abstention_percent(bold) <= 100 and uncovered_percent(bold) == 0


def test_an_attack_that_broke_has_no_certificate(guarded, examples, resources) -> None:
    from benchmarks.results.records import Outcome

    broken = Outcome("test-0", "error", 0, 0, ("a",), ("a",), 1, 0, error="it broke")
    assert with_certificate(guarded(Dropping(claimed=1)), broken) is broken
    assert with_certificate(None, broken) is broken
