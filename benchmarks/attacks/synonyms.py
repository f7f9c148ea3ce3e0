"""Sources of substitutes: synonym groups, a neighbour list with or without cosines, or word vectors."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from baselines.validation import UserError
from benchmarks.attacks.words import has_word
from benchmarks.data.files import read_file, without_doubles
from benchmarks.victims.backbones import Backbone


class Synonyms(Protocol):
    """A source of neighbours of lower-cased words."""

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` neighbours of `word`, nearest first; none for an unknown word."""
        ...

    def similarities(self, word: str, others: Sequence[str]) -> list[float | None]:
        """Cosine of a word with each of others, None if it is not known."""
        ...

    def describe(self) -> str:
        """The source, in words for captions."""
        ...

    def identity(self) -> dict[str, Any]:
        """All settings that decide the neighbours."""
        ...


class NeighbourList:
    """Neighbours from a list. Without cosines, the list takes the place of a recipe's bound on word similarity.

    Args:
        neighbours: word to neighbours, nearest first.
        origin: the source, in words for captions.
        cosines: word to the cosines of its neighbours, in the same order; None if they are not known.
    """

    def __init__(
        self, neighbours: dict[str, list[str]], origin: str, cosines: dict[str, list[float]] | None = None
    ) -> None:
        self._neighbours = neighbours
        self._origin = origin
        self._cosines = cosines

    @classmethod
    def from_groups(cls, groups: Iterable[Sequence[str]]) -> NeighbourList:
        """Make the words of each group neighbours of each other, in the group's order.

        A word of several groups has the neighbours of all of them.
        """
        neighbours: dict[str, list[str]] = {}
        for group in groups:
            for word in group:
                known = neighbours.setdefault(word, [])
                known.extend(other for other in group if other != word and other not in known)
        return cls(neighbours, "groups of synonyms")

    @classmethod
    def from_file(cls, path: Path) -> NeighbourList:
        """Read JSON, gzipped or not: word to list of neighbours, nearest first, or to list of [neighbour, cosine].

        Raises:
            UserError: if the file is missing or malformed, names a word twice, or lists a text without a word.
        """
        try:
            content = read_file(path)
            text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            listed = json.loads(text, object_pairs_hook=without_doubles)
            json.dumps(listed, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (OSError, EOFError, ValueError, zlib.error, RecursionError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"the neighbour list {str(path)!r} cannot be read: {error}") from error
        rows = list(listed.values()) if isinstance(listed, dict) else [None]
        if all(isinstance(row, list) and all(isinstance(word, str) for word in row) for row in rows):
            found = cls(listed, f"the neighbour list {path.name}, without cosines")
        elif all(isinstance(row, list) and all(_is_word_and_cosine(entry) for entry in row) for row in rows):
            found = cls(
                {word: [neighbour for neighbour, _ in row] for word, row in listed.items()},
                f"the neighbour list {path.name}, with cosines",
                {word: [float(cosine) for _, cosine in row] for word, row in listed.items()},
            )
        else:
            raise UserError(
                f"the neighbour list {str(path)!r} must be a JSON object of words to lists of words, or of words to "
                f"lists of [word, cosine] with cosines from -1 to 1"
            )
        for word, near in found._neighbours.items():
            wordless = next((each for each in near if not has_word(each)), None)
            if wordless is not None:
                raise UserError(
                    f"the neighbour list {str(path)!r} gives {word[:80]!r} the neighbour {wordless[:80]!r}, which "
                    f"holds no word; leave it out"
                )
        return found

    def words(self) -> list[str]:
        """The words that have neighbours, in the list's order."""
        return [word for word, found in self._neighbours.items() if found]

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` neighbours of `word`, nearest first."""
        return self._neighbours.get(word, [])[:k]

    def similarities(self, word: str, others: Sequence[str]) -> list[float | None]:
        """The listed cosines; None for a pair that is not listed."""
        if self._cosines is None:
            return [None] * len(others)
        known = dict(zip(self._neighbours.get(word, ()), self._cosines.get(word, ()), strict=True))
        return [known.get(other) for other in others]

    def describe(self) -> str:
        """The source, in words for captions."""
        return f"synonyms from {self._origin}"

    def identity(self) -> dict[str, Any]:
        """Hash of the list."""
        return {"kind": "list", "sha256": self._sha256}

    @cached_property
    def _sha256(self) -> str:
        listed = self._neighbours if self._cosines is None else [self._neighbours, self._cosines]
        return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def _is_word_and_cosine(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and type(entry[1]) in (int, float)
        and -1 <= entry[1] <= 1
    )


class WordVectors:
    """Neighbours by cosine of centred word vectors.

    They include antonyms, and few reach the recipes' bound on word similarity.

    Args:
        words: V words.
        vectors: (V, D), one per word.
        origin: the source, in words for captions.
        floor: minimum cosine of a neighbour.
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray, origin: str, floor: float = 0.3) -> None:
        centred = vectors.astype(np.float32) - vectors.astype(np.float32).mean(axis=0)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        self._words = list(words)
        self._index = {word: index for index, word in enumerate(words)}
        self._vectors = centred / np.maximum(lengths, 1e-12)
        self._origin = origin
        self._floor = floor
        self._found: dict[str, list[str]] = {}

    @classmethod
    def of_backbone(cls, backbone: Backbone) -> WordVectors:
        """The input vectors of the backbone's tokens that are words of two or more lower-case letters."""
        vectors = backbone.new_classifier(2, 0).get_input_embeddings().weight.detach().numpy()
        tokenizer = backbone.load_tokenizer()
        # Byte-level and SentencePiece vocabularies mark the start of a word; in WordPiece an unmarked piece is a word.
        tokens = tokenizer.get_vocab()
        marks = ("\u0120", "\u2581")
        marked = any(token.startswith(marks) for token in tokens)
        found = {}
        for token, index in sorted(tokens.items(), key=lambda item: item[1]):
            word = token[1:] if token.startswith(marks) else token
            if marked == (word != token) and len(word) > 1 and word.isascii() and word.isalpha() and word.islower():
                found[word] = index
        return cls(list(found), vectors[list(found.values())], f"the input word vectors of {backbone.name}")

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` words with a cosine with `word` of at least the floor, nearest first."""
        if word not in self._index:
            return []
        if word not in self._found:
            cosines = self._vectors @ self._vectors[self._index[word]]
            near = np.flatnonzero(cosines >= self._floor)
            ranked = near[np.argsort(-cosines[near], kind="stable")]
            self._found[word] = [self._words[index] for index in ranked if index != self._index[word]]
        return self._found[word][:k]

    def similarities(self, word: str, others: Sequence[str]) -> list[float | None]:
        """Cosines in [-1, 1], None for a word without a vector."""
        places = [self._index.get(other) for other in others]
        known = [place for place in places if place is not None]
        if word not in self._index or not known:
            return [None] * len(others)
        # Row by row, not as one product: its rounding would depend on the number of rows.
        cosines = iter(np.einsum("nd,d->n", self._vectors[known], self._vectors[self._index[word]]).tolist())
        return [None if place is None else next(cosines) for place in places]

    def describe(self) -> str:
        """The source, in words for captions."""
        return f"synonyms from {self._origin}, antonyms among them"

    def identity(self) -> dict[str, Any]:
        """Hash of words and vectors, and the minimum cosine."""
        digest = hashlib.sha256("\n".join(self._words).encode())
        digest.update(self._vectors.tobytes())
        return {"kind": "vectors", "sha256": digest.hexdigest(), "floor": self._floor}
