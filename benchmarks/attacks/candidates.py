"""The replacements of a word: the recipes' transformations.

Source: TextAttack 0.3.11, `WordSwapEmbedding`, `WordSwapRandomCharacterInsertion`, `WordSwapRandomCharacterDeletion`,
`WordSwapRandomCharacterSubstitution`, `WordSwapNeighboringCharacterSwap`, `WordSwapHomoglyphSwap`, `WordSwapWordNet`
and `WordSwapMaskedLM`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from itertools import islice, product

import numpy as np

from benchmarks.attacks import recipe as kinds
from benchmarks.attacks.homoglyphs import HOMOGLYPHS
from benchmarks.attacks.masked_model import MaskedModel
from benchmarks.attacks.seeding import Draws
from benchmarks.attacks.synonyms import Synonyms
from benchmarks.attacks.wordnet_synonyms import packaged_wordnet
from benchmarks.attacks.words import words_in


class Candidates:
    """The replacements that a recipe proposes for a word.

    Args:
        parts: the recipe's transformations.
        synonyms: the source of neighbours.
    """

    def __init__(self, parts: Sequence[kinds.Transformation], synonyms: Synonyms) -> None:
        self._parts = parts
        self._synonyms = synonyms
        self._neighbours: dict[tuple[str, int], list[str]] = {}

    def of(self, word: str, draws: Draws) -> list[str]:
        """Replacements in the order of the transformations, without the word itself.

        Several transformations never give the same replacement twice. A single one may, if letter case makes two
        neighbours equal; the victim is then asked about it twice.

        Args:
            draws: the example's generator, for the transformations that choose a random place.
        """
        found = [new for part in self._parts for new in self._of_part(part, word, draws) if new != word]
        return found if len(self._parts) == 1 else list(dict.fromkeys(found))

    def _of_part(self, part: kinds.Transformation, word: str, draws: Draws) -> list[str]:
        match part:
            case kinds.Substitute(neighbours=count):
                return self._cased_neighbours(word, count)
            case kinds.InsertSpace():
                place = _inner_place(word, len(word) - 1, draws)
                return [] if place is None else [f"{word[:place]} {word[place:]}"]
            case kinds.DeleteInner():
                place = _inner_place(word, len(word) - 1, draws)
                return [] if place is None else [word[:place] + word[place + 1 :]]
            case kinds.SwapInner():
                place = _inner_place(word, len(word) - 2, draws)
                return [] if place is None else [word[:place] + word[place + 1] + word[place] + word[place + 2 :]]
            case kinds.Homoglyph():
                return [
                    word[:place] + HOMOGLYPHS[letter] + word[place + 1 :]
                    for place, letter in enumerate(word)
                    if letter in HOMOGLYPHS
                ]
            case kinds.WordNetSynonym():
                return list(packaged_wordnet().of(word))
            case kinds.EveryEdit():
                return edits(word)
            case kinds.SwapLetters() | kinds.SubstituteLetter() | kinds.DeleteLetter() | kinds.InsertLetter():
                return [] if len(word) < 2 else [_random_edit(part, word, draws)]
        raise TypeError(f"{type(part).__name__} proposes no replacements by itself")

    def _cased_neighbours(self, word: str, count: int) -> list[str]:
        if (word, count) not in self._neighbours:
            near = self._synonyms.neighbours(word.lower(), count)
            self._neighbours[word, count] = [in_the_case_of(word, new) for new in near]
        return self._neighbours[word, count]


def _random_edit(part: kinds.Transformation, word: str, draws: Draws) -> str:
    """The word, of two letters or more, with one random edit: first the place is drawn, then the letter."""
    place = draws.between(0, len(word) - isinstance(part, kinds.SwapLetters))
    before, after = word[:place], word[place:]
    match part:
        case kinds.SwapLetters():
            return before + after[1] + after[0] + after[2:]
        case kinds.SubstituteLetter():
            return before + draws.letter() + after[1:]
        case kinds.InsertLetter():
            return before + draws.letter() + after
    return before + after[1:]


def edits(word: str) -> list[str]:
    """Every word at one edit of a word of two letters or more, each once."""
    if len(word) < 2:
        return []
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    swapped = [before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1]
    deleted = [before + after[1:] for before, after in cuts if after]
    letters = string.ascii_lowercase
    substituted = [before + letter + after[1:] for before, after in cuts if after for letter in letters]
    inserted = [before + letter + after for before, after in cuts for letter in letters]
    return list(dict.fromkeys(swapped + deleted + substituted + inserted))


def _inner_place(word: str, end: int, draws: Draws) -> int | None:
    """A random place in [1, end); None, without drawing, if there is none."""
    return draws.between(1, end) if len(word) > 1 and end > 1 else None


def in_the_case_of(word: str, new: str) -> str:
    """`new` in lower case, in capitals or capitalised, like `word`; unchanged if `word` is none of these."""
    if word.islower():
        return new.lower()
    if word.isupper() and len(word) > 1:
        return new.upper()
    if word[0].isupper() and word[1:].islower():
        return new.capitalize()
    return new


def words_for_a_mask(model: MaskedModel, is_first: bool, proposals: np.ndarray, count: int) -> list[str]:
    """BAE's proposals for a masked word: the first `count` tokens that are words; pieces count without their marks.

    Args:
        is_first: whether the mask is the first token after the model's own mark.
        proposals: (K,) token ids, best first.
    """
    words = (_less_marks(model, model.token(token), is_first) for token in proposals)
    return list(islice((word for word in words if len(words_in(word)) == 1 and not _is_punctuation(word)), count))


def _less_marks(model: MaskedModel, token: str, is_first: bool) -> str:
    return token.replace("##", "").replace("\u0120", "") if model.continues_word(token, is_first) else token


def _is_punctuation(word: str) -> bool:
    return all(letter in string.punctuation for letter in word)


def bae_candidates(words: Sequence[str], word: str) -> list[str]:
    """BAE's replacements of a word among the model's words: those with an ASCII letter, without the word itself."""
    found = [each.strip("\u0120") for each in words]
    return [new for new in found if new != word and re.search("[a-zA-Z]", new) and len(words_in(new)) == 1]


def masked_candidates(model: MaskedModel, word: str, is_first: bool, proposals: np.ndarray, count: int) -> list[str]:
    """BERT-Attack's replacements: the model's proposals at the word's pieces.

    For a word of several pieces the first `count` combinations in product order are taken; TextAttack computes their
    perplexities, but then discards the sorted list.

    Args:
        is_first: whether the word is the text's first.
        proposals: (P, K) token ids, best first, at the P pieces of the word.
    """
    if len(proposals) == 1:
        tokens = [model.token(token) for token in proposals[0]]
        found = [token for token in tokens if len(words_in(token)) == 1 and not model.continues_word(token, is_first)]
    else:
        joined = ("".join(map(model.token, pieces)).replace("##", "") for pieces in product(*proposals.tolist()))
        found = list(islice((new for new in joined if len(words_in(new)) == 1), count))
    return [new for new in (token.strip("\u0120") for token in found) if new != word]
