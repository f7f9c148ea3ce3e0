"""The word of each token: words are what blanks separate, as the methods that mask or replace words see them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from baselines.validation import require
from benchmarks.data.examples import Example


def word_numbers(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int) -> np.ndarray:
    """(sum of lengths,) int32: the number of the word of each token, for texts as `encode` tokenises them.

    -1 stands for special tokens and, in a pair, for the tokens of the first text: only the second one is changed.
    """
    columns = list(zip(*(example.texts for example in examples), strict=True))
    output = tokenizer(*(list(column) for column in columns), truncation=True, max_length=max_length)
    last = len(columns) - 1
    found: list[int] = []
    for encoding, text in zip(output.encodings, columns[last], strict=True):
        starts = [match.start() for match in re.finditer(r"\S+", text)]
        # Some tokenizers count the space before a word as part of its first token.
        first = np.searchsorted(starts, [end - 1 for _, end in encoding.offsets], side="right") - 1
        found += [
            int(word) if column == last else -1 for word, column in zip(first, encoding.sequence_ids, strict=True)
        ]
    return np.array(found, np.int32)


def mask_token_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that masks a word.

    Raises:
        UserError: for a tokenizer without one.
    """
    require(tokenizer.mask_token_id is not None, "the backbone's tokenizer", "one with a mask token", "none")
    return int(tokenizer.mask_token_id)
