"""Tickets: which heads and neurons are kept, how scores choose them, and their physical removal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from baselines.primitives.encoders import head_width, layers_of, shape_of
from baselines.validation import UserError, require

Scope = Literal["global", "layerwise"]
MaskRule = Literal["rank", "quantile"]

# Shares of neurons that EarlyRobust prunes, for each task. Source: Xi et al. 2022, section 4.
TASK_SPARSITIES = {
    "imdb": {"neuron_sparsity": 0.4},
    "ag_news": {"neuron_sparsity": 0.2},
    "sst2": {"neuron_sparsity": 0.3},
    "qnli": {"neuron_sparsity": 0.3},
    "qqp": {"neuron_sparsity": 0.3},
}


@dataclass(frozen=True)
class Ticket:
    """A structured subnetwork.

    Attributes:
        heads: (layers, H) bool on the CPU, True where the head is kept.
        neurons: (layers, F) bool on the CPU, True where the neuron is kept.
    """

    heads: Tensor
    neurons: Tensor

    def distance(self, other: Ticket) -> tuple[float, float]:
        """Share of entries that differ, for heads and for neurons, each in [0, 1].

        Source: You et al. 2020; Xi et al. 2022, section 3.2.
        """
        heads = (self.heads != other.heads).float().mean().item()
        return heads, (self.neurons != other.neurons).float().mean().item()

    def kept_counts(self) -> dict[str, list[int]]:
        """Heads and neurons kept in each layer, bottom first."""
        return {"heads": self.heads.sum(1).tolist(), "neurons": self.neurons.sum(1).tolist()}


@dataclass(frozen=True)
class Kept:
    """Kept indices per layer, as a pruned model stores them in its configuration."""

    heads: list[list[int]]
    neurons: list[list[int]]


def pruned_count(total: int, sparsity: float) -> int:
    """How many of `total` scores lie below the linear-interpolated `sparsity` quantile.

    floor(sparsity * (total - 1)) + 1 if no two scores are equal; 0 at sparsity 0, where the release prunes one.
    """
    return 0 if sparsity == 0 else math.floor(sparsity * (total - 1)) + 1


def keep_top(
    scores: Tensor,
    sparsity: float,
    *,
    scope: Scope = "global",
    rule: MaskRule = "rank",
    at_least_one: bool = False,
) -> Tensor:
    """Keep the largest scores.

    Args:
        scores: (layers, n), importance of each structure.
        sparsity: share to prune, in [0, 1).
        scope: rank all layers together, or each layer separately.
        rule: "rank" prunes exactly `pruned_count` scores, and equal scores by position; "quantile" prunes everything
            that is not above the quantile, so also all scores equal to it (as in the releases).
        at_least_one: keep every layer's largest score, and prune the same number elsewhere (global scope).
    Returns:
        (layers, n) bool on the CPU, True where kept.
    Raises:
        UserError: if the sparsity leaves no score for some layer that must keep one.
    Source: Xi et al. 2022, section 3.3, and WooooDyy/EarlyRobust, pruning_utils.py.
    """
    layers, width = scores.shape
    require(0 <= sparsity < 1, "sparsity", "in [0, 1)", sparsity)
    if at_least_one:
        require(
            sparsity <= 1 - 1 / width,
            "sparsity",
            f"at most {1 - 1 / width:.4f}, to keep one per layer",
            sparsity,
        )
    values = scores.detach().cpu().numpy()
    if sparsity == 0:
        return torch.ones(layers, width, dtype=torch.bool)
    if scope == "layerwise":
        kept = np.stack([_keep_row(row[None], sparsity, rule)[0] for row in values])
    elif not at_least_one:
        kept = _keep_row(values, sparsity, rule)
    else:
        kept = _keep_with_survivors(values, sparsity, rule)
    return torch.from_numpy(kept)


def _keep_row(values: np.ndarray, sparsity: float, rule: MaskRule) -> np.ndarray:
    """The mask over all entries of `values` together."""
    if rule == "quantile":
        return values > np.quantile(values, sparsity)
    kept: np.ndarray = np.ones(values.size, bool)
    kept[np.argsort(values, axis=None, kind="stable")[: pruned_count(values.size, sparsity)]] = False
    return kept.reshape(values.shape)


def _keep_with_survivors(values: np.ndarray, sparsity: float, rule: MaskRule) -> np.ndarray:
    """The global mask in which every layer keeps its largest entry.

    "quantile" sets the largest entry of an empty layer to infinity and starts again, as the release does; "rank" swaps
    it with the smallest entry of a layer that keeps more than one. The number pruned stays the same.
    """
    if rule == "quantile":
        values = values.copy()
        while True:
            kept = _keep_row(values, sparsity, rule)
            dead = np.flatnonzero(~kept.any(axis=1))
            if dead.size == 0:
                return kept
            values[dead[0], values[dead[0]].argmax()] = np.inf
    kept = _keep_row(values, sparsity, rule)
    for layer in np.flatnonzero(~kept.any(axis=1)):
        kept[layer, values[layer].argmax()] = True
        sparable = np.where(kept & (kept.sum(axis=1, keepdims=True) > 1), values, np.inf)
        kept[np.unravel_index(sparable.argmin(), values.shape)] = False
    return kept


@dataclass(frozen=True)
class Pruning:
    """How much is pruned, and how a ticket is drawn from scores.

    Attributes:
        head_sparsity, neuron_sparsity: shares to prune, in [0, 1).
        head_scope, neuron_scope: rank structures over all layers or within each layer.
        mask_rule: how equal scores are treated; see `keep_top`.
    """

    head_sparsity: float = 1 / 6
    neuron_sparsity: float = 0.3
    head_scope: Scope = "global"
    neuron_scope: Scope = "global"
    mask_rule: MaskRule = "rank"

    def __post_init__(self) -> None:
        for name in ("head_sparsity", "neuron_sparsity"):
            require(0 <= getattr(self, name) < 1, f"Pruning.{name}", "in [0, 1)", getattr(self, name))

    def draw(self, heads: Tensor, neurons: Tensor) -> Ticket:
        """Draw a ticket from scores (layers, H) and (layers, F); each layer keeps a head, but may lose all neurons."""
        rule = self.mask_rule
        return Ticket(
            keep_top(heads, self.head_sparsity, scope=self.head_scope, rule=rule, at_least_one=True),
            keep_top(neurons, self.neuron_sparsity, scope=self.neuron_scope, rule=rule),
        )


def random_coefficients(model: nn.Module, seed: int) -> tuple[Tensor, Tensor]:
    """Scores drawn from U(0, 1), (layers, H) and (layers, F), for a random ticket."""
    layers, heads, neurons = shape_of(model)
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(layers, heads, generator=generator), torch.rand(layers, neurons, generator=generator)


def tied_at_threshold(scores: Tensor, kept: Tensor) -> int:
    """Number of kept scores equal to the largest pruned one: only the order of entries decided between them."""
    if bool(kept.all()):
        return 0
    return int((scores[kept] == scores[~kept].max()).sum())


def kept_of(model: nn.Module) -> Kept:
    """The heads and neurons that a model still has; all of them if it was never pruned."""
    layers, heads, neurons = shape_of(model)
    config = model.config
    return Kept(
        getattr(config, "kept_heads", None) or [list(range(heads))] * layers,
        getattr(config, "kept_neurons", None) or [list(range(neurons))] * layers,
    )


def prune_(model: nn.Module, ticket: Ticket) -> None:
    """Remove what the ticket does not keep, by slicing the linear layers of each encoder layer.

    The kept indices are stored in the model's configuration (`kept_heads`, `kept_neurons`), from which `reshape_`
    rebuilds the shapes. The scale of attention scores, 1 / sqrt(head width), does not change. A layer may lose all
    neurons: its feed-forward output is then the bias. Source: Xi et al. 2022, section 3.3; Prasanna et al. 2020.

    Raises:
        UserError: if the ticket's shape is not the model's, the model is pruned already, or a layer keeps no head.
    """
    layers, heads, neurons = shape_of(model)
    shapes = (tuple(ticket.heads.shape), tuple(ticket.neurons.shape))
    require(
        shapes == ((layers, heads), (layers, neurons)),
        "Ticket shapes",
        f"{(layers, heads)}, {(layers, neurons)}",
        shapes,
    )
    require(
        bool(ticket.heads.any(1).all()), "Ticket.heads", "keeping a head in every layer", ticket.kept_counts()["heads"]
    )
    if getattr(model.config, "kept_heads", None):
        raise UserError("the model is pruned already; draw a ticket from an unpruned one")
    kept = Kept(*([row.nonzero().flatten().tolist() for row in mask] for mask in (ticket.heads, ticket.neurons)))
    width = head_width(model)
    for layer, heads_kept, neurons_kept in zip(layers_of(model), ticket.heads, ticket.neurons, strict=True):
        in_heads = heads_kept.repeat_interleave(width)
        for linear in layer.projections().values():
            _keep_outputs(linear, in_heads.repeat(layer.architecture.stacked))
        _keep_inputs(layer.linear("attention_output"), in_heads)
        _keep_outputs(layer.linear("intermediate"), neurons_kept.repeat(layer.architecture.gates))
        _keep_inputs(layer.linear("output"), neurons_kept)
    _note(model, kept)


def reshape_(model: nn.Module, kept: Kept) -> None:
    """Give an unpruned model the shapes of a pruned one; the values of the weights have no meaning yet."""
    layers, heads, neurons = shape_of(model)
    masks = (torch.zeros(layers, heads, dtype=torch.bool), torch.zeros(layers, neurons, dtype=torch.bool))
    for mask, indices in zip(masks, (kept.heads, kept.neurons), strict=True):
        for number, row in enumerate(indices):
            mask[number, row] = True
    for name in ("kept_heads", "kept_neurons"):
        setattr(model.config, name, None)
    prune_(model, Ticket(*masks))


def _note(model: nn.Module, kept: Kept) -> None:
    """Set the number of heads of the attention modules, and store what is kept in the configuration."""
    width = head_width(model)
    for layer, indices in zip(layers_of(model), kept.heads, strict=True):
        sizes = {
            layer.architecture.head_count: len(indices),
            "all_head_size": len(indices) * width,
            "dim": len(indices) * width,
        }
        for name, size in sizes.items():
            if hasattr(layer.attention, name):
                setattr(layer.attention, name, size)
    model.config.kept_heads = kept.heads  # type: ignore[union-attr]
    model.config.kept_neurons = kept.neurons  # type: ignore[union-attr]


def _keep_outputs(linear: nn.Linear, kept: Tensor) -> None:
    """Keep the rows where `kept` (outputs,) is True."""
    rows = kept.nonzero().flatten().to(linear.weight.device)
    linear.weight = _sliced(linear.weight, 0, rows)
    if linear.bias is not None:
        linear.bias = _sliced(linear.bias, 0, rows)
    linear.out_features = len(rows)


def _keep_inputs(linear: nn.Linear, kept: Tensor) -> None:
    """Keep the columns where `kept` (inputs,) is True."""
    columns = kept.nonzero().flatten().to(linear.weight.device)
    linear.weight = _sliced(linear.weight, 1, columns)
    linear.in_features = len(columns)


def _sliced(parameter: nn.Parameter, dimension: int, indices: Tensor) -> nn.Parameter:
    """A contiguous copy of a slice, trainable if the whole was."""
    return nn.Parameter(
        parameter.detach().index_select(dimension, indices).clone(), requires_grad=parameter.requires_grad
    )
