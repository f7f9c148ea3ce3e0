"""One victim attacked with several sources of synonyms: what is listed, and what is read back."""

from __future__ import annotations

from demo_jobs import context_of

from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.jobs.synonym_sources import attack_with_sources, stored_attacks

SOURCES = {
    "none": NeighbourList({}, "no synonyms"),
    "one": NeighbourList({"good": ["decent"], "was": ["were"]}, "two words with one synonym each"),
}


def test_each_source_is_attacked_once_and_read_back_by_its_name(options) -> None:
    context, said = context_of(options), []
    attack_with_sources(context, SOURCES, "dictionary", said.append)
    found = {each.source: each for each in stored_attacks(context.store, "dictionary", list(SOURCES))}
    assert list(found) == ["none", "one"] and found["none"].key != found["one"].key
    assert {(each.task, each.train_texts, len(each.outcomes)) for each in found.values()} == {("demo", 40, 3)}
    assert said == ["demo: training the victim", "demo: attack with none", "demo: attack with one"]
    attack_with_sources(context, SOURCES, "dictionary", said.append)
    again = stored_attacks(context.store, "dictionary", list(SOURCES))
    assert [each.key for each in again] == [each.key for each in found.values()] and "training" not in said[3]


def test_other_taggers_and_other_sources_are_left_out(options) -> None:
    context = context_of(options)
    attack_with_sources(context, {"none": SOURCES["none"]}, "dictionary")
    assert stored_attacks(context.store, "perceptron", ["none"]) == []
    assert stored_attacks(context.store, "dictionary", ["one"]) == []


def test_a_word_without_synonyms_is_never_changed(options) -> None:
    context = context_of(options)
    attack_with_sources(context, {"none": SOURCES["none"]}, "dictionary")
    (found,) = stored_attacks(context.store, "dictionary", ["none"])
    assert all(outcome.perturbed is None or outcome.perturbed == outcome.original for outcome in found.outcomes)
