"""FLOPs are counted once in each stage, are those of the cost model, and change nothing that is learnt."""

from __future__ import annotations

import copy

import pytest
import torch
from encoders import KINDS, make
from small_set import SmallSet
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.pgd import PGD
from baselines.primitives.pruning import Pruning, kept_of, prune_, random_coefficients
from baselines.training import fit
from benchmarks.clock.cost import EncoderShape, encoder_flops, layer_flops
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


def head_flops(model: torch.nn.Module) -> int:
    """FLOPs of one text in the linear layers behind the encoder, whether transformers counts them to it or not."""
    pooler = getattr(model.base_model, "pooler", None)
    own = [each for name, each in model.named_modules() if not name.startswith(f"{model.base_model_prefix}.")]
    modules = [*own, *([] if pooler is None else pooler.modules())]
    return sum(2 * each.weight.numel() for each in modules if isinstance(each, torch.nn.Linear))


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_flops_of_every_encoder_are_those_of_the_cost_model(kind: str, pruned: bool, batch) -> None:
    """Within 1 %: ModernBERT of transformers 4 multiplies position numbers with frequencies as a matrix product."""
    model, texts, tokens = make(kind), 3, 11
    shape = EncoderShape.of(model.config)
    if pruned:
        prune_(model, Pruning(0.5, 0.4).draw(*random_coefficients(model, 0)))
    kept = kept_of(model)
    heads, neurons = (sum(map(len, each)) / len(each) for each in (kept.heads, kept.neurons))
    inputs = batch((tokens,) * texts)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask)
    expected = encoder_flops(shape, tokens, heads=heads, neurons=neurons, texts=texts) + head_flops(model)
    assert counter.get_total_flops() / texts == pytest.approx(expected, rel=0.01)


def test_shapes_of_published_encoders() -> None:
    """Of ALBERT-base's one layer, twelve passes; of ModernBERT-base's neurons, a gate each."""
    from transformers import AlbertConfig, DebertaV2Config, ModernBertConfig

    albert = EncoderShape.of(AlbertConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072))
    assert (albert.layers, albert.embedding) == (12, 128)
    assert encoder_flops(albert, 128) == encoder_flops(EncoderShape(), 128) + 2 * 128 * 128 * 768
    modern = EncoderShape.of(ModernBertConfig())
    assert (modern.layers, modern.neurons, modern.gates) == (22, 1152, 2)
    assert layer_flops(modern, 128, 0, 1152) == 6 * 128 * 768 * 1152
    deberta = DebertaV2Config(relative_attention=True, position_buckets=256, hidden_size=768, num_attention_heads=12)
    assert EncoderShape.of(deberta).position_rows == 512
