"""Typing errors are drawn from a seed; each changes its word by one error."""

from __future__ import annotations

import pytest

from benchmarks.data.examples import Example
from benchmarks.data.typos import KEYBOARD, KINDS, RATES, typo, with_typos

TEXTS = [
    Example(f"test-{n}", (f"A fairly long film number {n}, told with great care and love", "It's fine"), n % 2)
    for n in range(200)
]


def test_keys_are_neighbours_of_each_other() -> None:
    assert set(KEYBOARD["g"]) == set("tyfhvb") and set(KEYBOARD["q"]) == set("wa")
    assert all(letter in KEYBOARD[other] for letter, others in KEYBOARD.items() for other in others)


@pytest.mark.parametrize("word", ["good", "ab", "aa", "Ünï", "日本"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_typo_makes_another_word(word: str, kind: str) -> None:
    for place in (0.0, 0.4, 0.99):
        for key in (0.0, 0.99):
            changed = typo(word, kind, place, key)
            assert changed != word and abs(len(changed) - len(word)) <= 1


def test_each_kind_does_what_its_name_says() -> None:
    assert typo("good", "swap", 0.0, 0.0) == "ogod" and typo("good", "swap", 0.99, 0.0) == "godo"
    assert typo("good", "drop", 0.0, 0.0) == "ood"
    assert typo("Good", "neighbour", 0.0, 0.0)[0] in map(str.upper, KEYBOARD["g"])
    inserted = typo("good", "insert", 0.99, 0.0)
    assert inserted[:4] == "good" and inserted[4] in KEYBOARD["d"]


def test_the_rate_is_the_share_of_changed_words_and_lower_rates_are_within_higher_ones() -> None:
    made = [with_typos(TEXTS, rate, 0) for rate in RATES]
    assert made[1] == with_typos(list(reversed(TEXTS)), RATES[1], 0)[::-1] != with_typos(TEXTS, RATES[1], 1)
    assert with_typos(TEXTS, 0.0, 0) == TEXTS
    words = [[each.texts[0].split(" ") for each in examples] for examples in (TEXTS, *made)]
    changed = [
        {(n, w) for n, text in enumerate(found) for w, word in enumerate(text) if word != words[0][n][w]}
        for found in words[1:]
    ]
    assert changed[0] < changed[1] < changed[2]
    for rate, places in zip(RATES, changed, strict=True):
        assert abs(len(places) / (200 * 10) - rate) < 0.02, "10 of a text's 12 words have two letters or more"
