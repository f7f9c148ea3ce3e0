"""The table of architectures."""

from __future__ import annotations

import pytest
import torch
from encoders import KINDS, make

from baselines.primitives.encoders import (
    architecture_of,
    head_width,
    layers_of,
    masked_linears,
    only_first_layer,
    passed_layers,
    shape_of,
    unknown_architecture,
)
from baselines.validation import UserError


@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_has_the_linears_of_heads_and_neurons_in_every_layer(kind: str) -> None:
    model, architecture = make(kind), architecture_of(make(kind))
    layers = layers_of(model)
    assert shape_of(model) == (len(layers), 4, 64)
    assert len(layers) == (1 if kind == "albert" else 2)
    assert [layer.module for layer in passed_layers(model)] == [layers[0].module, layers[-1].module]
    assert head_width(model) == 8
    for layer in layers:
        assert sum(linear.out_features for linear in layer.projections().values()) == 3 * 32
        assert layer.linear("attention_output").weight.shape == (32, 32)
        assert layer.linear("intermediate").weight.shape == (64 * architecture.gates, 32)
        assert layer.linear("output").weight.shape == (32, 64)
        assert hasattr(layer.attention, architecture.head_count) or kind == "modernbert"


@pytest.mark.parametrize("kind", KINDS)
def test_robust_ticket_masks_all_of_a_layer_and_the_pooler(kind: str) -> None:
    model = make(kind)
    named = list(masked_linears(model))
    assert len(named) == {"albert": 7, "modernbert": 9}.get(kind, 13)
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
    nearest = (
        r"unknown architecture 'robert'; did you mean 'roberta'\? known: albert, bert, .* is added as a row of basel"
    )
    with pytest.raises(UserError, match=nearest):
        architecture_of(model)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3"])
def test_a_decoder_is_refused_with_its_reason(kind: str) -> None:
    assert f"unknown architecture {kind!r}" in str(unknown_architecture(kind))
    assert "it is a decoder, which reads a text's class at its last token" in str(unknown_architecture(kind))
    assert "it is a decoder" not in str(unknown_architecture("camembert"))


def test_an_albert_of_several_layers_is_refused() -> None:
    with pytest.raises(UserError, match="num_hidden_groups of a model of the architecture 'albert' must be 1, got 2"):
        layers_of(make("albert", num_hidden_groups=2))
