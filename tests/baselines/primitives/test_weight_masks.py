"""Hard-concrete masks: the spec's values, the draw, and that nothing of them stays."""

from __future__ import annotations

import pytest
import torch
from encoders import KINDS, logits, make

from baselines.primitives.encoders import masked_linears
from baselines.primitives.weight_masks import (
    FixedMasks,
    WeightMasks,
    deterministic_mask,
    expected_share,
    initial_score,
    sampled_mask,
)

NOISE = torch.linspace(1e-4, 1 - 1e-4, 2001)


def test_the_initial_score() -> None:
    assert initial_score() == pytest.approx(1.6094, abs=1e-4)
    start = torch.tensor([initial_score()])
    assert deterministic_mask(start).item() == pytest.approx(0.9, abs=1e-6)
    assert expected_share(start).item() == pytest.approx(0.9611, abs=1e-4)


def test_the_deterministic_mask() -> None:
    scores = torch.tensor([0.0, -2.3979, -9.0, 2.3979, 9.0])
    torch.testing.assert_close(deterministic_mask(scores), torch.tensor([0.5, 0.0, 0.0, 1.0, 1.0]), atol=1e-5, rtol=0)


def test_scores_of_twenty_decide_whatever_is_drawn() -> None:
    assert (sampled_mask(torch.full_like(NOISE, 20.0), NOISE) == 1).all()
    assert (sampled_mask(torch.full_like(NOISE, -20.0), NOISE) == 0).all()
    assert (sampled_mask(torch.full((2,), 20.0), torch.tensor([0.0, 1.0])) == 1).all(), "noise is clamped"


def test_the_formula_at_one_point() -> None:
    """u = 0.5 leaves sigmoid(a / beta): at a = 0.4, 1.2 * 0.64566 - 0.1."""
    assert sampled_mask(torch.tensor(0.4), torch.tensor(0.5)).item() == pytest.approx(1.2 * 0.645656 - 0.1, abs=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.4])
def test_drawing_leaves_the_share_of_largest_scores(share: float) -> None:
    masks = WeightMasks(make("bert"))
    for number, scores in enumerate(masks.scores):
        with torch.no_grad():
            scores.copy_(torch.randn(scores.shape, generator=torch.Generator().manual_seed(number)))
    drawn = masks.draw(share)
    total = sum(mask.numel() for mask in drawn)
    assert sum(int(mask.sum()) for mask in drawn) == round((1 - share) * total)
    kept = torch.cat([scores[mask == 1] for scores, mask in zip(masks.scores, drawn, strict=True)])
    pruned = torch.cat([scores[mask == 0] for scores, mask in zip(masks.scores, drawn, strict=True)])
    assert share == 0 or kept.min() >= pruned.max()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_twenty_reproduce_the_unmasked_model(kind: str, batch) -> None:
    model = make(kind)
    before = logits(model, batch())
    masks = WeightMasks(model)
    assert not torch.equal(before, logits(model, batch()))
    with torch.no_grad():
        for scores in masks.scores:
            scores.fill_(20.0)
    assert torch.equal(before, logits(model, batch()))
    masks.remove()
    assert torch.equal(before, logits(model, batch()))


def test_a_fresh_mask_is_drawn_at_every_training_pass(batch) -> None:
    model = make("bert")
    WeightMasks(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    assert not torch.equal(logits(model, batch()), logits(model, batch()))


def test_the_penalty_is_the_mean_of_the_matrices_means() -> None:
    masks = WeightMasks(make("bert"))
    with torch.no_grad():
        masks.scores[0].fill_(-20)
    others = 12 * 0.9611
    assert masks.penalty().item() == pytest.approx(others / 13, abs=1e-3)


def test_baked_masks_leave_plain_layers_with_zeros(batch) -> None:
    model = make("bert")
    names = set(model.state_dict())
    masks = [(torch.rand(linear.weight.shape) > 0.3).float() for _, linear in masked_linears(model)]
    fixed = FixedMasks(model, masks)
    masked = logits(model, batch())
    fixed.bake_()
    assert torch.equal(masked, logits(model, batch()))
    assert set(model.state_dict()) == names
    assert all((linear.weight[mask == 0] == 0).all() for linear, mask in zip(fixed.linears, masks, strict=True))


def test_a_share_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\), got 1.0"):
        WeightMasks(make("bert")).draw(1.0)
