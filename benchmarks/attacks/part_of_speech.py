"""Parts of speech: all that a word may be, from a dictionary; or NLTK's tag of the word in its context."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

OPEN_CLASSES = frozenset({"NOUN", "VERB", "ADJ", "ADV"})
_NOUN_OR_VERB = frozenset({"NOUN", "VERB"})

_TAGGER = Path("taggers", "averaged_perceptron_tagger_eng")
_TAG_SET = Path("taggers", "universal_tagset")
_TAG_MAP = "en-ptb.map"


class Tagger(Protocol):
    """Words in context to universal parts of speech."""

    def tags(self, before: Sequence[str], word: str, after: Sequence[str]) -> frozenset[str]:
        """The universal tags that `word` may have between the words before and after it."""
        ...

    def describe(self) -> str:
        """The tagger, in words for captions."""
        ...

    def identity(self) -> dict[str, Any]:
        """All that decides the tags."""
        ...


def may_replace(tags: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two words share a part of speech, nouns and verbs counting as one."""
    return bool(tags & others) or bool(tags & _NOUN_OR_VERB and others & _NOUN_OR_VERB)


class DictionaryTagger:
    """Every part of speech that a dictionary knows for a word, whatever its context; an unknown word may be any."""

    def tags(self, before: Sequence[str], word: str, after: Sequence[str]) -> frozenset[str]:
        """The universal tags that `word` may have; the context is not read."""
        return _dictionary_tags(word.lower())

    def describe(self) -> str:
        """The tagger, in words for captions."""
        return "parts of speech from lemminflect's dictionary, context-free"

    def identity(self) -> dict[str, Any]:
        """The dictionary's version."""
        return {"kind": "dictionary", "lemminflect": version("lemminflect")}


@lru_cache(maxsize=1 << 16)
def _dictionary_tags(word: str) -> frozenset[str]:
    import lemminflect

    return frozenset(lemminflect.getAllLemmas(word)) or OPEN_CLASSES


class PerceptronTagger:
    """NLTK's averaged perceptron with the universal tag set, read from a folder of NLTK data.

    Args:
        folder: holds `taggers/averaged_perceptron_tagger_eng` and `taggers/universal_tagset` (or its zip).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, ...], list[tuple[str, str]]] = {}

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether the folder holds the tagger and the tag set."""
        tag_set = folder / _TAG_SET
        return (folder / _TAGGER).is_dir() and ((tag_set / _TAG_MAP).is_file() or tag_set.with_suffix(".zip").is_file())

    def tags(self, before: Sequence[str], word: str, after: Sequence[str]) -> frozenset[str]:
        """One tag: that of the first occurrence of `word` in its context, as TextAttack reads it."""
        context = (*before, word, *after)
        if context not in self._known:
            self._known[context] = self._perceptron.tag(list(context))
        penn = next(tag for token, tag in self._known[context] if token == word)
        return frozenset({self._universal.get(penn, "X")})

    @cached_property
    def _perceptron(self) -> Any:
        import nltk
        from nltk.tag.perceptron import PerceptronTagger as Averaged

        if str(self._folder) not in nltk.data.path:  # NLTK reads from the folders on its path alone
            nltk.data.path.append(str(self._folder))
        tagger = Averaged(load=False)
        tagger.load_from_json("eng", loc=str(self._folder / _TAGGER))
        return tagger

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
