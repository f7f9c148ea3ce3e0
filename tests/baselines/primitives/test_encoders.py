"""The table of architectures."""

from __future__ import annotations

import pytest
import torch
from encoders import KINDS, make

from baselines.primitives.encoders import (
    ROLES,
    architecture_of,
    head_width,
    layers_of,
    masked_linears,
    only_first_layer,
    shape_of,
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_has_its_six_linears_in_every_layer(kind: str) -> None:
    model = make(kind)
    assert shape_of(model) == (2, 4, 64)
    assert head_width(model) == 8
    shapes = [tuple(layer.linear(role).weight.shape) for layer in layers_of(model) for role in ROLES]
    assert shapes == [(32, 32)] * 4 + [(64, 32), (32, 64)] + [(32, 32)] * 4 + [(64, 32), (32, 64)]


@pytest.mark.parametrize("kind", KINDS)
def test_robust_ticket_masks_six_a_layer_and_the_pooler(kind: str) -> None:
    model = make(kind)
    named = list(masked_linears(model))
    assert len(named) == 13
    assert all(linear is model.get_submodule(name) for name, linear in named)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_layer_alone_gives_the_hidden_state_after_it(kind: str, batch) -> None:
    model, one = make(kind), batch()
    inputs, layers = {"input_ids": one.input_ids, "attention_mask": one.attention_mask}, layers_of(model)
    with torch.no_grad():
        hidden = model(**inputs, output_hidden_states=True).hidden_states[1]
        with only_first_layer(model) as encoder:
            assert torch.equal(encoder(**inputs)[0], hidden)
    assert [layer.module for layer in layers_of(model)] == [layer.module for layer in layers]


def test_the_layers_come_back_after_a_failure(bert) -> None:
    model = bert()
    with pytest.raises(RuntimeError), only_first_layer(model):
        raise RuntimeError("inside")
    assert len(layers_of(model)) == 2


def test_an_unknown_architecture_is_refused_by_name(bert) -> None:
    model = bert()
    model.config.model_type = "robert"
    with pytest.raises(
        ValueError, match="unknown architecture 'robert'; did you mean 'roberta'\\? known: bert, distilbert"
    ):
        architecture_of(model)
