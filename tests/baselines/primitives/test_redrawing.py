"""Weights redrawn: exactly those meant, with the spread meant, and nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from encoders import KINDS, make

from baselines.primitives.encoders import head_width, layers_of, masked_linears, shape_of
from baselines.primitives.pruning import Ticket, prune_
from baselines.primitives.redrawing import REDRAWN_STD, redraw_, redraw_removed_, zero_heads_crosswise_


def ticket_for(model) -> Ticket:
    """All layers lose their first head and every third neuron."""
    layers, heads, neurons = shape_of(model)
    kept_heads = torch.ones(layers, heads, dtype=torch.bool)
    kept_neurons = torch.ones(layers, neurons, dtype=torch.bool)
    kept_heads[:, 0] = False
    kept_neurons[:, ::3] = False
    return Ticket(kept_heads, kept_neurons)


def state(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_redrawing_takes_the_linear_layers_and_leaves_the_rest(bert) -> None:
    model = bert()
    for linear in (linear for _, linear in masked_linears(model)):
        torch.nn.init.ones_(linear.bias)
    before = state(model)
    torch.manual_seed(1)
    redraw_(model)
    redrawn = {f"{name}.{kind}" for name, _ in masked_linears(model) for kind in ("weight", "bias")}
    after = state(model)
    assert {name for name in after if not torch.equal(after[name], before[name])} == redrawn
    assert all((after[name] == 0).all() for name in redrawn if name.endswith("bias"))
    drawn = torch.cat([after[name].flatten() for name in redrawn if name.endswith("weight")])
    # about 25,000 values: the estimate of a normal's spread is then within 2 % in all but one draw of a thousand
    assert drawn.std().item() == pytest.approx(REDRAWN_STD, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_ticket_keeps_is_untouched_where_the_rest_is_redrawn(kind: str) -> None:
    """Pruning the model after redrawing gives what pruning it before gives: only removed weights were redrawn."""
    first, second = make(kind), make(kind)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    ticket = ticket_for(first)
    redraw_removed_(first, ticket)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    for model in (first, second):
        prune_(model, ticket)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_every_removed_weight_is_redrawn_and_its_bias_zero(bert) -> None:
    model, before = bert(), bert()
    ticket = ticket_for(model)
    with torch.no_grad():
        for layer in layers_of(model):
            for linear in layer.linears().values():
                linear.bias.fill_(1)
    redraw_removed_(model, ticket)
    width = head_width(model)
    for layer, old in zip(layers_of(model), layers_of(before), strict=True):
        for path, linear in layer.projections().items():
            assert (linear.weight[:width] != old.projections()[path].weight[:width]).all()
            assert (linear.bias[:width] == 0).all() and (linear.bias[width:] == 1).all()
        columns = layer.linear("attention_output").weight[:, :width]
        assert (columns != old.linear("attention_output").weight[:, :width]).all()
        assert (layer.linear("intermediate").weight[::3] != old.linear("intermediate").weight[::3]).all()
        assert (layer.linear("intermediate").bias[::3] == 0).all()
        assert (layer.linear("output").weight[:, ::3] != old.linear("output").weight[:, ::3]).all()


def test_the_released_zeros_lie_across_the_heads(bert) -> None:
    """The biases are not: those of pruned heads are zeroed where they are. A fresh BERT's are zero anyway."""
    model = bert()
    with torch.no_grad():
        for _, linear in masked_linears(model):
            linear.bias.normal_()
    before = copy.deepcopy(model)
    zero_heads_crosswise_(model, ticket_for(model))
    width = head_width(model)
    for layer, old in zip(layers_of(model), layers_of(before), strict=True):
        for path, linear in layer.projections().items():
            assert (linear.weight[:, :width] == 0).all()
            assert torch.equal(linear.weight[:, width:], old.projections()[path].weight[:, width:])
            assert (linear.bias[:width] == 0).all()
            assert torch.equal(linear.bias[width:], old.projections()[path].bias[width:])
        rows = layer.linear("attention_output").weight
        assert (rows[:width] == 0).all() and torch.equal(rows[width:], old.linear("attention_output").weight[width:])
        assert torch.equal(layer.linear("attention_output").bias, old.linear("attention_output").bias)
        assert torch.equal(layer.linear("intermediate").weight, old.linear("intermediate").weight)
        assert torch.equal(layer.linear("intermediate").bias, old.linear("intermediate").bias)
