"""DSRM: reweight a batch's texts towards the shift of its distribution that raises the loss on held-out texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage, StageCost
from baselines.needs import HeldOut, Need
from baselines.primitives.perturbation import DropoutReplay
from baselines.validation import UserError, require

SMALLEST_SLOPE = 1e-8  # the release adds it to each slope
LARGEST_WEIGHT = 30.0
SMALLEST_SQUARE = 1e-30  # keeps the slope of a square root finite where a weight never had a gradient

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class DSRM(Defense, key="dsrm"):
    """Where a batch's loss has fallen below a level, train on the batch with its texts weighted so that it is there.

    The weights follow the slope of a loss on held-out texts: it is computed at the weights that the next update would
    lead to, and differentiated by the weight of each text of the batch. Unless a weight is cut off, the reweighted
    loss is exactly the level: DSRM is flooding, with a direction from held-out texts and without adversarial texts.

    Attributes:
        level: c, the loss below which a batch is reweighted.
        signed: whether the shift may also lower the held-out loss. It does where the slopes, weighted by the losses,
            are negative in sum; False leaves such a batch unweighted.
        held_out: share of the training texts that are kept back: the slopes are computed on them, in (0, 1).
        lean: True computes the slopes by one forward-mode pass; False differentiates through the virtual update, as
            the release does: the same slopes at a higher cost. The release draws other dropout masks for that update.

    Source: Gao et al., ACL 2023; SleepThroughDifficulties/DSRM, upper_train.py, with c = 0.1, a tenth held out, two
    held-out texts for each of the batch, weights of at most 30. `DSRM.released()` has the release's settings.
    Departures: attention is computed unfused, since the fused kernels have no second derivative. A batch that is
    smaller than the others is not dropped. The release chooses its best epoch on the test texts.
    """

    title = "DSRM"
    paper = "Gao et al., ACL 2023, arXiv:2306.15164"
    one_stage = False  # it reads its stage's own optimiser, and its passes depend on the loss
    published = {"max_grad_norm": None}

    level: float = 0.1
    signed: bool = True
    held_out: float = 0.1
    lean: bool = True

    @classmethod
    def released(cls, **changes: Any) -> DSRM:
        """The settings of the release."""
        return cls(**{"lean": False, "max_grad_norm": None, **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.level > 0, "DSRM.level", "positive", self.level)
        require(0 < self.held_out < 1, "DSRM.held_out", "in (0, 1)", self.held_out)

    @property
    def needs(self) -> frozenset[Need]:  # type: ignore[override]
        """Held-out texts."""
        return frozenset({HeldOut(self.held_out)})

    def cost(self) -> tuple[StageCost, ...]:
        """The most it costs: that of reweighting every batch. A batch above the level costs what fine-tuning does.

        Lean: the batch's loss and its two gradients (1 + 2 + 2), twice as many held-out texts (6), a forward-mode pass
        (2): 13 units. As released, the virtual update has a loss of its own, and its gradient is differentiated: 15.
        """
        passes = Passes(5, 4, 0) if self.lean else Passes(5, 5, 0)
        return (StageCost("train", self.epochs * (1 - self.held_out), passes),)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage; its trace counts the reweighted batches."""
        adam, trace = _Adam(self.learning_rate), {"reweighted": 0}

        def step(batch: Batch) -> Tensor:
            with sdpa_kernel(SDPBackend.MATH):
                return self.objective(model, batch, adam, trace)

        yield self.stage(
            "train",
            step,
            list(model.parameters()),
            trace=trace,
            state=(),
            optimizer_reader=adam.read,
            not_capturable_reason="its loss decides whether a batch is reweighted",
        )

    def objective(self, model: nn.Module, batch: Batch, adam: _Adam, trace: dict[str, Any]) -> Tensor:
        """3 cost units where the loss is at or above the level, otherwise 13, or 15 as released."""
        replay = DropoutReplay("shared", batch.labels.device)
        replay.rewind()
        losses = cross_entropy(model(**batch.inputs()).logits, batch.labels, reduction="none")  # (B,)
        mean = losses.mean()
        if mean < self.level:
            trace["reweighted"] += 1
            slopes = self.lean_slopes if self.lean else self.released_slopes
            weights = self.weights(slopes(model, batch, losses, adam, replay), losses.detach())
            mean = (weights * losses).mean()
        mean.backward()
        return mean.detach()

    def weights(self, slopes: Tensor, losses: Tensor) -> Tensor:
        """Weights of the texts, (B,), that lift their mean loss to the level, from slopes and losses (B,)."""
        length = (self.level - losses.mean()) / (slopes * losses).sum()
        if not self.signed:
            length = length.clamp(min=0)
        return (1 + length * len(losses) * slopes).clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT)

    def lean_slopes(self, model: nn.Module, batch: Batch, losses: Tensor, adam: _Adam, replay: DropoutReplay) -> Tensor:
        """The held-out loss differentiated by the weight of each text, (B,), without a second derivative.

        The virtual weights depend on a text's weight through the mean gradient alone, and AdamW acts on each number by
        itself. The slope is therefore the inner product of the text's own gradient with a direction that is the same
        for all texts: the held-out gradient times the update's derivative.
        """
        weights = _trained(model)
        gradients = _gradients(losses.mean(), weights, retain_graph=True)
        ahead = {name: adam.update(weights[name], gradients[name]).requires_grad_() for name in weights}
        held_out = _gradients(loss_of(model, ahead, held_out_of(batch)).mean(), ahead)
        with forward_ad.dual_level():
            duals = {}
            for name, weight in weights.items():
                direction = adam.slope(weight, gradients[name]) * held_out[name]
                duals[name] = forward_ad.make_dual(weight.detach(), direction)
            replay.rewind()
            tangent = forward_ad.unpack_dual(loss_of(model, duals, batch)).tangent
        return tangent.detach() / len(batch) + SMALLEST_SLOPE

    def released_slopes(
        self, model: nn.Module, batch: Batch, losses: Tensor, adam: _Adam, replay: DropoutReplay
    ) -> Tensor:
        """The same slopes, (B,), by differentiating the held-out loss through the virtual update."""
        weights = _trained(model)
        shares = torch.ones_like(losses, requires_grad=True)
        inner = (shares * loss_of(model, weights, batch)).mean()
        gradients = _gradients(inner, weights, create_graph=True)
        ahead = {name: adam.update(weights[name], gradients[name]) for name in weights}
        held_out = loss_of(model, ahead, held_out_of(batch)).mean()
        return torch.autograd.grad(held_out, shares)[0] + SMALLEST_SLOPE


def loss_of(model: nn.Module, weights: Weights, batch: Batch) -> Tensor:
    """The loss of each text under other weights, (B,)."""
    logits = functional_call(model, dict(weights), kwargs=batch.inputs()).logits
    return cross_entropy(logits, batch.labels, reduction="none")


def held_out_of(batch: Batch) -> Batch:
    """The held-out texts that came with a batch.

    Raises:
        UserError: if there are none.
    """
    if batch.held_out is None:
        raise UserError("DSRM needs batches with held-out texts, got one without")
    return batch.held_out


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _gradients(loss: Tensor, weights: Weights, **options: bool) -> dict[str, Tensor]:
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True, **options)
    return dict(zip(weights, found, strict=True))


class _Adam:
    """What the stage's AdamW would do to a weight with a given gradient, and how that depends on the gradient.

    Before an optimiser was given, there are no moments and no decay.
    """

    def __init__(self, rate: float):
        self._unknown: dict[str, Any] = {"lr": rate, "weight_decay": 0.0, "eps": 1e-8, "betas": (0.9, 0.999)}
        self._optimizer: Optimizer | None = None
        self._group_of: dict[Tensor, int] = {}

    def read(self, optimizer: Optimizer) -> None:
        """Take rates and moments from this optimiser from now on."""
        self._optimizer = optimizer
        groups = enumerate(optimizer.param_groups)
        self._group_of = {weight: number for number, group in groups for weight in group["params"]}

    def update(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """The weight after the update, differentiable by its gradient."""
        group, mean, root, *_ = self._moments(weight, gradient)
        kept = 1 - group["lr"] * group["weight_decay"]
        return weight.detach() * kept - group["lr"] * mean / (root + group["eps"])

    def slope(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """The derivative of the updated weight by its gradient, number by number."""
        group, mean, root, of_mean, of_square = self._moments(weight, gradient)
        of_root, divisor = of_square * gradient / root, root + group["eps"]
        return -group["lr"] * (of_mean / divisor - mean * of_root / divisor.square())

    def _moments(self, weight: Tensor, gradient: Tensor) -> tuple[Any, ...]:
        """The group, the new mean and root of the mean square, both unbiased, and the gradient's factors in them."""
        group, state = self._unknown, dict[str, Tensor]()
        if self._optimizer is not None:  # which gets new groups and a new state when a training is resumed
            group = self._optimizer.param_groups[self._group_of[weight]]
            state = self._optimizer.state.get(weight, {})
        first, second = group["betas"]
        count = state.get("step", 0) + 1
        of_mean, of_square = (1 - first) / (1 - first**count), (1 - second) / (1 - second**count)
        mean = of_mean * (gradient + first / (1 - first) * state.get("exp_avg", 0.0))
        square = of_square * (gradient.square() + second / (1 - second) * state.get("exp_avg_sq", 0.0))
        return group, mean, square.clamp(min=SMALLEST_SQUARE).sqrt(), of_mean, of_square
