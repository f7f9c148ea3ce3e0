"""FreeLB on low-rank layers: what is trained, and what is left after the merge."""

from __future__ import annotations

from dataclasses import replace

import encoders
import pytest
import torch
from encoders import logits
from small_set import SmallSet

from baselines.defense import Passes
from baselines.fine_tune import FineTune
from baselines.lora_freelb import LoraFreeLB
from baselines.primitives.encoders import layers_of
from baselines.training import fit
from benchmarks.clock.cost import update_passes


def test_before_the_first_update_the_model_answers_as_before(bert, batch) -> None:
    model, one = bert().eval(), batch()
    before = logits(model, one)
    next(LoraFreeLB().stages(model))
    assert torch.equal(logits(model.eval(), one), before)


@pytest.mark.parametrize("kind", encoders.KINDS)
def test_it_trains_the_additions_and_the_head_alone(kind: str) -> None:
    model = encoders.make(kind)
    head = sum(each.numel() for name, each in model.named_parameters() if not name.startswith(model.base_model_prefix))
    stage = next(LoraFreeLB(rank=3).stages(model))
    assert sum(each.numel() for each in stage.parameters) == head + len(layers_of(model)) * 2 * 3 * (32 + 32)


def test_of_a_layer_that_holds_query_key_and_value_the_keys_stay(batch) -> None:
    model, before = encoders.make("modernbert"), encoders.make("modernbert").state_dict()
    fit(
        LoraFreeLB(rank=2, epochs=1, learning_rate=1e-2),
        model,
        SmallSet(lambda **options: replace(batch(**options), token_type_ids=None), 2),
    )
    for name in ("model.layers.0.attn.Wqkv.weight", "model.layers.1.attn.Wqkv.weight"):
        query, key, value = (model.state_dict()[name] != before[name]).any(1).chunk(3)
        assert query.all() and not key.any() and value.all()


def test_the_merged_weights_differ_by_a_product_of_low_rank(bert, batch) -> None:
    model, before = bert(), bert().state_dict()
    fit(LoraFreeLB(rank=2, epochs=1, learning_rate=1e-2), model, SmallSet(batch, 4))
    for name, weight in model.state_dict().items():
        difference = weight - before[name]
        if name.endswith(("query.weight", "value.weight")):
            assert torch.linalg.matrix_rank(difference, tol=1e-5) == 2, name
        else:
            assert difference.any() == name.startswith("classifier"), name


def test_a_merged_model_trains_on(bert, batch) -> None:
    model = bert()
    fit(LoraFreeLB(epochs=1), model, SmallSet(batch, 2))
    FineTune().step(model, batch())
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_backward_pass_costs_an_input_pass(bert) -> None:
    assert update_passes(LoraFreeLB().changed(steps=3)) == Passes(3, 0, 3)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rank": 0}, "LoraFreeLB.rank must be 1 or more, got 0"),
        ({"alpha": 0}, "LoraFreeLB.alpha must be positive, got 0"),
        ({"steps": 0}, "FreeLB.steps must be 1 or more, got 0"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LoraFreeLB().changed(**settings)
