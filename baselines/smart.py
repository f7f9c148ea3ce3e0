"""SMART: smooth predictions around each text, kept close to those of an average of past weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, log_softmax
from torch.optim.swa_utils import get_ema_multi_avg_fn

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Progress, Stage
from baselines.primitives.divergence import divergence
from baselines.primitives.perturbation import Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import added_later
from baselines.validation import require

RELEASED: Mapping[str, Any] = {
    "step_size": 1e-5,
    "radius": None,
    "fixed_targets": True,
    "proximal": 0.0,
    "dropout": "fresh",
}

SMALLEST = 1e-6  # the release adds this to probabilities, and to the largest entries before dividing by them
FIRST_SHARE = 0.1  # of the updates, during which the average follows the weights faster


@dataclass(frozen=True, kw_only=True)
class SMART(Defense, key="smart"):
    """Cross-entropy plus two distances: of predictions in a small box around the text, and to those of an average.

    The distance of two predictions is KL(P||Q) + KL(Q||P). The perturbation uses no label.

    Attributes:
        steps: S, ascent steps per update.
        step_size: length of one step; the gradient is normalised so that its largest entry per token is 1.
        noise: standard deviation of the normal random start; with 0 the gradient is zero and nothing moves.
        radius: largest entry of the perturbation. None climbs as the release does: along the gradient of a one-sided
            divergence, not normalised, then dividing the result by its largest entry per token, so that it always
            reaches about 1; with the release's small steps this is mostly the random start, made large.
        smoothness: lambda, weight of the distance between the text's prediction and its perturbed neighbour's.
        fixed_targets: whether the gradient stops at the target of both divergences of the smoothness term, as in
            namisan/mt-dnn and smart-pytorch. The term's gradient is then about half as large: their lambda = 1
            corresponds to 0.5 here.
        proximal: mu, weight of the distance to the prediction of the averaged weights; 0 keeps no average, as the
            released code does.
        first_averaging, averaging: beta, the share of itself that the average keeps in an update, in the first tenth of
            the updates and after it.
        dropout: "shared" masks, so that the distance comes from the perturbation only, or "fresh" ones in each pass, as
            in the release.

    Source: Jiang et al., ACL 2020, Algorithm 1 and section 4; lambda = 1 as in namisan/mt-dnn; the paper tries 1, 3 and
    5. At the paper's radius of 1e-5 the distance is about 1e-8, since it falls with the square of the radius: in
    float32 the term has almost no effect. The presets other than the paper's set a radius similar to that of the other
    methods. `SMART.released()` has the release's settings.
    Departures: the release passes positions, segments and LayerNorm a second time, which is not repeated here: as for
    every method, the perturbation is added to the word embeddings. The averaged model predicts without dropout.
    """

    title = "SMART"
    paper = "Jiang et al., ACL 2020, arXiv:1911.03437"

    steps: int = 1
    step_size: float = 1e-3
    noise: float = 1e-5
    radius: float | None = 1e-5
    smoothness: float = 1.0
    proximal: float = 1.0
    first_averaging: float = 0.99
    averaging: float = 0.999
    dropout: DropoutMode = "shared"
    fixed_targets: bool = added_later(False)

    @classmethod
    def released(cls, **changes: Any) -> SMART:
        """The settings of namisan/mt-dnn."""
        return cls(**{**RELEASED, **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.steps >= 1, "SMART.steps", "1 or more", self.steps)
        require(self.noise > 0, "SMART.noise", "positive", self.noise)
        for name in ("smoothness", "proximal"):
            require(getattr(self, name) >= 0, f"SMART.{name}", "0 or more", getattr(self, name))
        for name in ("first_averaging", "averaging"):
            require(0 <= getattr(self, name) < 1, f"SMART.{name}", "in [0, 1)", getattr(self, name))
        _ = self.ascent

    @property
    def ascent(self) -> Ascent:
        """The perturbation's ascent; the method makes its own start."""
        return Ascent(self.steps, self.step_size, self.noise, self.radius, "linf", "token")

    def update_passes(self) -> Passes:
        """The clean text, S ascent steps, the end of the ascent and, with a proximal term, the averaged model."""
        return Passes(self.steps + 2 + (self.proximal > 0), 2, self.steps)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage; the average of the weights is then discarded."""
        average = _Average(self, model) if self.proximal > 0 else None
        yield self.stage(
            "train",
            lambda batch: self.objective(model, batch, None if average is None else average.predict),
            list(model.parameters()),
            after_update=average and average.observe,
            state=() if average is None else (average,),
        )

    def objective(self, model: nn.Module, batch: Batch, teacher: Callable[[Batch], Tensor] | None = None) -> Tensor:
        """S + 2 forward, S input and 2 full backward passes: 2S + 6 cost units, and the teacher's forward pass.

        Args:
            teacher: returns the averaged model's logits, (B, C).
        """
        fixed = embed(model, batch).detach()
        replay = DropoutReplay(self.dropout, fixed.device)
        replay.rewind()
        clean = model(**batch.inputs()).logits  # (B, C)
        real = batch.attention_mask.unsqueeze(-1)
        delta = torch.randn_like(fixed, dtype=torch.float32) * self.noise * real  # (B, L, D)
        for _ in range(self.steps):
            delta.requires_grad_()
            replay.rewind()
            delta = self.climb(delta, forward(model, fixed + delta, batch).logits, clean.detach(), batch.attention_mask)
        replay.rewind()
        perturbed = forward(model, embed(model, batch) + delta, batch).logits
        loss = cross_entropy(clean, batch.labels) + self.smoothness * self._smoothness(perturbed, clean).mean()
        if teacher is not None:
            loss = loss + self.proximal * divergence(clean, teacher(batch)).mean()
        loss.backward()
        return loss.detach()

    def climb(self, delta: Tensor, moved: Tensor, clean: Tensor, mask: Tensor) -> Tensor:
        """The next perturbation (B, L, D), from the logits (B, C) of the last one and those of the text."""
        if self.radius is not None:
            distance = divergence(moved, clean).sum()
            return self.ascent.climb(delta, torch.autograd.grad(distance, delta)[0], mask)
        grad = torch.autograd.grad(released_divergence(moved, clean), delta)[0]
        stepped = (delta + self.step_size * torch.where(torch.isfinite(grad), grad, 0.0)).detach()
        return stepped / (stepped.abs().amax(-1, keepdim=True) + SMALLEST)

    def _smoothness(self, perturbed: Tensor, clean: Tensor) -> Tensor:
        return divergence_to_fixed(perturbed, clean) if self.fixed_targets else divergence(perturbed, clean)


def divergence_to_fixed(first: Tensor, second: Tensor) -> Tensor:
    """The same value, (B,), with no gradient through the target of either divergence."""
    log_p, log_q = (log_softmax(logits.float(), dim=-1) for logits in (first, second))
    to_second = log_q.detach().exp() * (log_q.detach() - log_p)
    to_first = log_p.detach().exp() * (log_p.detach() - log_q)
    return (to_second + to_first).sum(-1)


def released_divergence(moved: Tensor, clean: Tensor) -> Tensor:
    """The objective of the release's ascent, shape (): each probability times twice the difference of its log odds.

    The odds carry no gradient. Source: namisan/mt-dnn, `stable_kl`, summed over texts.
    """
    p, q = (logits.float().softmax(-1) for logits in (moved, clean))
    odds = [-(1 / (each.detach() + SMALLEST) - 1 + SMALLEST).log() for each in (p, q)]
    return 2 * (p * (odds[0] - odds[1])).sum()


class _Average:
    """The exponential average of a model's weights, and the model evaluated with them."""

    def __init__(self, defense: SMART, model: nn.Module):
        self.defense, self.model = defense, model
        self.weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    def predict(self, batch: Batch) -> Tensor:
        """Logits (B, C), without dropout and without a graph."""
        with torch.no_grad(), _without_dropout(self.model):
            return functional_call(self.model, self.weights, kwargs=batch.inputs()).logits

    def observe(self, progress: Progress) -> None:
        """Move the average towards the weights after an update."""
        is_early = progress.update <= FIRST_SHARE * progress.total_updates
        kept = self.defense.first_averaging if is_early else self.defense.averaging
        get_ema_multi_avg_fn(kept)([*self.weights.values()], [*self.model.parameters()], progress.update)

    def state(self) -> dict[str, Tensor]:
        """The averaged weights."""
        return self.weights

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the averaged weights."""
        for name, weight in self.weights.items():
            weight.copy_(state[name])


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode while entered, then restore the mode of every module."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
