"""FLOPs are counted once in each stage, are those of the cost model, and change nothing that is learnt."""

from __future__ import annotations

import copy

import pytest
import torch
from small_set import SmallSet

from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.pgd import PGD
from baselines.training import fit
from benchmarks.clock.cost import EncoderShape, layer_flops
from benchmarks.clock.flops import CountedSteps

TINY = EncoderShape(layers=2, hidden=32, heads=4, neurons=64)


def test_a_counted_training_is_the_training(bert, batch) -> None:
    """Attention spelt out adds up in another order: the losses are equal to rounding."""
    model, losses = bert(dropout=0.0), []
    for defense in (PGD().changed(epochs=1, steps=1), CountedSteps(PGD().changed(epochs=1, steps=1))):
        torch.manual_seed(0)
        (log,) = fit(defense, copy.deepcopy(model), SmallSet(batch, 2))
        losses.append(log.losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_flops_of_an_update_are_those_of_the_cost_model(bert, batch) -> None:
    """A backward pass is two forward passes, less the products with the embeddings, which are looked up; with them the
    pooler and the classifier."""
    defense = CountedSteps(FineTune(epochs=1))
    fit(defense, bert(), SmallSet(batch, 2, lengths=(8, 8)))
    head = 2 * (32 * 32 + 32 * 2)
    assert defense.as_json() == {
        "train": {"texts": 2, "tokens": 8, "flops": 3 * 2 * (2 * layer_flops(TINY, 8, 4, 64) + head)}
    }


def test_each_stage_is_counted_and_the_pruned_one_takes_less(bert, batch) -> None:
    defense = CountedSteps(EarlyBert(epochs=1).changed(neuron_sparsity=0.5))
    fit(defense, bert(), SmallSet(batch, 1), most_updates=1)
    assert list(defense.counted) == ["search", "fine_tune"]
    assert 0 < defense.counted["fine_tune"].flops < defense.counted["search"].flops
