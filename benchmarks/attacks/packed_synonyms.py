"""A neighbour list with cosines in one small file, together with senses and antonyms of its words from WordNet.

The file is a safetensors file packed by xz. Words are in alphabetical order. A pair of neighbours is stored once, with
its first word, as the distance to the second. A cosine is a whole number from 0 (for 0.5) to 255 (for 1.0).
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from baselines.validation import UserError
from benchmarks.attacks.packaged_files import packaged
from benchmarks.data.files import read_file

LEAST_COSINE = 0.5
MOST_NEIGHBOURS = 50
MAGIC = b"\xfd7zXZ"  # how an xz file starts

PACKAGED = "synonyms.safetensors.xz"
PACKAGED_SHA256 = "78c568c4e88cee8440191ad85bcddc52356323b86619e46d504eeecd54cf4954"

_PARTS = ("NOUN", "VERB", "ADJ", "ADV")
_STEPS = 255
_SENSES = 63  # the highest sense number that is stored


@dataclass(frozen=True)
class SynonymTable:
    """Words and pairs of words, as in the file.

    Attributes:
        words: W words, in alphabetical order.
        parts: (W,) uint8, one bit for each part of speech of a word.
        pairs: (P, 2) int32, neighbours by position in `words`, the smaller first, in ascending order.
        cosines: (P,) uint8.
        senses: (P, 2) uint8: for each of the two words, its sense that is shared with the other; 0 for none.
        antonyms: (A, 2) int32, WordNet's antonyms among the words, the smaller position first.
        about: the inputs that the list was made from.
    """

    words: tuple[str, ...]
    parts: np.ndarray
    pairs: np.ndarray
    cosines: np.ndarray
    senses: np.ndarray
    antonyms: np.ndarray
    about: dict[str, str]

    def to_bytes(self) -> bytes:
        """The content of the file."""
        arrays = {
            "words": np.frombuffer("\n".join(self.words).encode(), np.uint8),
            "parts": self.parts,
            **{f"pairs_{name}": array for name, array in _apart(self.pairs, len(self.words)).items()},
            "cosines": self.cosines,
            "senses": np.ascontiguousarray(self.senses.T),
            **{f"antonyms_{name}": array for name, array in _apart(self.antonyms, len(self.words)).items()},
        }
        metadata = {"about": json.dumps(self.about, sort_keys=True)}
        return lzma.compress(safetensors.numpy.save(arrays, metadata), preset=9)

    @classmethod
    def from_bytes(cls, content: bytes) -> SynonymTable:
        """Read the content of a file that `to_bytes` made.

        Raises:
            ValueError: for another content.
        """
        try:
            raw = lzma.decompress(content)
            arrays = safetensors.numpy.load(raw)
            about = json.loads(json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["about"])
            words = tuple(arrays["words"].tobytes().decode().split("\n"))
            table = cls(
                words=words,
                parts=arrays["parts"],
                pairs=_together(arrays, "pairs"),
                cosines=arrays["cosines"],
                senses=arrays["senses"].T,
                antonyms=_together(arrays, "antonyms"),
                about=about,
            )
        except (lzma.LZMAError, EOFError, safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
            raise ValueError(f"it is no list that 'build-synonyms' wrote: {error}") from error
        counts = {len(table.pairs), len(table.cosines), len(table.senses)}
        places = np.concatenate([table.pairs.ravel(), table.antonyms.ravel(), [0]])
        if len(counts) > 1 or len(table.parts) != len(words) or places.max() >= len(words) or places.min() < 0:
            raise ValueError("its parts do not fit together")
        return table


def sense_code(part: str, number: int) -> int:
    """A sense of a word as one byte, never 0."""
    return _PARTS.index(part) * (_SENSES + 1) + min(number, _SENSES)


def _sense_of(code: int) -> tuple[str, int] | None:
    part, number = divmod(int(code), _SENSES + 1)
    return (_PARTS[part], number) if number else None


def part_bits(parts: Sequence[str]) -> int:
    """Parts of speech as one byte."""
    return sum(1 << _PARTS.index(part) for part in parts)


def _apart(pairs: np.ndarray, words: int) -> dict[str, np.ndarray]:
    """For each word, its number of pairs as first word; for each pair, the distance of its second to the one before."""
    counts = np.bincount(pairs[:, 0], minlength=words).astype(np.uint16)
    starts = np.concatenate([[True], pairs[1:, 0] != pairs[:-1, 0]]) if len(pairs) else np.zeros(0, bool)
    before = np.where(starts, pairs[:, 0], np.roll(pairs[:, 1], 1))
    steps = (pairs[:, 1] - before).astype(np.int32)
    # Bytes of one kind beside each other pack better.
    return {"counts": counts, "steps": np.ascontiguousarray(steps.astype("<i4").view(np.uint8).reshape(-1, 4).T)}


def _together(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    counts, packed = arrays[f"{name}_counts"], arrays[f"{name}_steps"]
    steps = np.ascontiguousarray(packed.T).view("<i4").ravel().astype(np.int64)
    first = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts.astype(np.int64)) - counts
    sums = np.cumsum(steps)
    before = np.concatenate([[0], sums])[starts[first]]
    return np.stack([first, first + sums - before], axis=1).astype(np.int32)


class PackedSynonyms:
    """Neighbours with cosines, from a file that `build-synonyms` wrote.

    Args:
        content: the file's bytes.
        origin: the source, in words for captions.
    Raises:
        ValueError: for another content.
    """

    def __init__(self, content: bytes, origin: str) -> None:
        self.table = SynonymTable.from_bytes(content)
        self._sha256 = hashlib.sha256(content).hexdigest()
        self._origin = origin
        self._index = {word: place for place, word in enumerate(self.table.words)}
        pairs = self.table.pairs
        places = np.concatenate([pairs[:, 0], pairs[:, 1]])
        others = np.concatenate([pairs[:, 1], pairs[:, 0]])
        cosines = np.concatenate([self.table.cosines, self.table.cosines])
        senses = np.concatenate([self.table.senses[:, 0], self.table.senses[:, 1]])
        ranked = np.lexsort((others, 255 - cosines, places))
        self._others, self._cosines, self._senses = others[ranked], cosines[ranked], senses[ranked]
        self._ends = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(self.table.words)))])

    def _row(self, word: str) -> slice:
        place = self._index.get(word)
        if place is None:
            return slice(0, 0)
        start = int(self._ends[place])
        return slice(start, min(int(self._ends[place + 1]), start + MOST_NEIGHBOURS))

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` neighbours of `word`, nearest first; the list has at most 50."""
        return [self.table.words[place] for place in self._others[self._row(word)][:k]]

    def similarities(self, word: str, others: Sequence[str]) -> list[float | None]:
        """Cosines of `word` with its neighbours; None for all other words."""
        row = self._row(word)
        known = dict(zip(self._others[row].tolist(), _cosine(self._cosines[row]).tolist(), strict=True))
        return [known.get(self._index.get(other, -1)) for other in others]

    def senses(self, word: str) -> list[tuple[str, int] | None]:
        """For each neighbour of `word`, their shared sense of `word`: part of speech and number in WordNet."""
        return [_sense_of(code) for code in self._senses[self._row(word)]]

    def describe(self) -> str:
        """The source, in words for captions."""
        return f"synonyms from {self._origin}"

    def identity(self) -> dict[str, Any]:
        """Hash of the file."""
        return {"kind": "packed", "sha256": self._sha256}

    @cached_property
    def parts_of_speech(self) -> dict[str, frozenset[str]]:
        """The universal parts of speech of each word."""
        sets = [frozenset(part for bit, part in enumerate(_PARTS) if bits >> bit & 1) for bits in range(16)]
        return {word: sets[bits] for word, bits in zip(self.table.words, self.table.parts.tolist(), strict=True)}

    @cached_property
    def antonyms(self) -> dict[str, frozenset[str]]:
        """WordNet's antonyms, for the words that have some."""
        found: dict[str, set[str]] = defaultdict(set)
        for one, other in self.table.antonyms.tolist():
            found[self.table.words[one]].add(self.table.words[other])
            found[self.table.words[other]].add(self.table.words[one])
        return {word: frozenset(others) for word, others in found.items()}


def _cosine(steps: np.ndarray) -> np.ndarray:
    return LEAST_COSINE + steps.astype(np.float64) * ((1 - LEAST_COSINE) / _STEPS)


def cosine_steps(cosines: np.ndarray) -> np.ndarray:
    """Cosines of at least 0.5 as whole numbers, uint8, as in the file."""
    return np.rint((np.clip(cosines, LEAST_COSINE, 1) - LEAST_COSINE) * (_STEPS / (1 - LEAST_COSINE))).astype(np.uint8)


def kept_pairs(pairs: np.ndarray, cosines: np.ndarray, words: int) -> np.ndarray:
    """(P,) bool: the pairs in which one word is among the 50 nearest neighbours of the other.

    Args:
        pairs: (P, 2), the smaller first.
        cosines: (P,) uint8.
    """
    kept = np.zeros(len(pairs), bool)
    places = np.concatenate([pairs[:, 0], pairs[:, 1]])
    others = np.concatenate([pairs[:, 1], pairs[:, 0]])
    ranked = np.lexsort((others, 255 - np.concatenate([cosines, cosines]), places))
    counts = np.bincount(places, minlength=words)
    rank = np.arange(len(ranked)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept[ranked[rank < MOST_NEIGHBOURS] % len(pairs)] = True
    return kept


@lru_cache(maxsize=1)
def packaged_synonyms() -> PackedSynonyms:
    """The packaged list.

    Raises:
        MachineError: if the file was changed.
    """
    return PackedSynonyms(packaged(PACKAGED, PACKAGED_SHA256), "WordNet and MiniLM, counter-fitted, antonyms left out")


def read_packed(path: Path) -> PackedSynonyms:
    """Read the list in a file that `build-synonyms` wrote.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        return PackedSynonyms(read_file(path), f"the packed list {path.name}, with cosines")
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"the neighbour list {str(path)!r} cannot be read: {error}") from error
