"""Places of the expanded text, and what is put there."""

from __future__ import annotations

from rapidfuzz.distance import Levenshtein

from benchmarks.attacks.character_edits import (
    LETTERS,
    NOTHING,
    all_places,
    alphabet_of,
    edited,
    edits,
    inner_places,
    probe,
    word_at,
)


def test_every_text_one_edit_away_is_an_edit() -> None:
    made = {text for _, text in edits("ab", all_places("ab"), ["a", "b", NOTHING])}
    within = {a + b + c for a in ("", *"ab") for b in ("", *"ab") for c in ("", *"ab")}
    assert made == {text for text in within if Levenshtein.distance("ab", text) <= 1}
    assert len(edits("ab", all_places("ab"), ["a", "b", NOTHING])) == 5 * 3


def test_a_place_is_a_gap_or_a_character() -> None:
    assert [edited("ab", place, "x") for place in all_places("ab")] == ["xab", "xb", "axb", "ax", "abx"]
    assert [edited("ab", place, NOTHING) for place in all_places("ab")] == ["ab", "b", "ab", "a", "ab"]
    assert [probe("a b", place) for place in all_places("a b")] == [" a b", "  b", "a  b", "ab", "a  b", "a  ", "a b "]
    assert list(all_places("")) == [0] and edited("", 0, "x") == "x"


def test_inner_places_keep_the_ends_of_words_and_short_words() -> None:
    text = "The plots, it's"
    places = list(inner_places(text, frozenset()))
    changed = [edited(text, place, character) for place in places for character in (*LETTERS, NOTHING)]
    assert all(new.startswith("The p") and new.endswith("s, it's") for new in changed) and len(places) == 7
    assert {word_at(text, place) for place in places} == {1}
    assert list(inner_places(text, frozenset({1}))) == []


def test_an_alphabet_is_sorted_and_holds_each_character_once() -> None:
    assert alphabet_of([("ba",), ("c", "ab ")]) == " abc"
