"""Importance coefficients: ones change nothing, zeros equal removal, gradients are what they should be."""

from __future__ import annotations

import pytest
import torch
from encoders import KINDS, logits, make

from baselines.freelb import FreeLB
from baselines.primitives.encoders import layers_of, shape_of
from baselines.primitives.importance import Importance
from baselines.primitives.pruning import Ticket, prune_


@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_of_one_leave_logits_bit_identical(kind: str, batch) -> None:
    model = make(kind)
    before = logits(model, batch())
    importance = Importance(model)
    assert torch.equal(before, logits(model, batch()))
    importance.remove()
    assert torch.equal(before, logits(model, batch()))


def test_scaling_the_context_equals_scaling_the_probabilities(batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The releases multiply attention probabilities by the coefficient; the product with V is the same."""
    model = make("bert", "eager")
    importance = Importance(model)
    with torch.no_grad():
        importance.heads.uniform_(0.2, 2)
    ours = logits(model, batch())
    importance.remove()
    scales = iter(importance.heads.detach())
    softmax = torch.nn.functional.softmax

    def scaled(scores: torch.Tensor, *arguments, **options) -> torch.Tensor:
        return softmax(scores, *arguments, **options) * next(scales).view(1, 4, 1, 1)

    monkeypatch.setattr(torch.nn.functional, "softmax", scaled)
    torch.testing.assert_close(ours, logits(model, batch()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", ["eager", None])
@pytest.mark.parametrize("kind", KINDS)
def test_zeros_equal_physical_removal_with_the_others_as_learnt(kind: str, attention: str, batch) -> None:
    """1e-5 allows for the order of sums; kept coefficients are folded into both models."""
    model, cut = make(kind, attention), make(kind, attention)
    cut.load_state_dict(model.state_dict())
    generator = torch.Generator().manual_seed(3)
    layers = shape_of(model)[0]
    heads = torch.rand(layers, 4, generator=generator) > 0.4
    neurons = torch.rand(layers, 64, generator=generator) > 0.4
    heads[:, 0] = True
    neurons[1:] = False  # a layer may lose all its neurons
    importance, rest = Importance(model), None
    with torch.no_grad():
        importance.heads.uniform_(0.5, 1.5).mul_(heads)
        importance.neurons.uniform_(0.5, 1.5).mul_(neurons)
    prune_(cut, Ticket(heads, neurons))
    rest = Importance(cut)
    with torch.no_grad():
        rest.heads.copy_(importance.heads)
        rest.neurons.copy_(importance.neurons)
    torch.testing.assert_close(logits(model, batch()), logits(cut, batch()), rtol=0, atol=1e-5)
    kept = logits(cut, batch())
    rest.fold_()
    torch.testing.assert_close(kept, logits(cut, batch()), rtol=0, atol=1e-5)


def test_a_head_s_gradient_is_its_context_times_the_context_s_gradient(bert, batch) -> None:
    model, one = bert(dropout=0.0).eval(), batch()
    importance = Importance(model)
    seen = {}
    linear = layers_of(model)[1].linear("attention_output")

    def keep(module, inputs):
        seen["scaled"] = inputs[0]
        inputs[0].retain_grad()

    handle = linear.register_forward_pre_hook(keep)
    torch.nn.functional.cross_entropy(model(**one.inputs()).logits, one.labels).backward()
    handle.remove()
    context = seen["scaled"].detach()  # coefficients are 1: scaled and unscaled context are the same
    expected = (seen["scaled"].grad * context).sum((0, 1)).view(4, 8).sum(1)
    torch.testing.assert_close(importance.heads.grad[1], expected, rtol=1e-4, atol=1e-8)


def test_the_penalty_s_gradient_is_lambda_exactly(bert) -> None:
    importance = Importance(bert())
    importance.l1(1e-5, 2e-4).backward()
    assert (importance.heads.grad == 1e-5).all()
    assert (importance.neurons.grad == 2e-4).all()


def test_the_initial_penalty_of_bert_base() -> None:
    """144 heads at 1e-5 and 36,864 neurons at 2e-4: 0.00144 and 7.37."""
    assert pytest.approx(0.00144) == 144 * 1e-5
    from types import SimpleNamespace

    stand_in = SimpleNamespace(heads=torch.ones(12, 12), neurons=torch.ones(12, 3072))
    assert Importance.l1(stand_in, 1e-5, 0).item() == pytest.approx(0.00144, rel=1e-4)
    assert Importance.l1(stand_in, 0, 2e-4).item() == pytest.approx(7.3728, rel=1e-4)


def test_freelb_s_accumulation_holds_the_penalty_once(bert, batch) -> None:
    """With no task loss (a constant classifier), K = 5 passes leave lambda, not 5 lambda and not lambda / 5."""
    model = bert(dropout=0.0)
    torch.nn.init.zeros_(model.classifier.weight)
    importance = Importance(model)
    FreeLB().changed(steps=5).step(model, batch())
    importance.l1(1e-5, 2e-4).backward()
    torch.testing.assert_close(importance.heads.grad, torch.full((2, 4), 1e-5), rtol=1e-6, atol=0)


def test_snapshots_are_copies(bert) -> None:
    importance = Importance(bert())
    before = importance.snapshot()
    with torch.no_grad():
        importance.heads.fill_(7)
    assert (before.heads == 1).all()
    assert importance.heads.dtype == torch.float32
