"""Texts as token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from transformers import PreTrainedTokenizerBase

from benchmarks.data.examples import Example


@dataclass(frozen=True)
class Encoded:
    """Token ids of N texts, concatenated in one array, so that a data set is three arrays for any lengths.

    Attributes:
        ids, type_ids: (sum of lengths,) int32; `type_ids` is empty if the tokenizer makes none.
        offsets: (N + 1,) int64; text i is `ids[offsets[i]:offsets[i + 1]]`.
        labels: (N,) int64.
        pad_id: the padding token.
    """

    ids: np.ndarray
    type_ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens per text."""
        return np.diff(self.offsets)

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Encoded:
        """The token ids that `as_arrays` returned, perhaps among other arrays."""
        own = {field.name: arrays[field.name] for field in fields(cls)}
        return cls(**{**own, "pad_id": int(arrays["pad_id"][0])})

    def as_arrays(self) -> dict[str, np.ndarray]:
        """All fields as arrays."""
        return {**vars(self), "pad_id": np.array([self.pad_id])}


def encode(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int) -> Encoded:
    """Tokenise texts, cut at `max_length` tokens."""
    columns = list(zip(*(example.texts for example in examples), strict=True))
    output = tokenizer(*(list(column) for column in columns), truncation=True, max_length=max_length)
    ids = output["input_ids"]
    types = output.get("token_type_ids", [])
    return Encoded(
        ids=np.concatenate([np.asarray(text, np.int32) for text in ids]),
        type_ids=np.concatenate([np.asarray(text, np.int32) for text in types]) if types else np.empty(0, np.int32),
        offsets=np.cumsum([0, *map(len, ids)]),
        labels=np.array([example.label for example in examples]),
        pad_id=tokenizer.pad_token_id,
    )
