"""The masked language model that proposes substitutes for BERT-Attack and BAE."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoModelForMaskedLM

from baselines.validation import unknown
from benchmarks.victims.backbones import Backbone
from benchmarks.victims.batch_invariant import batch_invariant
from benchmarks.victims.kernels import Kernel, fastest_kernel
from benchmarks.victims.pieces import Pieces, equal_length_batches

MAX_TOKENS = 512
BATCH_TOKENS = 1024

# Architectures for which TextAttack knows the tokens that continue a word: those with the mark, or those without it.
_MARKED_INSIDE = ("bert", "electra")
_MARKED_AT_START = ("roberta",)


class Masked(NamedTuple):
    """A text as the model reads it, and the number of places to predict.

    Attributes:
        ids: token ids, including special tokens, at most 512.
        length: minimum number of places; those behind the text are padding.
    """

    ids: tuple[int, ...]
    length: int


class MaskedModel:
    """A masked language model in eval mode.

    Args:
        backbone: the model with the masked-language-model head.
    Raises:
        UserError: for an architecture for which TextAttack does not know the tokens that continue a word.
    """

    def __init__(self, backbone: Backbone, device: str = "cpu") -> None:
        known = _MARKED_INSIDE + _MARKED_AT_START
        if backbone.config.model_type not in known:
            raise unknown("architecture of a masked language model", backbone.config.model_type, known)
        self._backbone = backbone
        self._device = device

    @cached_property
    def model(self) -> Any:
        """The model, loaded at first use."""
        return self._backbone.load_finished(AutoModelForMaskedLM).to(self._device)

    @cached_property
    def _kernel(self) -> Kernel:
        return fastest_kernel(self.model) if self._device == "cpu" else "torch"

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self._backbone.load_tokenizer()

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(self.tokenizer, MAX_TOKENS)

    @cached_property
    def _tokens(self) -> list[str]:
        return self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))

    def ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text with special tokens, at most 512."""
        return self._pieces.rows([(text,)])[0].ids

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return len(self._tokens)

    def piece_count(self, word: str) -> int:
        """Number of tokens of a word by itself."""
        return len(self._pieces.ids([word])[0])

    def token(self, index: int) -> str:
        """The token of an id, with its marks."""
        return self._tokens[index]

    def continues_word(self, token: str, is_first: bool) -> bool:
        """Whether a token continues the word before it; `is_first` if there can be no word before it."""
        if self._backbone.config.model_type in _MARKED_INSIDE:
            return "##" in token
        return not is_first and not token.startswith("\u0120")

    @torch.inference_mode()
    def top(self, inputs: Sequence[Masked], count: int) -> list[np.ndarray]:
        """For each input the (L, K) ids of the `count` likeliest tokens at every place, best first."""
        lengths = [max(len(each.ids), each.length) for each in inputs]
        found: list[np.ndarray] = [np.zeros((0, count), np.int64)] * len(inputs)
        fill = self.tokenizer.pad_token_id
        for places in equal_length_batches(lengths, BATCH_TOKENS):
            rows = [inputs[place].ids for place in places]
            length = lengths[places[0]]
            ids = torch.tensor([row + (fill,) * (length - len(row)) for row in rows], device=self._device)
            mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=self._device)
            with batch_invariant(self.model, self._kernel):
                logits = self.model(input_ids=ids, attention_mask=mask).logits
            best = logits.topk(count, dim=-1).indices.cpu().numpy()
            for place, row in zip(places, best, strict=True):
                found[place] = row
        return found

    def describe(self) -> str:
        """The model, in words for captions."""
        return f"masked language model {self._backbone.name}"

    def identity(self) -> dict[str, Any]:
        """The backbone's identity."""
        return {"kind": "masked", **self._backbone.identity()}
