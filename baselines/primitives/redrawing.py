"""Redraw weights, for ablations that separate the effect of a ticket's weights from that of its structure."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.primitives.encoders import head_width, layers_of, masked_linears
from baselines.primitives.pruning import Ticket

REDRAWN_STD = 0.02


@torch.no_grad()
def redraw_(model: nn.Module) -> None:
    """Redraw the linear layers of each encoder layer and the pooler: weights N(0, 0.02), biases 0.

    Embeddings, LayerNorms and the classifier do not change. The shapes are those of the model, pruned or not; the
    global random state is used.
    Source: WooooDyy/EarlyRobust, the ticket without initialisation of Xi et al. 2022, Table 4.
    """
    for _, linear in masked_linears(model):
        linear.weight.normal_(0, REDRAWN_STD)
        if linear.bias is not None:
            linear.bias.zero_()


@torch.no_grad()
def redraw_removed_(model: nn.Module, ticket: Ticket) -> None:
    """Redraw exactly what `prune_` would remove, in a model that keeps its size: weights N(0, 0.02), biases 0.

    For pruned heads: their rows and biases in query, key and value, and their columns in the attention output. For
    pruned neurons: their rows and biases in the intermediate layer, and their columns in the layer after it. Nothing
    else changes. The global random state is used. Source: the ticket without structure of Xi et al. 2022, Table 4.
    """
    width = head_width(model)
    for layer, heads, neurons in zip(layers_of(model), ticket.heads, ticket.neurons, strict=True):
        in_heads, in_neurons = ~heads.repeat_interleave(width), ~neurons
        for linear in layer.projections().values():
            _redraw_rows(linear, in_heads.repeat(layer.architecture.stacked))
        _redraw_columns(layer.linear("attention_output"), in_heads)
        _redraw_rows(layer.linear("intermediate"), in_neurons.repeat(layer.architecture.gates))
        _redraw_columns(layer.linear("output"), in_neurons)


@torch.no_grad()
def zero_heads_crosswise_(model: nn.Module, ticket: Ticket) -> None:
    """Set weights of pruned heads to zero along the wrong axis, as the release does for "without structure".

    It zeroes input columns of query, key and value, and output rows of the attention output; the heads lie along the
    other axis. The biases of query, key and value are zeroed in the right places; that of the attention output stays.
    Source: WooooDyy/EarlyRobust, second_stage.py, and its modeling_bert.py.
    """
    width = head_width(model)
    for layer, heads in zip(layers_of(model), ticket.heads, strict=True):
        pruned = ~heads.repeat_interleave(width)
        for linear in layer.projections().values():
            chosen = pruned.to(linear.weight.device)
            linear.weight[:, chosen] = 0
            if linear.bias is not None:
                linear.bias[chosen.repeat(layer.architecture.stacked)] = 0
        weight = layer.linear("attention_output").weight
        weight[pruned.to(weight.device)] = 0


def _redraw_rows(linear: nn.Linear, chosen: Tensor) -> None:
    """Redraw the weights of the chosen outputs and zero their biases; `chosen` is (outputs,) bool."""
    rows = chosen.to(linear.weight.device)
    linear.weight[rows] = torch.randn_like(linear.weight[rows]) * REDRAWN_STD
    if linear.bias is not None:
        linear.bias[rows] = 0


def _redraw_columns(linear: nn.Linear, chosen: Tensor) -> None:
    """Redraw the weights of the chosen inputs; `chosen` is (inputs,) bool."""
    columns = chosen.to(linear.weight.device)
    linear.weight[:, columns] = torch.randn_like(linear.weight[:, columns]) * REDRAWN_STD
