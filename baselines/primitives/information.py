"""Bounds on information: InfoBERT's on tokens and anchors, RIFT's within a class."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize, pad, softplus

CRITIC_WIDTH = 300
PROJECTOR_WIDTH, PROJECTED = 512, 256

DRAWN_WIDTH = 512
LEAST_SCORE = -1e9

# Rows are looked up with `embedding`: unlike that of indexing, its gradient is summed in the same order every time. The
# number of tokens is known on the GPU only: shapes are those of the padded batch, otherwise the CPU would wait.


def token_draws(mask: Tensor, generator: torch.Generator) -> Tensor:
    """A random number for each token, (B, L) in [0, 1), independent of the amount of padding.

    Args:
        mask: (B, L), only its shape is used. generator: on the mask's device.
    """
    texts, tokens = mask.shape
    width = DRAWN_WIDTH * -(-tokens // DRAWN_WIDTH)
    return torch.rand(texts, width, generator=generator, device=generator.device)[:, :tokens]


def bottleneck_bound(features: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
    """Upper bound on I(X; T): half the mean squared distance between tokens paired at random, shape ().

    Args:
        features: (B, L, D) output of the embedding layer. mask: (B, L), 1 on real tokens.
        generator: draws the partners, with replacement; a token may be paired with itself.
    Source: AI-secure/InfoBERT, CLUB in "version 6": a Gaussian of unit variance, with nothing trained. Its mean over
    draws is the trace of the rows' biased covariance.
    """
    real = mask.bool().flatten()  # (N,), N = B L
    count = real.sum()
    rows = features.flatten(0, 1).masked_fill(~real.unsqueeze(-1), 0.0)  # (N, D)
    drawn = (token_draws(mask, generator).flatten() * count).long().minimum(count - 1)
    partners = torch.searchsorted(real.cumsum(0), drawn + 1)  # positions of the drawn tokens among all rows
    distances = (rows - embedding(partners, rows)).square().sum(-1)
    return 0.5 * (distances * real).sum() / count


def anchors(grad: Tensor, mask: Tensor, low: float, high: float) -> Tensor:
    """Select the tokens with gradients that are neither too small (useless) nor too large (fragile).

    Args:
        grad: (B, L, D), gradient by the perturbation. mask: (B, L), 1 on real tokens.
        low, high: keep the ranks ceil(low * n) .. ceil(high * n) - 1 of a text's n tokens, by rising gradient norm.
    Returns:
        (B, L) bool; a text with a gradient that is not finite has no anchors.
    """
    real = mask.bool()
    norms = grad.float().norm(dim=-1)  # (B, L)
    finite = torch.isfinite(norms).all(dim=1, keepdim=True)
    order = norms.masked_fill(~real, float("inf")).argsort(dim=1, stable=True)
    ranks = order.argsort(dim=1, stable=True)  # (B, L)
    lengths = real.sum(1, keepdim=True).double()
    return real & finite & (ranks >= (low * lengths).ceil()) & (ranks < (high * lengths).ceil())


class Critic(nn.Module):
    """Score pairs of a token feature and a text feature: Softplus(Linear(ReLU(Linear([token; text]))))."""

    def __init__(self, width: int):
        super().__init__()
        self.hidden = nn.Linear(2 * width, CRITIC_WIDTH)
        self.score = nn.Linear(CRITIC_WIDTH, 1)

    def forward(self, local: Tensor, whole: Tensor) -> Tensor:
        """Scores (..., N, N) of all pairs of `local` and `whole`, each (..., N, D): [a, b] pairs whole a with local b.

        The first layer is applied once to each half and the results are added; no pair is concatenated.
        """
        width = local.shape[-1]
        from_local = nn.functional.linear(local, self.hidden.weight[:, :width])
        from_whole = nn.functional.linear(whole, self.hidden.weight[:, width:], self.hidden.bias)
        hidden = (from_whole.unsqueeze(-2) + from_local.unsqueeze(-3)).relu()  # (..., N, N, 300)
        return softplus(self.score(hidden).squeeze(-1))


def nce_bound(scores: Tensor, used: Tensor | None = None) -> Tensor:
    """Lower bound on mutual information from scores (..., N, N) with true pairs on the diagonal; (...), at most log N.

    The log-sum runs over the token features of a fixed text feature (the last dimension).

    Args:
        used: (..., N) bool, the pairs that exist; None means all. The bound of no pairs is 0.
    """
    if used is None:
        used = torch.ones_like(scores[..., 0], dtype=torch.bool)
    pairs = used.sum(-1).clamp(min=1)
    beside = scores.masked_fill(~used.unsqueeze(-2), LEAST_SCORE).logsumexp(-1)
    known = torch.where(used, scores.diagonal(dim1=-2, dim2=-1) - beside, 0.0)
    return torch.where(used.any(-1), known.sum(-1) / pairs + pairs.log(), 0.0)


def most_anchors(tokens: int, low: float, high: float) -> int:
    """The maximum number of anchors in a text of `tokens` tokens; see `anchors`."""
    return max(math.ceil(high * length) - math.ceil(low * length) for length in range(tokens + 1))


def anchored_bound(
    critic: Critic, local: Tensor, whole: Tensor, chosen: Tensor, chunk: int, most: int, generator: torch.Generator
) -> Tensor:
    """Mean of `nce_bound` over chunks of anchored tokens in a random order, shape (); 0 if there are none.

    Args:
        local: (B, L, D) token features. whole: (B, D) text features. chosen: (B, L) bool.
        chunk: number of pairs compared with each other; a smaller last chunk has the same weight as the others.
        most: maximum number of anchors in a text.
    """
    texts, tokens = chosen.shape
    places = chunk * -(-texts * most // chunk)
    draws = token_draws(chosen, generator).masked_fill(~chosen, 1.0)
    order = draws.flatten().argsort(stable=True)  # (B L,), the anchors first
    order = pad(order, (0, places - len(order)))  # (P,)
    used = (torch.arange(places, device=chosen.device) < chosen.sum()).view(-1, chunk)
    rows = local.masked_fill(~chosen.unsqueeze(-1), 0.0).flatten(0, 1)
    shape = (*used.shape, local.shape[-1])
    scores = critic(embedding(order, rows).view(shape), embedding(order // tokens, whole).view(shape))
    return nce_bound(scores, used).sum() / used.any(-1).sum().clamp(min=1)


class ClassProjectors(nn.Module):
    """One projector of the student's text features and one of the teacher's for each class: D -> 512 ReLU -> 256.

    Source: Dong et al. 2021 (RIFT), and dongxinshuai/RIFT-NeurIPS2021.
    """

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.students = nn.ModuleList(_projector(width) for _ in range(classes))
        self.teachers = nn.ModuleList(_projector(width) for _ in range(classes))

    def forward(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Scores (C, B, B) of features (B, D): [c, i, j] pairs the student's text i with the teacher's text j."""
        scores = []
        for of_student, of_teacher in zip(self.students, self.teachers, strict=True):
            rows, columns = normalize(of_student(student), dim=-1), normalize(of_teacher(teacher), dim=-1)
            scores.append(rows @ columns.T / temperature)
        return torch.stack(scores).float()


def _projector(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, PROJECTOR_WIDTH), nn.ReLU(), nn.Linear(PROJECTOR_WIDTH, PROJECTED))


def loss_within_classes(scores: Tensor, labels: Tensor) -> Tensor:
    """Noise-contrastive loss with negatives of the same class, shape (); log n minus the loss bounds I(S; T | Y).

    For each text j of the teacher: minus the log of the softmax weight of the student's text j among the student's
    texts of that class. Averaged over the texts of a class, then over the classes in the batch.

    Args:
        scores: (C, B, B), [c, i, j] as `ClassProjectors` gives them. labels: (B,) in [0, C).
    Source: Dong et al. 2021 (RIFT). Departures: the release cuts a batch into equal parts and treats each as a class,
    which mixes classes in an uneven batch; here the labels decide.
    """
    members = labels == torch.arange(len(scores), device=labels.device).view(-1, 1)  # (C, B)
    among = scores.masked_fill(~members.unsqueeze(2), -1e9).logsumexp(1)  # (C, B); finite for an absent class too
    losses = torch.where(members, among - scores.diagonal(dim1=1, dim2=2), 0.0)
    counts = members.sum(1)
    return (losses.sum(1) / counts.clamp(min=1)).sum() / (counts > 0).sum()
