"""Stored attacks are repeated on some of their texts: as they were made, with the stored model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up import attack, outcome, training

from benchmarks.attacks.engine import ENGINE
from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.examples import Example
from benchmarks.jobs import attack_again as module
from benchmarks.jobs.attack_again import attack_again
from benchmarks.results.records import AttackRecord
from benchmarks.results.store import Store, content_key

RECIPE = find_recipe("textbugger")


class Words:
    """Resources that are known by the list of words they have."""

    def __init__(self, words: str) -> None:
        self.words = words

    def identity(self, recipe: object) -> dict[str, Any]:
        return {"synonyms": {"sha256": self.words}}


@pytest.fixture
def attacked(tmp_path: Path) -> tuple[Store, AttackRecord]:
    """A store with an attack on three texts, on a model that read at most 16 tokens."""
    identity = {"defense": "fine_tune", "seed": 42, "settings": {}, "max_length": 16}
    trained = training(identity=identity, key=content_key(identity))
    store = Store(tmp_path)
    store.put_training(trained)
    asked = {"training": trained.key, "recipe": RECIPE.identity(), "resources": Words("these").identity(RECIPE)}
    asked |= {"engine": ENGINE, "seed": 7}
    record = attack(trained, RECIPE.key, 3, identity=asked, key=content_key(asked), recipe_title="TextBugger")
    for number in range(3):
        store.append_outcome(record.key, outcome(number, label=number % 2))
    store.put_attack(record)
    return store, record


def test_the_texts_are_attacked_as_they_were(attacked, monkeypatch) -> None:
    store, record = attacked
    asked: dict[str, Any] = {}

    def attack_all(victim: object, examples: list[Example], *how: object, **more: object):
        asked.update(victim=victim, examples=examples, how=how, more=more)
        yield from (outcome(int(example.id[-1]), "successful") for example in examples)

    monkeypatch.setattr(module, "load_stored", lambda store, record: (record.key, "its tokenizer"))
    monkeypatch.setattr(module, "Victim", lambda *model, **how: (*model, how))
    monkeypatch.setattr(module, "attack_all", attack_all)
    resources = Words("these")
    again = attack_again(store, record, {"test-0", "test-2"}, resources)
    assert [(each.example_id, each.status) for each in again] == [("test-0", "successful"), ("test-2", "successful")]
    assert asked["victim"] == (record.training_key, "its tokenizer", {"max_length": 16, "device": "cpu"})
    assert asked["examples"] == [Example("test-0", ("a good film",), 0), Example("test-2", ("a good film",), 0)]
    assert asked["how"] == (RECIPE, resources) and asked["more"] == {"seed": 7, "columns": ("sentence",)}
    assert {each.status for each in store.outcomes(record.key)} == {"failed"}, "nothing is stored"


def test_other_resources_and_other_weights_are_refused(attacked) -> None:
    store, record = attacked
    with pytest.raises(ValueError, match=r"TextBugger on fine_tune, seed 42 cannot be attacked again .*--synonyms"):
        attack_again(store, record, {"test-0"}, Words("others"))
    with pytest.raises(RuntimeError, match=r"the weights .* are missing"):
        attack_again(store, record, {"test-0"}, Words("these"))
