"""Hard-concrete masks on single weights: learnt as scores, sampled in training, drawn once by magnitude."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from baselines.primitives.encoders import masked_linears
from baselines.validation import require

STRETCH_LOW, STRETCH_HIGH = -0.1, 1.1  # gamma, zeta
TEMPERATURE = 2 / 3  # beta
INITIAL_MASK = 0.9
NOISE_EDGE = 1e-4


def initial_score(mask: float = INITIAL_MASK) -> float:
    """The score with the deterministic mask `mask`: 1.6094 for 0.9."""
    stretched = (mask - STRETCH_LOW) / (STRETCH_HIGH - STRETCH_LOW)
    return math.log(stretched / (1 - stretched))


def sampled_mask(scores: Tensor, noise: Tensor) -> Tensor:
    """The mask of one training forward pass, in [0, 1]; `noise` is uniform in (0, 1), of the scores' shape.

    Source: Louizos et al. 2018, as in ruizheng20/robust_ticket.
    """
    noise = noise.clamp(NOISE_EDGE, 1 - NOISE_EDGE)
    soft = torch.sigmoid((noise.log() - (1 - noise).log() + scores) / TEMPERATURE)
    return (soft * (STRETCH_HIGH - STRETCH_LOW) + STRETCH_LOW).clamp(0, 1)


def deterministic_mask(scores: Tensor) -> Tensor:
    """The mask of evaluation, in [0, 1]; it does not depend on a temperature."""
    return (torch.sigmoid(scores) * (STRETCH_HIGH - STRETCH_LOW) + STRETCH_LOW).clamp(0, 1)


def expected_share(scores: Tensor) -> Tensor:
    """Mean probability that a mask is not 0, shape (): sigmoid(score + 1.5986), 0.9611 at the start."""
    return torch.sigmoid(scores - TEMPERATURE * math.log(-STRETCH_LOW / STRETCH_HIGH)).mean()


class _Sampled(nn.Module):
    """A weight times its mask: sampled in training, deterministic in evaluation."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.scores = nn.Parameter(torch.full_like(weight, initial_score()))

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            return sampled_mask(self.scores, torch.rand_like(self.scores)) * weight
        return deterministic_mask(self.scores) * weight


class _Fixed(nn.Module):
    """A weight times a mask of ones and zeros."""

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        return self.mask * weight


class WeightMasks:
    """Scores on the six linear layers of every encoder layer and on the pooler, as parametrizations of their weights.

    Source: Zheng et al. 2022 (RobusT); 73 matrices and 85,524,480 scores for BERT-base.
    """

    def __init__(self, model: nn.Module):
        self.linears = [linear for _, linear in masked_linears(model)]
        self.scores: list[nn.Parameter] = []
        for linear in self.linears:
            sampled = _Sampled(linear.weight)
            parametrize.register_parametrization(linear, "weight", sampled)
            self.scores.append(sampled.scores)

    def penalty(self) -> Tensor:
        """The expected share of kept weights per matrix, averaged over the matrices as in the release, shape ()."""
        return torch.stack([expected_share(scores) for scores in self.scores]).mean()

    def draw(self, sparsity: float) -> list[Tensor]:
        """Masks of ones and zeros, one per matrix; the `sparsity` share of lowest scores of all matrices is pruned."""
        require(0 <= sparsity < 1, "sparsity", "in [0, 1)", sparsity)
        flat = torch.cat([scores.detach().flatten() for scores in self.scores])
        keep = round((1 - sparsity) * flat.numel())
        mask = torch.zeros_like(flat)
        mask[flat.argsort(stable=True, descending=True)[:keep]] = 1
        sizes = [scores.numel() for scores in self.scores]
        return [part.view_as(scores) for part, scores in zip(mask.split(sizes), self.scores, strict=True)]

    def remove(self) -> None:
        """Remove the scores; the weights are as before."""
        for linear in self.linears:
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=False)


class FixedMasks:
    """Keep weights at zero where their mask is zero, until `bake_` leaves plain linear layers with those zeros."""

    def __init__(self, model: nn.Module, masks: list[Tensor]):
        self.linears = [linear for _, linear in masked_linears(model)]
        for linear, mask in zip(self.linears, masks, strict=True):
            parametrize.register_parametrization(linear, "weight", _Fixed(mask))

    def bake_(self) -> None:
        """Write the zeros into the weights and remove the masks."""
        for linear in self.linears:
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)
