"""A classifier as an attack sees it: texts in, probabilities out, queries counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from baselines.refusal import require


class Victim:
    """Answers texts with class probabilities, in eval mode and single precision.

    Equal texts of one call are answered once. On a CPU only texts of equal length share a batch, so that nothing is
    padded and a text's answer does not depend on its neighbours' lengths; elsewhere batches fill a budget of tokens.

    Args:
        model: a sequence classifier of transformers; put into eval mode.
        tokenizer: its tokenizer.
        max_length: longest input in tokens.
        device: where the model lies.
        batch_tokens: most tokens in a batch, padding included.
    Attributes:
        queries: texts answered so far, repeats included.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        device: str = "cpu",
        batch_tokens: int = 8192,
    ) -> None:
        require(max_length >= 1, "Victim.max_length", "1 or more", max_length)
        require(batch_tokens >= max_length, "Victim.batch_tokens", f"at least max_length ({max_length})", batch_tokens)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.device = device
        self.batch_tokens = batch_tokens
        self.queries = 0

    @torch.inference_mode()
    def __call__(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Class probabilities (N, C) float32 of N texts, each of one or two columns."""
        self.queries += len(texts)
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        probabilities = np.zeros((len(distinct), self.model.config.num_labels), dtype=np.float32)
        if not distinct:
            return probabilities
        columns = [list(column) for column in zip(*distinct, strict=True)]
        encoded = self.tokenizer(*columns, truncation=True, max_length=self.max_length)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        for rows in self._batches(lengths):
            batch = self._padded(encoded, rows, max(lengths[row] for row in rows))
            # The softmax in double precision sums to 1 within TextAttack's tolerance, which else takes another softmax.
            probabilities[rows] = self.model(**batch).logits.double().softmax(dim=-1).float().cpu().numpy()
        return probabilities[[distinct[text] for text in texts]]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Rows in batches, by length."""
        rows: list[int] = []
        for row in sorted(range(len(lengths)), key=lengths.__getitem__):
            over_budget = lengths[row] * (len(rows) + 1) > self.batch_tokens
            would_pad = self.device == "cpu" and rows and lengths[row] != lengths[rows[-1]]
            if rows and (over_budget or would_pad):
                yield rows
                rows = []
            rows.append(row)
        yield rows

    def _padded(self, encoded: Any, rows: list[int], length: int) -> dict[str, torch.Tensor]:
        """The model's inputs, each (B, L) int64, for the chosen rows."""
        fill = {"input_ids": self.tokenizer.pad_token_id}
        return {
            name: torch.tensor(
                [values[row] + [fill.get(name, 0)] * (length - len(values[row])) for row in rows], device=self.device
            )
            for name, values in encoded.items()
        }
