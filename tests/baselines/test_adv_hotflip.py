"""Adv-Hotflip: flips what it may, no more than its share, where the loss rises most; its passes are counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.adv_hotflip import ROWS_AT_ONCE, AdvHotflip, best_flips
from baselines.fine_tune import FineTune
from baselines.training import Passes

LENGTHS = (20, 11, 5, 4)


def test_a_round_flips_at_most_its_share_and_only_what_it_may(bert, rich_batch) -> None:
    model = bert(dropout=0.0)
    for seed in range(4):
        one = rich_batch(lengths=LENGTHS, seed=seed)
        flipped = AdvHotflip().flip(model, one)
        changed = flipped.input_ids != one.input_ids
        assert (changed.sum(1) <= torch.tensor([4, 2, 1, 0])).all() and changed.sum() >= 5
        assert one.replaceable[one.input_ids[changed]].all() and one.replaceable[flipped.input_ids[changed]].all()
        assert not changed[one.attention_mask == 0].any()


def test_flips_raise_the_loss(bert, rich_batch) -> None:
    model = bert(dropout=0.0).eval()
    rises = []
    for seed in range(4):
        one = rich_batch(lengths=LENGTHS, seed=seed)
        both = one, AdvHotflip().flip(model, one)
        with torch.no_grad():
            losses = [torch.nn.functional.cross_entropy(model(**each.inputs()).logits, each.labels) for each in both]
        rises.append(losses[1] - losses[0])
    assert torch.stack(rises).mean() > 0


def test_gains_are_those_of_each_flip_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    grad, words = torch.randn(3, 4, 8, generator=draw), torch.randn(3, 4, 8, generator=draw)
    vocabulary, allowed = torch.randn(30, 8, generator=draw), torch.arange(30) % 3 != 0
    scores = torch.einsum("bld,blvd->blv", grad, vocabulary - words.unsqueeze(2)).masked_fill(~allowed, -torch.inf)
    whole = best_flips(grad, words, vocabulary, allowed)
    torch.testing.assert_close(whole[0], scores.amax(-1))
    assert torch.equal(whole[1], scores.argmax(-1)) and allowed[whole[1]].all()
    assert ROWS_AT_ONCE > 12
    monkeypatch.setattr("baselines.adv_hotflip.ROWS_AT_ONCE", 5)
    for part, expected in zip(best_flips(grad, words, vocabulary, allowed), whole, strict=True):
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize("defense", [AdvHotflip(share=0.0), AdvHotflip(rounds=0), AdvHotflip(share=0.04)], ids=repr)
def test_without_flips_it_is_fine_tuning(defense: AdvHotflip, bert, rich_batch) -> None:
    """Half the loss twice: equal up to rounding."""
    model, one = bert(dropout=0.0), rich_batch(lengths=LENGTHS)
    assert_equal(gradients(defense.step, model, one), gradients(FineTune().step, model, one), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_its_passes_are_those_of_the_cost_table(bert, rich_batch, rounds: int) -> None:
    assert passes(AdvHotflip(rounds=rounds).step, bert(), rich_batch()) == Passes(rounds + 2, 2, rounds)


def test_a_gradient_that_is_not_finite_flips_nothing(bert, rich_batch) -> None:
    model, one = bert(), rich_batch(lengths=LENGTHS)
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    assert torch.equal(AdvHotflip().flip(model, one).input_ids, one.input_ids)


def test_a_batch_that_does_not_say_what_is_replaceable_is_refused(bert, batch) -> None:
    with pytest.raises(ValueError, match="needs batches that name the replaceable tokens, got one without"):
        AdvHotflip().step(bert(), batch())


def test_spare_rows_of_the_model_s_table_are_not_used(bert, rich_batch) -> None:
    one = rich_batch(lengths=LENGTHS)
    short = replace(one, input_ids=one.input_ids % 60, replaceable=torch.arange(60) >= 20)
    assert AdvHotflip().flip(bert(), short).input_ids.max() < 60


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"rounds": -1}], ids=str)
def test_bad_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"AdvHotflip\.(share must be in \[0, 1\]|rounds must be 0 or more), got"):
        AdvHotflip(**settings)
