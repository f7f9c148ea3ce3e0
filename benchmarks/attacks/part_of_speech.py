"""Parts of speech: all tags a dictionary gives a word, or NLTK's tag of the word in its context."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from baselines.validation import UserError
from benchmarks.attacks.packed_synonyms import PACKAGED_SHA256, packaged_synonyms

OPEN_CLASSES = frozenset({"NOUN", "VERB", "ADJ", "ADV"})
_NOUN_OR_VERB = frozenset({"NOUN", "VERB"})

_TAGGER = Path("taggers", "averaged_perceptron_tagger_eng")
_TAG_SET = Path("taggers", "universal_tagset")
_TAG_MAP = "en-ptb.map"


class Tagger(Protocol):
    """A tagger of words in context with universal parts of speech."""

    def tags_of(self, before: Sequence[str], words: Sequence[str], after: Sequence[str]) -> list[frozenset[str]]:
        """For each of `words` the universal tags it may have between the words before and after."""
        ...

    def describe(self) -> str:
        """The tagger, in words for captions."""
        ...

    def identity(self) -> dict[str, Any]:
        """All settings that decide the tags."""
        ...


def may_replace(tags: frozenset[str], others: frozenset[str], noun_for_verb: bool = True) -> bool:
    """Whether two words share a part of speech; nouns and verbs count as one, if `noun_for_verb` says so."""
    return bool(tags & others) or (noun_for_verb and bool(tags & _NOUN_OR_VERB and others & _NOUN_OR_VERB))


class DictionaryTagger:
    """Every part of speech that a dictionary lists for a word, in any context.

    WordNet says it of the words in the packaged list, lemminflect of others; a word that neither knows may be any.
    """

    def tags_of(self, before: Sequence[str], words: Sequence[str], after: Sequence[str]) -> list[frozenset[str]]:
        """The universal tags that each word may have; the context is ignored."""
        return [_dictionary_tags(word.lower()) for word in words]

    def describe(self) -> str:
        """The tagger, in words for captions."""
        return "parts of speech from WordNet and lemminflect's dictionary, context-free"

    def identity(self) -> dict[str, Any]:
        """The packaged list's hash and the dictionary's version."""
        return {"kind": "dictionary", "wordnet": PACKAGED_SHA256, "lemminflect": version("lemminflect")}


@lru_cache(maxsize=1 << 16)
def _dictionary_tags(word: str) -> frozenset[str]:
    known = packaged_synonyms().parts_of_speech.get(word)
    if known is not None:
        return known
    import lemminflect

    return frozenset(lemminflect.getAllLemmas(word)) or OPEN_CLASSES


class PerceptronTagger:
    """NLTK's averaged perceptron with the universal tag set, read from a folder of NLTK data.

    It tags many words in one context at once. A word's tag is that of its first occurrence in the context, as in
    TextAttack, so nothing after the word's own place is tagged.

    Args:
        folder: holds `taggers/averaged_perceptron_tagger_eng` and `taggers/universal_tagset` (or its zip).

    Source: NLTK 3.10, `nltk.tag.perceptron`: its features, its rule for ties (the later label wins), its summing order.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether the folder holds the tagger and the tag set."""
        tag_set = folder / _TAG_SET
        return (folder / _TAGGER).is_dir() and ((tag_set / _TAG_MAP).is_file() or tag_set.with_suffix(".zip").is_file())

    def tags_of(self, before: Sequence[str], words: Sequence[str], after: Sequence[str]) -> list[frozenset[str]]:
        """One tag for each word: that of its first occurrence in `before`, itself, `after`."""
        near = [_normal(word) for word in before], [_normal(word) for word in after]
        contexts = [(*_START, *near[0], _normal(word), *near[1], *_END) for word in words]
        # Features look two words ahead: up to there all words share one chain of tags.
        shared = max(0, len(before) - 2)
        tags = [_START[::-1]]
        for place in range(shared):
            tags = self._tagged(place, before[place : place + 1], contexts[:1], tags)
        tags = tags * len(words)
        for place in range(shared, len(before)):
            tags = self._tagged(place, [before[place]] * len(words), contexts, tags)
        tags = self._tagged(len(before), words, contexts, tags)
        # A chain starts with two start marks.
        places = [before.index(word) if word in before else len(before) for word in words]
        found = [chain[place + len(_START)] for chain, place in zip(tags, places, strict=True)]
        return [frozenset({self._universal.get(tag, "X")}) for tag in found]

    def _tagged(
        self,
        place: int,
        tokens: Sequence[str],
        contexts: Sequence[Sequence[str]],
        tags: Sequence[tuple[str, ...]],
    ) -> list[tuple[str, ...]]:
        """Extend each chain of tags by the tag of its token at `place`."""
        weights = self._weights
        # The inputs of the features: the token, two words on either side, two tags.
        keys = [
            (token, *context[place : place + 5], chain[-1], chain[-2])
            for token, context, chain in zip(tokens, contexts, tags, strict=True)
        ]
        known = {key: weights.unambiguous.get(key[0]) for key in keys}
        new = [key for key, tag in known.items() if not tag]
        if new:
            row, nothing = weights.rows.get, weights.nothing
            rows = [[row(feature, nothing) for feature in _features(*key)] for key in new]
            # Sums run over the features in NLTK's order, so that rounding equals NLTK's.
            best = weights.matrix[np.array(rows)].sum(axis=1).argmax(axis=1)
            known.update(zip(new, (weights.labels[column] for column in best), strict=True))
        return [(*chain, known[key]) for chain, key in zip(tags, keys, strict=True)]

    @cached_property
    def _weights(self) -> _Weights:
        return _Weights.from_folder(self._folder / _TAGGER)

    @cached_property
    def _universal(self) -> dict[str, str]:
        folder = self._folder / _TAG_SET
        if (folder / _TAG_MAP).is_file():
            text = (folder / _TAG_MAP).read_text("utf-8")
        else:
            with zipfile.ZipFile(folder.with_suffix(".zip")) as archive:
                text = archive.read(f"{_TAG_SET.name}/{_TAG_MAP}").decode("utf-8")
        return dict(line.split("\t") for line in text.splitlines() if "\t" in line)

    def describe(self) -> str:
        """The tagger, in words for captions."""
        return "parts of speech from NLTK's perceptron tagger"

    def identity(self) -> dict[str, Any]:
        """Hash of the tagger's files and of the tag map."""
        digest = hashlib.sha256(repr(sorted(self._universal.items())).encode())
        for file in sorted((self._folder / _TAGGER).iterdir()):
            digest.update(file.read_bytes())
        return {"kind": "perceptron", "sha256": digest.hexdigest()}


_START = ("-START-", "-START2-")
_END = ("-END-", "-END2-")


def _normal(word: str) -> str:
    """A word as named in the features."""
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    if word and word[0].isdigit():
        return "!DIGITS"
    return word.lower()


def _features(
    token: str, second_before: str, before: str, word: str, after: str, second_after: str, tag: str, second_tag: str
) -> tuple[str, ...]:
    """The features of a token, in NLTK's order; the tags are those of the two places before."""
    return (
        "bias",
        "i suffix " + token[-3:],
        "i pref1 " + token[:1],
        "i-1 tag " + tag,
        "i-2 tag " + second_tag,
        f"i tag+i-2 tag {tag} {second_tag}",
        "i word " + word,
        f"i-1 tag+i word {tag} {word}",
        "i-1 word " + before,
        "i-1 suffix " + before[-3:],
        "i-2 word " + second_before,
        "i+1 word " + after,
        "i+1 suffix " + after[-3:],
        "i+2 word " + second_after,
    )


@dataclass(frozen=True)
class _Weights:
    """The perceptron as one matrix.

    Attributes:
        labels: the tags, last in the alphabet first, so that the first of equal scores is NLTK's choice.
        unambiguous: words with the same tag in any context.
        rows: each feature's row of the matrix.
        nothing: the row of unknown features, all zero.
        matrix: (features + 1, tags) float64.
    """

    labels: list[str]
    unambiguous: dict[str, str]
    rows: dict[str, int]
    nothing: int
    matrix: np.ndarray

    @classmethod
    def from_folder(cls, folder: Path) -> _Weights:
        """Read the three JSON files of NLTK's tagger.

        Raises:
            UserError: if one is missing or cannot be read.
        """
        try:
            weights, unambiguous, classes = (
                json.loads((folder / f"{folder.name}.{part}.json").read_text("utf-8"))
                for part in ("weights", "tagdict", "classes")
            )
        except (OSError, ValueError) as error:
            raise UserError(f"NLTK's tagger in {str(folder)!r} cannot be read: {error}") from error
        labels = sorted(classes, reverse=True)
        column = {label: place for place, label in enumerate(labels)}
        matrix = np.zeros((len(weights) + 1, len(labels)))
        for row, values in enumerate(weights.values()):
            for label, weight in values.items():
                matrix[row, column[label]] = weight
        return cls(labels, unambiguous, {feature: row for row, feature in enumerate(weights)}, len(weights), matrix)
