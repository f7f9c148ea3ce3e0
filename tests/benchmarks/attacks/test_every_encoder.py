"""Attacks on tiny models of every new encoder, with tokenizers of their kinds, against TextAttack's own loop."""

from __future__ import annotations

import random

import pytest
from encoders import NEW_KINDS
from saved_encoders import saved

from benchmarks.attacks import engine, reference
from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.examples import Example
from benchmarks.victims.given import open_victim


def texts_of(count: int) -> list[str]:
    """Texts of words that have substitutes, some capitalised, with a comma and an accent here and there."""
    draw = random.Random(3)
    words = [
        "good",
        "great",
        "fine",
        "bad",
        "awful",
        "poor",
        "film",
        "movie",
        "food",
        "meal",
        "plot",
        "the",
        "was",
        "a",
    ]
    texts = []
    for number in range(count):
        chosen = [draw.choice(words) for _ in range(draw.randint(3, 9))]
        chosen[0] = chosen[0].capitalize()
        chosen[-1] += draw.choice([".", "!", ", na\u00efve", " caf\u00e9"]) if number % 3 == 0 else ""
        texts.append(" ".join(chosen))
    return texts


def read_by(victim, count: int) -> list[Example]:
    """Texts with the labels that the victim reads, but for the first."""
    texts = texts_of(count)
    labels = victim([(text,) for text in texts]).argmax(axis=1)
    labels[0] = 1 - labels[0]
    return [
        Example(f"test-{row}", (text,), int(label)) for row, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


def run(module, victim, examples, recipe: str, resources):
    """The outcomes by id."""
    given = {"seed": 7, "columns": ("text",)}
    return {
        each.example_id: each for each in module.attack_all(victim, examples, find_recipe(recipe), resources, **given)
    }


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_a_model_from_a_folder_is_attacked_the_same_in_any_company(kind: str, resources, tmp_path) -> None:
    given = open_victim(saved(kind, tmp_path / "m", texts_of(200), pruned=True), [(text,) for text in texts_of(4)])
    assert given.notes == () and given.max_length == (38 if kind == "xlm-roberta" else 40)
    examples = read_by(given.victim, 6)
    together = run(engine, given.victim, examples, "textfooler", resources)
    fresh = open_victim(str(tmp_path / "m"), [(text,) for text in texts_of(4)]).victim
    alone = {}
    for example in examples:
        alone |= run(engine, fresh, [example], "textfooler", resources)
    assert alone == together
    assert sum(outcome.words_changed for outcome in together.values()) > 0


@pytest.mark.integration
@pytest.mark.parametrize("recipe", ["textfooler", "textbugger", "bertattack_official"])
@pytest.mark.parametrize("kind", NEW_KINDS)
def test_every_outcome_is_textattacks(kind: str, recipe: str, resources, tmp_path) -> None:
    victim = open_victim(saved(kind, tmp_path / "m", texts_of(200)), [(text,) for text in texts_of(4)]).victim
    examples = read_by(victim, 20)
    mine = run(engine, victim, examples, recipe, resources)
    theirs = run(reference, victim, examples, recipe, resources)
    assert mine == theirs
    assert sum(outcome.words_changed for outcome in mine.values()) > 0


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_a_text_is_answered_the_same_in_any_company(kind: str, tmp_path) -> None:
    texts = [(text,) for text in texts_of(12)]
    victim = open_victim(saved(kind, tmp_path / "m", texts_of(200)), texts[:4]).victim
    together = victim(texts)
    for text, expected in zip(texts, together, strict=True):
        forgetful = victim.at(1.0)
        assert (forgetful([text])[0] == expected).all()
