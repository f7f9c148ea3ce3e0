"""Tokenise texts from cached pieces: an attack asks about the same words again and again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from baselines.guard import Row

__all__ = ["Pieces", "Row", "batches_of", "equal_length_batches"]

REMEMBERED = 1 << 18

# Python splits texts at these characters; BERT's tokenizers drop them and join the words on both sides.
_DROPPED = re.compile("[\x0b\x0c\x1c-\x1f\x85]")


class Pieces:
    """A fast tokenizer that reads each whitespace-separated part of a text only once.

    WordPiece tokenizers like BERT's and byte-level ones never look across whitespace, so a text's ids are those of its
    parts, one after another. In other cases (other tokenizers, such as SentencePiece's, rare control characters, pairs
    that must be truncated) the tokenizer itself reads the whole text; the ids are always the tokenizer's own.

    Args:
        tokenizer: a fast tokenizer of transformers.
        max_length: longest input in tokens, with special tokens; longer ones are truncated as by the tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._kind = _kind(tokenizer)
        parts = _parts(tokenizer) if self._kind == "byte_level" else {}
        self._whole = tuple(token["content"] for token in parts.get("added_tokens", ()))  # found across spaces
        self._normalises = parts.get("normalizer") is not None
        self._known: dict[str, list[int]] = {}
        self._frames = {1: _frame(tokenizer, 1), 2: _frame(tokenizer, 2)} if self._kind else {}

    def check(self, texts: Sequence[tuple[str, ...]]) -> str | None:
        """Compare some inputs with the tokenizer's own; if they differ, the tokenizer reads all texts from then on.

        Returns:
            A sentence if they differ.
        """
        if self._kind is None or self.rows(texts) == self._by_tokenizer(texts):
            return None
        self._kind = None
        return "Its tokenizer looks across words; texts are tokenised whole."

    def rows(self, texts: Sequence[tuple[str, ...]]) -> list[Row]:
        """The inputs of N texts, each of one or two columns."""
        if not texts:
            return []
        if self._kind is None:
            return self._by_tokenizer(texts)
        frame = self._frames[len(texts[0])]
        room = self.max_length - frame.length
        columns = [self.ids(column, room if len(texts[0]) == 1 else None) for column in zip(*texts, strict=True)]
        rows: list[Row | None] = []
        for parts in zip(*columns, strict=True):
            if len(parts) == 1:
                rows.append(frame.around((parts[0][:room],)))
            else:
                rows.append(frame.around(parts) if len(parts[0]) + len(parts[1]) <= room else None)
        cut = [place for place, row in enumerate(rows) if row is None]
        for place, row in zip(cut, self._by_tokenizer([texts[place] for place in cut]), strict=True):
            rows[place] = row
        return rows  # type: ignore[return-value]  # every None was filled

    def ids(self, texts: Sequence[str], most: int | None = None) -> list[list[int]]:
        """Token ids of texts, without special tokens.

        Args:
            most: how many of them are needed; a longer text is not read much further.
        """
        stretches = [self._stretches(text, most) for text in texts]
        new = list(set().union(*stretches).difference(self._known))
        if new:
            if len(self._known) + len(new) > REMEMBERED:
                self._known.clear()
                new = list(set().union(*stretches))
            self._known.update(zip(new, self._tokenise(new), strict=True))
        known = self._known
        found = []
        for text, stretch in zip(texts, stretches, strict=True):
            ids: list[int] = []
            for piece in stretch:
                ids += known[piece]
            if most is not None and len(ids) < most and len(stretch) == most:  # stretches of control characters
                (ids,) = self.ids([text])
            found.append(ids)
        return found

    def _stretches(self, text: str, most: int | None) -> list[str]:
        """At most `most` parts, each of at least one id, except those of control characters only."""
        if self._kind == "word_piece":
            return [text] if _DROPPED.search(text) else text.split(maxsplit=most or -1)[:most]
        parts = text.split()
        if self._kind is None or " ".join(parts) != text or any(token in text for token in self._whole):
            return [text]
        if self._normalises and not text.isascii():
            return [text]
        return parts[:1] + [" " + part for part in parts[1:most]]

    def _tokenise(self, texts: list[str]) -> list[list[int]]:
        backend = self.tokenizer.backend_tokenizer
        backend.no_truncation()  # transformers sets truncation and padding again at each of its own calls
        backend.no_padding()
        return [each.ids for each in backend.encode_batch_fast(texts, add_special_tokens=False)]

    def _by_tokenizer(self, texts: Sequence[tuple[str, ...]]) -> list[Row]:
        if not texts:
            return []
        columns = [list(column) for column in zip(*texts, strict=True)]
        encoded = self.tokenizer(*columns, truncation=True, max_length=self.max_length, verbose=False)
        types = encoded.get("token_type_ids", [()] * len(texts))
        return [Row(tuple(ids), tuple(kinds)) for ids, kinds in zip(encoded["input_ids"], types, strict=True)]


class _Frame:
    """The special tokens around one or two columns, and each part's segment.

    Args:
        before: the special tokens before each column, and those at the end.
        types: the segment of each stretch in order: special, column, special, ..., special; () for none.
    """

    def __init__(self, before: list[tuple[int, ...]], types: list[int]) -> None:
        self._before = before
        self._types = types
        self.length = sum(map(len, before))

    def around(self, parts: Sequence[list[int]]) -> Row:
        ids: tuple[int, ...] = self._before[0]
        lengths = [len(self._before[0])]
        for part, after in zip(parts, self._before[1:], strict=True):
            ids += (*part, *after)
            lengths += [len(part), len(after)]
        if not self._types:
            return Row(ids, ())
        if not any(self._types):
            return Row(ids, (0,) * len(ids))
        return Row(ids, tuple(kind for kind, length in zip(self._types, lengths, strict=True) for _ in range(length)))


def _frame(tokenizer: PreTrainedTokenizerBase, columns: int) -> _Frame:
    """Find the special tokens from an example with one ordinary token per column."""
    token = tokenizer("a", add_special_tokens=False)["input_ids"][:1]
    example = tokenizer(*["a"] * columns)
    before: list[tuple[int, ...]] = []
    types: list[int] = []
    start = 0
    kinds = example.get("token_type_ids")
    for _ in range(columns):
        place = example["input_ids"].index(token[0], start)
        before.append(tuple(example["input_ids"][start:place]))
        if kinds is not None:
            types += [kinds[start] if place > start else 0, kinds[place]]
        start = place + 1
    before.append(tuple(example["input_ids"][start:]))
    if kinds is not None:
        types.append(kinds[-1])
    return _Frame(before, types)


def _kind(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """ "word_piece", "byte_level", or None for tokenizers that may look across whitespace."""
    if not getattr(tokenizer, "is_fast", False):
        return None
    if tokenizer.truncation_side != "right":  # this class truncates on the right
        return None
    parts = _parts(tokenizer)
    ordinary = [token for token in parts["added_tokens"] if token["content"] not in tokenizer.all_special_tokens]
    splitter, normalizer = parts["pre_tokenizer"] or {}, parts["normalizer"]
    if len(tokenizer("a", add_special_tokens=False)["input_ids"]) != 1:
        return None
    if splitter.get("type") == "ByteLevel" and splitter.get("use_regex", True):
        return "byte_level" if normalizer is None or normalizer["type"] == "NFC" else None
    if ordinary:
        return None
    if splitter.get("type") == "BertPreTokenizer" and normalizer and normalizer["type"] == "BertNormalizer":
        return "word_piece" if normalizer["clean_text"] else None
    return None


def _parts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """A fast tokenizer's normalizer, added tokens and so on, as plain values."""
    return json.loads(tokenizer.backend_tokenizer.to_str())


def batches_of(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Group inputs into batches, shorter ones first: with padding, each has at most `most_tokens` tokens.

    A longer input is a batch by itself.
    """
    places: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if places and lengths[place] * (len(places) + 1) > most_tokens:
            yield places
            places = []
        places.append(place)
    if places:
        yield places


def equal_length_batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Group inputs of one length, at most `most_tokens` tokens at a time and at least one input."""
    by_length: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        by_length.setdefault(length, []).append(place)
    for length in sorted(by_length):
        places = by_length[length]
        most = max(1, most_tokens // length)
        yield from (places[start : start + most] for start in range(0, len(places), most))
