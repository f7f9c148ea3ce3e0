"""Measures of a neighbour list."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_wordnet import write_tiny_wordnet

from benchmarks.attacks.synonym_quality import FirstNeighbours, quality, random_pairs
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.attacks.wordnet import WordNet

LIST = NeighbourList(
    {"good": ["great", "bad", "movie"], "went": ["travelled", "came"], "film": ["movie"], "alone": []}, "a test"
)


def test_recall_antonyms_and_parts_of_speech(tmp_path: Path) -> None:
    listed = {"good": ["movie", "fine"], "went": ["travelled"]}
    found = quality(LIST, listed, ["good", "went"], WordNet(write_tiny_wordnet(tmp_path)), cuts=(1, 3))
    assert found.words == 2 and found.neighbours == 5
    assert found.recall == pytest.approx({1: 0.5, 3: 0.75})
    assert found.antonyms == 2  # good and bad; went and came, by their lemmas
    assert (found.same_part, found.known_parts) == (4, 5)  # a film is not good


def test_a_list_cut_to_its_first_neighbours() -> None:
    cut = FirstNeighbours(LIST, 1)
    assert cut.neighbours("good", 50) == ["great"] and cut.neighbours("alone", 50) == []
    assert cut.identity() != LIST.identity() and "cut to 1" in cut.describe()


def test_random_pairs_are_of_the_list_and_the_same_each_time() -> None:
    words = ["good", "went", "film", "alone"]
    pairs = random_pairs(LIST, words, 9)
    assert pairs == random_pairs(LIST, words, 9)
    assert [word for word, *_ in pairs] == ["film", "good", "went"]
    assert all(other in LIST.neighbours(word, 50) and cosine is None for word, other, cosine in pairs)
