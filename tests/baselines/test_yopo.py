"""YOPO: the first layer, weighted with the gradient above it, gives the perturbation's gradient."""

from __future__ import annotations

import pytest
import torch
from encoders import KINDS, make
from gradients import assert_equal, climbs, gradients, passes

from baselines.batch import Batch
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.primitives.encoders import ARCHITECTURES
from baselines.primitives.perturbation import Ascent
from baselines.training import Passes
from baselines.yopo import YOPO


def test_without_movement_it_is_fine_tuning(bert, batch) -> None:
    """Two halves of one loss; halving and adding equals is exact in floating point."""
    model, one = bert(dropout=0.1), batch()
    still = YOPO().changed(steps=1, inner_steps=0, init_magnitude=0)
    assert_equal(gradients(still.step, model, one), gradients(FineTune().step, model, one))


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_inner_gradient_is_the_whole_model_s(kind: str, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after a full pass p is exact: the same products in the same order, with one mask of dropout."""
    one = batch()
    if not ARCHITECTURES[kind].segments:
        one = Batch(one.input_ids, one.attention_mask, one.labels)
    found = []
    for defense in (YOPO().changed(steps=1, inner_steps=1), FreeLB().changed(steps=2)):
        with monkeypatch.context() as patch:
            seen = climbs(patch)
            gradients(defense.step, make(kind), one)
        found.append(seen[0])
    (own_delta, own), (delta, whole) = found
    assert torch.equal(own_delta, delta)
    torch.testing.assert_close(own, whole, rtol=0, atol=0)


def test_one_inner_step_is_freelb(bert, batch) -> None:
    """With n = 1 every inner gradient is exact, and m + 1 points are FreeLB's K."""
    model, one = bert(dropout=0.1), batch()
    methods = (YOPO().changed(steps=2, inner_steps=1), FreeLB().changed(steps=3))
    own, other = (gradients(method.step, model, one) for method in methods)
    assert_equal(own, other)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("inner_steps", [0, 2])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int, inner_steps: int) -> None:
    """m + 1 whole passes; the first layer is passed m n times more, the second is not."""
    model, calls = bert(), []
    for number, layer in enumerate(model.bert.encoder.layer):
        layer.register_forward_hook(lambda module, arguments, output, number=number: calls.append(number))
    yopo = YOPO().changed(steps=steps, inner_steps=inner_steps)
    assert passes(yopo.step, model, batch()) == Passes(steps + 1, steps + 1, 0)
    assert (calls.count(0), calls.count(1)) == (steps + 1 + steps * inner_steps, steps + 1)


def test_inner_steps_leave_no_gradient_on_a_parameter(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    model, climb, inner = bert(), Ascent.climb, YOPO._inner_ascent
    before: dict[str, torch.Tensor] = {}

    def noting(self, model, *arguments):
        before.update({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        return inner(self, model, *arguments)

    def watched(self, delta, grad, mask):
        assert all(torch.equal(p.grad, before[n]) for n, p in model.named_parameters() if p.grad is not None)
        return climb(self, delta, grad, mask)

    monkeypatch.setattr(YOPO, "_inner_ascent", noting)
    monkeypatch.setattr(Ascent, "climb", watched)
    YOPO().step(model, batch())
    assert before


def test_all_layers_are_back_after_a_step(bert, batch) -> None:
    model = bert(layers=3)
    layers = list(model.bert.encoder.layer)
    YOPO().step(model, batch())
    assert all(one is other for one, other in zip(model.bert.encoder.layer, layers, strict=True))


@pytest.mark.parametrize("lengths", [(2,), (1,), (9, 2)])
def test_short_texts_and_single_batches_work(bert, batch, lengths) -> None:
    assert torch.isfinite(YOPO().step(bert(), batch(lengths)))


def test_bf16_leaves_finite_gradients(bert, batch) -> None:
    model = bert()
    with torch.autocast("cpu", torch.bfloat16):
        YOPO().step(model, batch())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "YOPO.steps must be 1 or more, got 0"),
        ({"inner_steps": -1}, "YOPO.inner_steps must be 0 or more, got -1"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        YOPO().changed(**settings)
