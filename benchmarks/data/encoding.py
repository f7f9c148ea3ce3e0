"""Texts as token ids, cached by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from benchmarks.data.array_cache import Arrays, cached_arrays
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


def encode(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int, cache: Path | None = None
) -> Encoded:
    """Tokenise texts, or read the ids from `cache`, where a file is named by a hash of all inputs."""
    if cache is None:
        return _tokenise(tokenizer, examples, max_length)
    path = cache / f"{content_key(tokenizer, examples, max_length)}.safetensors"
    arrays = cached_arrays(path, lambda: _arrays(_tokenise(tokenizer, examples, max_length)))
    return Encoded(**(arrays | {"pad_id": int(arrays["pad_id"][0])}))


def content_key(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int) -> str:
    """SHA-256 over the tokenizer, the texts with their labels, and the truncation length."""
    # The last call's truncation and padding stay set in a tokenizer; they must not change the hash.
    state = json.loads(tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
    digest = hashlib.sha256(json.dumps(state).encode())
    digest.update(json.dumps([max_length, [[example.texts, example.label] for example in examples]]).encode())
    return digest.hexdigest()


def _tokenise(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int) -> Encoded:
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


def _arrays(encoded: Encoded) -> Arrays:
    arrays = {name: value for name, value in vars(encoded).items() if name != "pad_id"}
    return arrays | {"pad_id": np.array([encoded.pad_id])}
