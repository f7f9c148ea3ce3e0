"""The list built from a tiny WordNet and made-up vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from tiny_wordnet import write_tiny_wordnet

from benchmarks.attacks.packed_synonyms import PackedSynonyms
from benchmarks.attacks.synonym_builder import build_synonyms, is_development_word
from benchmarks.attacks.wordnet import WordNet


class MadeUpVectors:
    """Vectors drawn from a word's hash, all a little alike; every word is one piece."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
        return np.stack([np.random.default_rng(seed).normal(size=40) + 0.5 for seed in seeds]).astype(np.float32)

    def count_pieces(self, texts: Sequence[str]) -> list[int]:
        return [1] * len(texts)

    def identity(self) -> dict[str, object]:
        return {"kind": "made up"}


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> WordNet:
    return WordNet(write_tiny_wordnet(tmp_path_factory.mktemp("wordnet")))


@pytest.fixture(scope="module")
def built(wordnet: WordNet) -> PackedSynonyms:
    return PackedSynonyms(build_synonyms(wordnet, MadeUpVectors()).to_bytes(), "a test")


def test_words_are_single_and_in_small_letters_with_their_inflections(built: PackedSynonyms) -> None:
    words = set(built.table.words)
    assert {"film", "films", "go", "went", "gone", "going", "goes", "better", "best"} <= words
    assert not words & {"moving_picture", "Paris", "city_of_light"}
    assert list(built.table.words) == sorted(words)


def test_names_are_neighbours_of_names_only(built: PackedSynonyms) -> None:
    """The names that the encoder knows as one piece; adjectives written with a capital are adjectives like others."""
    assert {"paris", "parisian", "monday", "mondays"} <= set(built.table.words)
    assert built.neighbours("monday", 9) == ["mon"]
    assert built.parts_of_speech["parisian"] == {"ADJ"}


def test_a_name_of_several_pieces_is_left_out(wordnet: WordNet) -> None:
    class Unknown(MadeUpVectors):
        def count_pieces(self, texts: Sequence[str]) -> list[int]:
            return [2 if text == "paris" else 1 for text in texts]

    words = build_synonyms(wordnet, Unknown()).words
    assert "paris" not in words and "monday" in words


def test_words_of_one_sense_are_neighbours_inflection_by_inflection(built: PackedSynonyms) -> None:
    assert built.neighbours("film", 9) == ["movie"] and built.neighbours("films", 9) == ["movies"]
    assert "travelled" in built.neighbours("went", 9) and "travel" not in built.neighbours("went", 9)
    assert built.senses("film") == [("NOUN", 1)]


def test_a_sense_that_hardly_matters_pulls_nothing(built: PackedSynonyms) -> None:
    """An execution is a hanging first, and a performance in 1 use of 61."""
    assert "hanging" in built.neighbours("execution", 9)
    assert "performance" not in built.neighbours("execution", 9)


def test_antonyms_and_words_of_opposite_clusters_are_no_neighbours(built: PackedSynonyms) -> None:
    opposites = {("good", "bad"), ("great", "awful"), ("superb", "bad"), ("went", "came"), ("going", "coming")}
    for word, other in opposites:
        assert other not in built.neighbours(word, 50) and word not in built.neighbours(other, 50)
    assert "bad" in built.antonyms["good"] and "came" in built.antonyms["goes"]
    assert "awful" not in built.antonyms.get("great", ())  # opposite, but not WordNet's antonym


class LikeSpelling(MadeUpVectors):
    """Vectors in which "hanging" lies near "film", with which it shares no sense."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        film, vectors = super().encode(["film"])[0], super().encode(texts)
        return np.stack(
            [film + 0.6 * vector if text == "hanging" else vector for text, vector in zip(texts, vectors, strict=True)]
        )

    def count_pieces(self, texts: Sequence[str]) -> list[int]:
        return [self.pieces if text == "hanging" else 1 for text in texts]


@pytest.mark.parametrize(("pieces", "expected"), [(1, True), (2, False)])
def test_a_word_of_several_pieces_needs_a_shared_sense_or_a_high_cosine(
    wordnet: WordNet, pieces: int, expected: bool
) -> None:
    built = PackedSynonyms(build_synonyms(wordnet, LikeSpelling(pieces)).to_bytes(), "a test")
    assert ("hanging" in built.neighbours("film", 9)) is expected
    assert "execution" in built.neighbours("hanging", 9)  # they share a sense


def test_parts_of_speech_are_those_in_use(built: PackedSynonyms) -> None:
    assert built.parts_of_speech["film"] == {"NOUN"}
    assert built.parts_of_speech["good"] == {"ADJ"}  # an adverb in 1 use of 25
    assert built.parts_of_speech["went"] == {"VERB"}


def test_the_same_inputs_give_the_same_file(wordnet: WordNet) -> None:
    first, second = (build_synonyms(wordnet, MadeUpVectors()).to_bytes() for _ in range(2))
    assert first == second


def test_half_of_all_words_are_for_development() -> None:
    words = [f"w{number}" for number in range(2000)]
    assert 900 < sum(map(is_development_word, words)) < 1100
