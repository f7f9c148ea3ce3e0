"""Encode sentences as vectors, for the recipes' bound on similarity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import torch

from benchmarks.victims.backbones import Backbone
from benchmarks.victims.batch_invariant import answers_of
from benchmarks.victims.cached_answers import CachedAnswers
from benchmarks.victims.inspection import positions_of
from benchmarks.victims.kernels import Kernel, fastest_kernel
from benchmarks.victims.packed import packed_means
from benchmarks.victims.pieces import Pieces, Row

MAX_TOKENS = 256
BATCH_TOKENS = 4096
REMEMBERED = 1 << 15


class SentenceEncoder(Protocol):
    """An encoder of texts as vectors."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 for N texts."""
        ...

    def describe(self) -> str:
        """The encoder, in words for captions."""
        ...

    def identity(self) -> dict[str, Any]:
        """All settings that decide the vectors."""
        ...


def similarities(
    encoder: SentenceEncoder, texts: Sequence[str], others: Sequence[str], metric: Literal["angular", "cosine"]
) -> np.ndarray:
    """(N,) float32: the similarity of each text to its other; angular is 1 - acos(cosine) / pi."""
    encoded = torch.from_numpy(encoder.encode([*texts, *others]))
    cosine = torch.nn.functional.cosine_similarity(encoded[: len(texts)], encoded[len(texts) :], dim=1)
    if metric == "cosine":
        return cosine.numpy()
    return (1 - torch.acos(cosine.clamp(-1.0, 1.0)) / math.pi).numpy()


class MeanPooledEncoder:
    """A sentence encoder with mean pooling and L2 norm, as MiniLM was trained.

    Vectors are cached by text and computed without padding, so that on one CPU thread none depends on the other texts
    of its batch.

    Args:
        backbone: the encoder; loaded at first use.
        device: where it computes.
        kernel: of its products on a CPU; the fastest exact one of this machine when None.
    """

    max_length = MAX_TOKENS

    def __init__(self, backbone: Backbone, device: str = "cpu", kernel: Kernel | None = None) -> None:
        self.backbone = backbone
        self.device = device
        self._asked_kernel = kernel
        self._vectors: CachedAnswers[str] = CachedAnswers(REMEMBERED)

    @cached_property
    def model(self) -> torch.nn.Module:
        """The encoder, in eval mode; the head above it is not used."""
        return self.backbone.new_classifier(2, 0).eval().to(self.device)

    @cached_property
    def kernel(self) -> Kernel:
        """The kernel of its products."""
        return self._asked_kernel or (fastest_kernel(self.model) if self.device == "cpu" else "torch")

    @cached_property
    def tokenizer(self) -> Any:
        """The encoder's tokenizer."""
        return self.backbone.load_tokenizer()

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(self.tokenizer, min(MAX_TOKENS, positions_of(self.backbone.config)))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 of length 1, for N texts; at most 256 tokens of each are read."""
        return self._vectors.of(texts, self._compute) if texts else np.zeros((0, self._width), np.float32)

    def count_pieces(self, texts: Sequence[str]) -> list[int]:
        """Each text's number of tokens, the tokenizer's marks not counted."""
        return list(map(len, self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]))

    def _compute(self, texts: Sequence[str]) -> np.ndarray:
        return self._forward(self._pieces.rows([(text,) for text in texts]))

    def _forward(self, rows: Sequence[Row]) -> np.ndarray:
        """(N, D) for N inputs."""
        return answers_of(
            self.model,
            self._batch_forward,
            rows,
            width=self._width,
            most_tokens=BATCH_TOKENS,
            kernel=self.kernel,
        )

    def _batch_forward(self, rows: Sequence[Row]) -> np.ndarray:
        """(B, D) for the B inputs of one batch."""
        return torch.nn.functional.normalize(packed_means(self.model, rows), dim=1).cpu().numpy()

    @property
    def _width(self) -> int:
        return self.backbone.config.hidden_size

    def describe(self) -> str:
        """The encoder, in words for captions."""
        return f"sentence similarity by {self.backbone.name}, mean pooled"

    def identity(self) -> dict[str, Any]:
        """The backbone's identity and the pooling."""
        return {"kind": "mean_pooled", "max_tokens": MAX_TOKENS, **self.backbone.identity()}
