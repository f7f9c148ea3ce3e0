"""Counter-fitted word vectors and their neighbours, from TextAttack's files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch

from baselines.validation import UserError
from benchmarks.data.digests import sha256_of

VECTORS, NEAREST, WORDS = "paragram.npy", "nn.npy", "words.json"


class CounterFitted:
    """Paragram vectors counter-fitted to synonyms and antonyms; memory-mapped, never read whole.

    Args:
        folder: contains `paragram.npy` (V, D), `nn.npy` (V, K) with the rows nearest to each word, itself first, and
            `words.json`, the V words.
    Raises:
        UserError: if a file is missing, cannot be read, or does not match the others.

    Source: Mrksic et al. 2016; TextAttack 0.3.11, `WordEmbedding.counterfitted_GLOVE_embedding`.
    Departures: TextAttack's pickles of precomputed cosines are not read; all cosines are computed here.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._words: list[str] = json.loads((folder / WORDS).read_text("utf-8"))
            self._vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
            self._nearest = np.load(folder / NEAREST, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError, OverflowError, RecursionError, SyntaxError, TokenError) as error:
            raise UserError(f"the counter-fitted vectors in {str(folder)!r} cannot be read: {error}") from error
        if not isinstance(self._words, list) or not all(isinstance(word, str) for word in self._words):
            raise UserError(f"{WORDS} of the counter-fitted vectors in {str(folder)!r} must be a list of words")
        if not isinstance(self._vectors, np.ndarray) or not isinstance(self._nearest, np.ndarray):
            raise UserError(f"the counter-fitted vectors in {str(folder)!r} cannot be read: they are archives")
        rows = len(self._words)
        kinds_fit = self._vectors.dtype.kind == "f" and self._nearest.dtype.kind in "iu"
        is_table = self._vectors.ndim == self._nearest.ndim == 2
        if not kinds_fit or not is_table or not len(self._vectors) == len(self._nearest) == rows:
            raise UserError(
                f"the counter-fitted vectors in {str(folder)!r} do not match: {rows} words, vectors "
                f"{self._vectors.shape} of {self._vectors.dtype}, neighbours {self._nearest.shape} of "
                f"{self._nearest.dtype}"
            )
        self._folder = folder
        self._rows = {word: row for row, word in enumerate(self._words)}
        self._cosines: dict[tuple[int, int], float] = {}

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` neighbours of `word`, nearest first, without the word itself (first in its row)."""
        row = self._rows.get(word)
        return [] if row is None else [self._words[near] for near in self._nearest[row][1 : k + 1]]

    def similarities(self, word: str, others: Sequence[str]) -> list[float | None]:
        """Cosines in [-1, 1], None for a word without a vector."""
        row = self._rows.get(word)
        places = [self._rows.get(other) for other in others]
        return [None if row is None or place is None else self._cosine(row, place) for place in places]

    def _cosine(self, row: int, other: int) -> float:
        """The cosine of two rows; computed pair by pair, in row order, to round like TextAttack."""
        pair = min(row, other), max(row, other)
        if pair not in self._cosines:
            first, second = (torch.from_numpy(np.array(self._vectors[place])) for place in pair)
            self._cosines[pair] = torch.nn.functional.cosine_similarity(first, second, dim=0).item()
        return self._cosines[pair]

    def describe(self) -> str:
        """The source, in words for captions."""
        return "synonyms from counter-fitted word vectors"

    def identity(self) -> dict[str, Any]:
        """Hash of words, vectors and neighbours."""
        return {"kind": "counter_fitted", "sha256": self._sha256}

    @cached_property
    def _sha256(self) -> str:
        hashes = "".join(sha256_of(self._folder / name) for name in (WORDS, VECTORS, NEAREST))
        return hashlib.sha256(hashes.encode()).hexdigest()
