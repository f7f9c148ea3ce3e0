"""Replacements against TextAttack's own transformations, with the same draws."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from benchmarks.attacks import recipe as kinds
from benchmarks.attacks.candidates import Candidates, edits, in_the_case_of, masked_candidates
from benchmarks.attacks.seeding import Draws
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.attacks.textattack_import import import_textattack

WORDS = ["a", "ab", "abc", "Film", "GOOD", "don't", "well-made", "gOod", "x1", "banana", "\u05d8\u05d5\u05d1", "I"]
BUGS = [kinds.InsertSpace(), kinds.DeleteInner(), kinds.SwapInner(), kinds.Homoglyph()]
BUGS += [kinds.SwapLetters(), kinds.SubstituteLetter(), kinds.DeleteLetter(), kinds.InsertLetter()]


def theirs(part: kinds.Transformation):
    """TextAttack's transformation for one of ours."""
    import_textattack()
    from textattack import transformations

    from benchmarks.attacks.textattack_parts import HomoglyphSwap

    inner = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
    return {
        kinds.InsertSpace: lambda: transformations.WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inner),
        kinds.DeleteInner: lambda: transformations.WordSwapRandomCharacterDeletion(**inner),
        kinds.SwapInner: lambda: transformations.WordSwapNeighboringCharacterSwap(**inner),
        kinds.Homoglyph: HomoglyphSwap,
        kinds.SwapLetters: transformations.WordSwapNeighboringCharacterSwap,
        kinds.SubstituteLetter: transformations.WordSwapRandomCharacterSubstitution,
        kinds.DeleteLetter: transformations.WordSwapRandomCharacterDeletion,
        kinds.InsertLetter: transformations.WordSwapRandomCharacterInsertion,
    }[type(part)]()


@pytest.mark.parametrize("part", BUGS, ids=lambda part: type(part).__name__)
def test_bugs_are_textattacks_draw_by_draw(part) -> None:
    ours, draws = Candidates([part], NeighbourList({}, "nothing")), Draws(11)
    swap = theirs(part)
    np.random.seed(11)
    random.seed(11)
    for word in WORDS * 3:
        expected = [new for new in swap._get_replacement_words(word) if new != word]
        assert ours.of(word, draws) == expected


def test_several_transformations_give_no_replacement_twice() -> None:
    neighbours = NeighbourList({"abc": ["acb", "xyz"]}, "a test")
    parts = [kinds.SwapInner(), kinds.Substitute(5), kinds.Substitute(1)]
    assert Candidates(parts, neighbours).of("abcd", Draws(0)) == ["acbd"]
    assert Candidates(parts, neighbours).of("abc", Draws(0)) == ["acb", "xyz"]


def test_a_single_transformation_keeps_what_letter_case_makes_equal() -> None:
    neighbours = NeighbourList({"film": ["Movie", "movie", "film"]}, "a test")
    assert Candidates([kinds.Substitute(3)], neighbours).of("FILM", Draws(0)) == ["MOVIE", "MOVIE"]
    assert Candidates([kinds.Substitute(1)], neighbours).of("film", Draws(0)) == ["movie"]


@pytest.mark.parametrize(("word", "new"), itertools.product(WORDS, ["movie", "Movie", "NASA", "e-mail"]))
def test_case_is_recovered_as_textattack_does(word: str, new: str) -> None:
    import_textattack()
    from textattack.transformations.word_swaps.word_swap_embedding import recover_word_case

    assert in_the_case_of(word, new) == recover_word_case(new, word)


class Vocabulary:
    """A masked model's vocabulary alone."""

    tokens = ("good", "##ly", "bad", "-", "[UNK]", "\u0120fine", "un")

    def token(self, index: int) -> str:
        return self.tokens[index]

    def continues_word(self, token: str, is_first: bool) -> bool:
        return "##" in token


def test_a_word_of_one_piece_is_replaced_by_whole_words_alone() -> None:
    proposals = np.array([[0, 1, 2, 3, 4, 5]])
    assert masked_candidates(Vocabulary(), "good", False, proposals, 3) == ["bad", "[UNK]", "fine"]


def test_a_word_of_two_pieces_takes_the_first_combinations_in_product_order() -> None:
    proposals = np.array([[6, 0], [1, 3]])
    found = masked_candidates(Vocabulary(), "unly", False, proposals, 3)
    assert found == ["un-", "goodly"]  # "unly" is the word itself, and was counted among the three


def test_every_edit_is_there_once() -> None:
    found = edits("abc")
    swaps, deletions, substitutions, insertions = 2, 3, 25 * 3, 26 * 4 - 3  # "aabc" is made in two ways, and two others
    assert len(found) == len(set(found)) == swaps + deletions + substitutions + insertions + 1  # and the word itself
    assert {"bac", "acb", "bc", "ab", "abz", "zabc", "abcz"} <= set(found)
    assert edits("a") == []
    every = Candidates([kinds.EveryEdit()], NeighbourList({}, "nothing"))
    assert "abc" not in every.of("abc", Draws(0)) and len(every.of("abc", Draws(0))) == len(found) - 1


def test_wordnets_synonyms_are_spelt_as_there() -> None:
    synonyms = Candidates([kinds.WordNetSynonym()], NeighbourList({}, "nothing"))
    assert synonyms.of("MOVIE", Draws(0)) == ["film", "flick", "movie", "pic", "picture"]
