"""Find the tokens of a text that have substitutes: words of one token with neighbours of one token."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from transformers import PreTrainedTokenizerBase

from benchmarks.data.examples import Example

SLOTS = 10  # the token itself and nine neighbours, as in RIFT's release

_WORD = re.compile(r"\w+(?:['\-]\w+)*")
# A word's later pieces in WordPiece; a word's start in byte-level vocabularies, and in SentencePiece's.
_MARKS = ("##", "\u0120", "\u2581")


class Neighbours(Protocol):
    """A source of substitutes for lower-cased words."""

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` neighbours of `word`, nearest first."""
        ...


@dataclass(frozen=True)
class Substitutes:
    """The substitutes of N encoded texts: a row of a small table for each token that has some.

    Attributes:
        rows: (sum of lengths,) int32, in the order of the texts' token ids; -1 for a token without substitutes.
        table: (R, S) int32; slot 0 holds the token itself, which also fills the empty slots.
    """

    rows: np.ndarray
    table: np.ndarray

    def of(self, span: slice, ids: np.ndarray) -> np.ndarray:
        """(tokens, S) int64: the substitutes of the tokens `ids` at position `span`."""
        filled = np.repeat(ids[:, None], self.table.shape[1], axis=1).astype(np.int64)
        rows = self.rows[span]
        filled[rows >= 0] = self.table[rows[rows >= 0]]
        return filled


def identity(synonyms: Mapping[str, Any]) -> dict[str, Any]:
    """What decides substitutes besides tokenizer and texts: the source of neighbours, and their number."""
    return {"synonyms": dict(synonyms), "slots": SLOTS}


def find_substitutes(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int, source: Neighbours
) -> Substitutes:
    """Find the substitutes of texts as `encode` tokenises them.

    Only a word of one token can be replaced, and only by such a word; neighbours are looked up in
    lower case. In a pair only the second text has substitutes, as in RIFT's release for hypotheses.
    """
    columns = list(zip(*(example.texts for example in examples), strict=True))
    output = tokenizer(*(list(column) for column in columns), truncation=True, max_length=max_length)
    last = len(columns) - 1
    table = _Table(tokenizer, source)
    rows: list[int] = []
    for encoding, text in zip(output.encodings, columns[last], strict=True):
        words = {match.span() for match in _WORD.finditer(text)}
        rows += [
            table.row(token) if column == last and _without_space(text, place) in words else -1
            for token, place, column in zip(encoding.ids, encoding.offsets, encoding.sequence_ids, strict=True)
        ]
    return Substitutes(np.array(rows, np.int32), np.array(table.rows, np.int32).reshape(-1, SLOTS))


def replaceable_tokens(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """(V,) bool: the tokens made of letters only, apart from the mark of a word's start or middle."""
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = set(tokenizer.all_special_tokens)
    return np.array([token not in special and word_of_token(token).isalpha() for token in tokens])


class _Table:
    """The substitutes of all requested tokens, each looked up once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, source: Neighbours) -> None:
        self._vocabulary = tokenizer.get_vocab()
        self._tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        self._source = source
        self._row_of: dict[int, int] = {}
        self.rows: list[list[int]] = []

    def row(self, token: int) -> int:
        """The table's row for a token that is a whole word, or -1 if it has no substitutes."""
        if token not in self._row_of:
            found = self._look_up(token)
            self._row_of[token] = len(self.rows) if found else -1
            if found:
                self.rows.append([token, *found, *[token] * (SLOTS - 1 - len(found))])
        return self._row_of[token]

    def _look_up(self, token: int) -> list[int]:
        piece = self._tokens[token]
        others = self._source.neighbours(word_of_token(piece).lower(), SLOTS - 1)
        ids = [self._vocabulary.get(token_of_word(piece, other)) for other in others]
        return [one for one in dict.fromkeys(ids) if one is not None and one != token]


def _without_space(text: str, place: tuple[int, int]) -> tuple[int, int]:
    """The span of a token, without the space before a word that some tokenizers count as part of it."""
    start, end = place
    return end - len(text[start:end].lstrip()), end


def token_of_word(like: str, word: str) -> str:
    """A lower-cased word as a token that may stand in the place of another: with its mark, and capital if it is."""
    own = word_of_token(like)
    return like.removesuffix(own) + (word.capitalize() if own[:1].isupper() else word)


def word_of_token(token: str) -> str:
    """A token without the mark of a word's start or middle."""
    for mark in _MARKS:
        token = token.removeprefix(mark)
    return token
