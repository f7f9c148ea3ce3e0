"""WordNet's synonyms of a word and of its base forms, from one packaged file: the candidates of PWWS.

Source: Miller 1995; the base forms are those of NLTK 3.10's WordNet reader (`synsets`, `_morphy`).
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.attacks.packaged_files import packaged
from benchmarks.attacks.wordnet import PARTS, WordNet
from benchmarks.attacks.words import words_in

PACKAGED = "wordnet.json.xz"
PACKAGED_SHA256 = "a6c6a45b9088c71a2bd34380029e49ee33497edab8fd9c9c405d0b4397095ed5"

# Endings of inflected forms and those of their base forms, by part of speech.
_ENDINGS = {
    "NOUN": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "VERB": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "ADJ": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "ADV": (),
}


class WordNetSynonyms:
    """The single words that share a meaning with a word, as WordNet writes them.

    Args:
        content: what `pack` made.
        origin: the source, in words for captions.
    Raises:
        ValueError: for another content.
    """

    def __init__(self, content: bytes, origin: str) -> None:
        self._sha256 = hashlib.sha256(content).hexdigest()
        self._origin = origin
        try:
            values = json.loads(lzma.decompress(content))
            self._synsets: dict[str, list[list[str]]] = {part: values["synsets"][part] for part in _ENDINGS}
            self._irregular: dict[str, dict[str, list[str]]] = {part: values["irregular"][part] for part in _ENDINGS}
        except (lzma.LZMAError, EOFError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"it is no file that 'pack' made: {error}") from error
        self._meanings: dict[str, dict[str, list[int]]] = {part: {} for part in _ENDINGS}
        for part, synsets in self._synsets.items():
            for number, words in enumerate(synsets):
                for word in dict.fromkeys(word.lower() for word in words):
                    self._meanings[part].setdefault(word, []).append(number)
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, word: str) -> tuple[str, ...]:
        """The synonyms of a word and of its base forms, in alphabetical order, without the word as it is written.

        A base form is a synonym too, and so is the word in another case: "film" of "Films" and of "Film".
        """
        if word not in self._known:
            found = {
                other
                for part in _ENDINGS
                for form in self._base_forms(word.lower(), part)
                for number in self._meanings[part].get(form, ())
                for other in self._synsets[part][number]
            }
            self._known[word] = tuple(sorted(found - {word}))
        return self._known[word]

    def _base_forms(self, word: str, part: str) -> Iterable[str]:
        """The word, and its irregular base forms; where there are none, those by its ending."""
        irregular = self._irregular[part].get(word)
        if irregular is not None:
            return dict.fromkeys((word, *irregular))
        regular = (word.removesuffix(end) + base for end, base in _ENDINGS[part] if word.endswith(end))
        return dict.fromkeys((word, *regular))

    def describe(self) -> str:
        """The source, in words for captions."""
        return f"WordNet's synonyms from {self._origin}"

    def identity(self) -> dict[str, Any]:
        """Hash of the file."""
        return {"sha256": self._sha256}


def pack(folder: Path) -> bytes:
    """Make the file's content from a folder of WordNet's database files, with its lists of irregular forms (`*.exc`).

    Phrases are left out.

    Raises:
        UserError: if a file of the database is missing or has another format.
    """
    wordnet = WordNet(folder)
    synsets = {
        part: [words for synset in wordnet.synsets(part) if (words := list(filter(_is_one_word, synset.words)))]
        for part in PARTS.values()
    }
    values = {"synsets": synsets, "irregular": {part: wordnet.irregular(part) for part in PARTS.values()}}
    return lzma.compress(json.dumps(values, separators=(",", ":")).encode(), preset=9)


def _is_one_word(name: str) -> bool:
    return "_" not in name and len(words_in(name)) == 1


@lru_cache(maxsize=1)
def packaged_wordnet() -> WordNetSynonyms:
    """The packaged file, of WordNet 3.0.

    Raises:
        MachineError: if the file was changed.
    """
    return WordNetSynonyms(packaged(PACKAGED, PACKAGED_SHA256), "WordNet 3.0")
