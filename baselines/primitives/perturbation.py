"""Perturbations of word embeddings: their start, their ascent steps, and the forward pass with them.

The perturbation is added to the word embeddings, before positions, segments, LayerNorm and dropout, on every real
token, [CLS] and [SEP] included. Norms are per text over all its tokens and dimensions, or per token where asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.batch import Batch
from baselines.capture import on_the_host
from baselines.primitives.encoders import embedding_width
from baselines.settings import added_later
from baselines.validation import require

Norm = Literal["l2", "linf"]
Unit = Literal["text", "token"]
DropoutMode = Literal["shared", "fresh"]

SMALLEST_NORM = 1e-8


@dataclass(frozen=True)
class Ascent:
    """Settings of the gradient ascent that finds a perturbation.

    Attributes:
        steps: the method's K, 0 or more.
        step_size: length of one normalised ascent step.
        init_magnitude: scale of the random start; 0 starts at the clean text exactly.
        max_norm: radius of the ball around the clean text, or None for no bound. The start is not projected.
        norm: "l2" over a text, or "linf" over its entries.
        unit: whether each "text" or each "token" has its own norm.

    Source: Zhu et al. 2020 (FreeLB), Algorithm 1 and the released code.
    """

    steps: int
    step_size: float
    init_magnitude: float
    max_norm: float | None = None
    norm: Norm = "l2"
    unit: Unit = added_later("text")

    def __post_init__(self) -> None:
        require(self.steps >= 0, "Ascent.steps", "0 or more", self.steps)
        require(self.step_size >= 0, "Ascent.step_size", "0 or more", self.step_size)
        require(self.init_magnitude >= 0, "Ascent.init_magnitude", "0 or more", self.init_magnitude)
        bound = self.max_norm
        require(bound is None or bound > 0, "Ascent.max_norm", "positive, or None for no bound", bound)

    def scaled_to(self, model: nn.Module) -> Ascent:
        """The same ascent for the word embeddings of this model.

        Lengths under l2 are meant for embeddings as wide as the layers. Where embeddings are narrower, as in ALBERT,
        lengths are multiplied by the square root of the ratio of the widths, so that entries move as far as elsewhere.
        """
        share = embedding_width(model.config) / model.config.hidden_size  # type: ignore[union-attr,operator]
        if share == 1 or self.norm == "linf":
            return self
        factor = math.sqrt(share)
        return replace(
            self,
            step_size=self.step_size * factor,
            init_magnitude=self.init_magnitude * factor,
            max_norm=None if self.max_norm is None else self.max_norm * factor,
        )

    def start(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """The first perturbation, uniform noise on real tokens.

        Args:
            embedded: (B, L, D) word embeddings, for their shape, type and device.
            mask: (B, L), 1 on real tokens.
        Returns:
            (B, L, D) float32, detached, zero on padding; under l2 its expected norm is about 0.577 `init_magnitude`.
        """
        real = mask.unsqueeze(-1).float()
        if self.init_magnitude == 0:
            return torch.zeros_like(embedded, dtype=torch.float32)
        noise = torch.empty_like(embedded, dtype=torch.float32).uniform_(-1, 1) * real
        if self.norm == "linf":
            return noise * self.init_magnitude
        entries = mask.sum(1).clamp(min=1).float() * embedded.shape[-1]  # (B,)
        return noise * (self.init_magnitude / entries.sqrt()).view(-1, 1, 1)

    def climb(self, delta: Tensor, grad: Tensor, mask: Tensor) -> Tensor:
        """One normalised ascent step, projected back into the ball.

        A text (or token) whose gradient is zero or not finite keeps its perturbation.
        A text (or token) with a gradient that is zero or not finite keeps its perturbation.
        Args:
            delta: (B, L, D). grad: (B, L, D), gradient of the loss with respect to `delta`, of any positive scale.
            mask: (B, L), 1 on real tokens.
        Returns:
            (B, L, D) float32, detached, zero on padding.
        """
        grad = grad.float().masked_fill(mask.unsqueeze(-1) == 0, 0.0)
        size = self._size(grad)
        usable = torch.isfinite(size) & (size > 0)
        direction = torch.where(usable, grad / size.clamp(min=SMALLEST_NORM), 0.0)
        moved = delta.detach() + self.step_size * direction
        if self.max_norm is None:
            return moved
        if self.norm == "linf":
            projected = moved.clamp(-self.max_norm, self.max_norm)
        else:
            length = self._size(moved)
            projected = moved * (self.max_norm / length.clamp(min=SMALLEST_NORM)).clamp(max=1)
        return torch.where(usable, projected, delta.detach())

    def _size(self, values: Tensor) -> Tensor:
        """Norm per text, (B, 1, 1), or per token, (B, L, 1)."""
        if self.unit == "token":
            return values.norm(dim=2, keepdim=True) if self.norm == "l2" else values.abs().amax(dim=2, keepdim=True)
        flat = values.flatten(1)
        size = flat.norm(dim=1) if self.norm == "l2" else flat.abs().amax(dim=1)
        return size.view(-1, 1, 1)


def embed(model: nn.Module, batch: Batch) -> Tensor:
    """Word embeddings of a batch, (B, L, D), with a new graph to the embedding table."""
    return model.get_input_embeddings()(batch.input_ids)  # type: ignore[operator]


def forward(model: nn.Module, embedded: Tensor, batch: Batch, **options: Any) -> Any:
    """The model's output on (perturbed) word embeddings (B, L, D), with the batch's mask and segments."""
    return model(inputs_embeds=embedded, **batch.context(), **options)


class DropoutReplay:
    """Make all forward passes of one update draw the same dropout masks ("shared") or different ones ("fresh").

    "shared" saves the random state at the first `rewind` and restores it at every later one. After the last pass the
    random state stays where the pass left it. Source: Zhu et al. 2020, section 3.3.
    """

    def __init__(self, mode: DropoutMode, device: torch.device):
        self._shared, self._device = mode == "shared", device
        self._is_kept = False

    def rewind(self) -> None:
        """Prepare the next forward pass; to be called before each one."""
        if self._shared:
            on_the_host(self._restore if self._is_kept else self._keep)
            self._is_kept = True

    def _keep(self) -> None:
        self._host = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None

    def _restore(self) -> None:
        torch.set_rng_state(self._host)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
