"""Tickets: counts, ties, survival, distances, and physical removal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from encoders import KINDS, logits, make
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertForSequenceClassification

from baselines.primitives.encoders import layers_of
from baselines.primitives.pruning import (
    Pruning,
    Ticket,
    keep_top,
    kept_of,
    prune_,
    pruned_count,
    random_coefficients,
    reshape_,
    tied_at_threshold,
)

HEADS = torch.rand(12, 12, generator=torch.Generator().manual_seed(0)).double()
NEURONS = torch.rand(12, 3072, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("rule", ["rank", "quantile"])
@pytest.mark.parametrize(("sparsity", "pruned"), [(0.2, 7373), (0.3, 11059), (0.4, 14746)])
def test_bert_base_neurons(rule, sparsity: float, pruned: int) -> None:
    """`quantile` in float64, where no two thresholds round together."""
    assert (~keep_top(NEURONS, sparsity, rule=rule)).sum() == pruned


@pytest.mark.parametrize("rule", ["rank", "quantile"])
@pytest.mark.parametrize("sparsity", [1 / 6, 0.166667])
def test_bert_base_heads(rule, sparsity: float) -> None:
    kept = keep_top(HEADS, sparsity, rule=rule, at_least_one=True)
    assert (~kept).sum() == 24
    assert kept.any(1).all()
    layerwise = keep_top(HEADS, sparsity, scope="layerwise", rule=rule, at_least_one=True)
    assert ((~layerwise).sum(1) == 2).all()


@pytest.mark.parametrize("rule", ["rank", "quantile"])
def test_a_layer_of_the_twelve_smallest_keeps_its_largest(rule) -> None:
    scores = HEADS.clone()
    scores[4] = -scores[4]
    kept = keep_top(scores, 1 / 6, rule=rule, at_least_one=True)
    assert (~kept).sum() == 24
    assert kept[4].nonzero().flatten().tolist() == [int(scores[4].argmax())]
    assert not keep_top(scores, 1 / 6, rule=rule)[4].any(), "neurons have no such rule"


def test_early_bert_s_layerwise_third() -> None:
    assert ((~keep_top(HEADS, 1 / 3, scope="layerwise")).sum(1) == 4).all()


@given(st.integers(2, 400), st.floats(0.01, 0.99))
@settings(max_examples=200, deadline=None)
def test_the_count_is_that_of_the_strict_quantile(total: int, sparsity: float) -> None:
    """Without ties both rules prune as many; where sparsity * (n - 1) is a whole number rounding may decide, so those
    cases are left out."""
    if abs(sparsity * (total - 1) - round(sparsity * (total - 1))) < 1e-6:
        return
    scores = np.random.default_rng(0).permutation(total).astype(float)
    assert (scores <= np.quantile(scores, sparsity)).sum() == pruned_count(total, sparsity)


def test_ties_are_pruned_by_quantile_and_by_position_by_rank() -> None:
    scores = torch.tensor([[1.0, 1.0, 1.0, 1.0, 2.0]])
    assert (~keep_top(scores, 0.3, rule="quantile")).sum() == 4
    kept = keep_top(scores, 0.3, rule="rank")
    assert kept.tolist() == [[False, False, True, True, True]]
    assert tied_at_threshold(scores, kept) == 2
    assert tied_at_threshold(scores, torch.ones(1, 5, dtype=torch.bool)) == 0


def test_equal_coefficients_leave_the_released_loop_one_head_a_layer_and_no_neurons() -> None:
    ones = torch.ones(12, 12)
    kept = keep_top(ones, 1 / 6, rule="quantile", at_least_one=True)
    assert kept.sum() == 12 and kept.any(1).all()
    assert keep_top(torch.ones(12, 64), 0.3, rule="quantile").sum() == 0


def test_sparsity_zero_prunes_nothing() -> None:
    for rule in ("rank", "quantile"):
        assert keep_top(HEADS, 0.0, rule=rule).all()


def test_sparsities_that_cannot_keep_a_head_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sparsity must be at most 0.9167, to keep one per layer, got 0.95"):
        keep_top(HEADS, 0.95, at_least_one=True)
    with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\), got 1.0"):
        keep_top(NEURONS, 1.0)


@given(st.floats(0.1, 50), st.floats(-5, 5))
@settings(max_examples=50, deadline=None)
def test_rank_masks_do_not_change_under_increasing_maps(scale: float, shift: float) -> None:
    assert torch.equal(keep_top(HEADS, 1 / 6), keep_top(scale * HEADS + shift, 1 / 6))


def mask(seed: int, sparsity: float = 1 / 6) -> Ticket:
    generator = torch.Generator().manual_seed(seed)
    return Ticket(
        keep_top(torch.rand(12, 12, generator=generator), sparsity),
        keep_top(torch.rand(12, 64, generator=generator), 0.3),
    )


def test_distance_is_a_metric_on_masks() -> None:
    first, second, third = mask(1), mask(2), mask(3)
    assert first.distance(first) == (0, 0)
    assert first.distance(second) == second.distance(first)
    direct, over = (
        first.distance(third),
        [a + b for a, b in zip(first.distance(second), second.distance(third), strict=True)],
    )
    assert direct[0] <= over[0] and direct[1] <= over[1]
    opposite = Ticket(~first.heads, ~first.neurons)
    assert first.distance(opposite) == (1, 1)


def test_head_distances_are_even_multiples_of_one_in_144_and_bounded() -> None:
    for seed in range(10):
        differing = mask(0).distance(mask(seed))[0] * 144
        assert round(differing) == pytest.approx(differing, abs=1e-4)
        assert round(differing) % 2 == 0
        assert differing / 144 <= 2 / 6 + 1e-6


def test_independent_random_masks_differ_by_two_r_one_minus_r() -> None:
    """Expected 0.278 for heads at 1/6; the mean of 300 pairs has a spread of about 0.0025."""
    distances = [mask(2 * seed).distance(mask(2 * seed + 1))[0] for seed in range(300)]
    assert np.mean(distances) == pytest.approx(2 / 6 * 5 / 6, abs=0.012)


@pytest.mark.parametrize("kind", KINDS)
def test_kept_weights_are_bit_equal_slices_and_the_count_is_exact(kind: str) -> None:
    model = make(kind)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    total = sum(parameter.numel() for parameter in model.parameters())
    ticket = Pruning(0.25, 0.4).draw(*random_coefficients(model, 0))
    prune_(model, ticket)
    heads, neurons = int((~ticket.heads).sum()), int((~ticket.neurons).sum())
    per_head, per_neuron = 3 * (8 * 32 + 8) + 8 * 32, 2 * 32 + 1
    if kind == "modernbert":  # without biases, and every neuron with a gate
        per_head, per_neuron = 4 * 8 * 32, 3 * 32
    assert sum(parameter.numel() for parameter in model.parameters()) == total - heads * per_head - neurons * per_neuron
    changed = [name for name, value in model.state_dict().items() if value.shape != before[name].shape]
    unchanged = set(before) - set(changed)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in unchanged)
    kept = kept_of(model)
    columns = torch.cat([torch.arange(head * 8, head * 8 + 8) for head in kept.heads[-1]])
    path, linear = next(iter(layers_of(model)[-1].projections().items()))
    name = next(name for name in reversed(before) if name.endswith(f"{path}.weight"))
    rows = torch.cat([columns + part * 32 for part in range(len(before[name]) // 32)])
    assert torch.equal(linear.weight, before[name][rows])


def test_bert_base_counts() -> None:
    """24 heads and 11,060 neurons off: 87,761,358 parameters left for two labels; 85,524,480 weights RobusT masks."""
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig())
    total = sum(parameter.numel() for parameter in model.parameters())
    assert sum(parameter.numel() for parameter in model.bert.parameters()) == 109_482_240
    assert total - 24 * 196_800 - 11_060 * 1_537 == 87_761_358
    from baselines.primitives.encoders import masked_linears

    matrices = [linear.weight for _, linear in masked_linears(model)]
    assert (len(matrices), sum(weight.numel() for weight in matrices)) == (73, 85_524_480)


def test_a_pruned_shape_is_rebuilt(batch) -> None:
    model, other = make("bert"), make("bert")
    prune_(model, Pruning(0.25, 0.4).draw(*random_coefficients(model, 0)))
    reshape_(other, kept_of(model))
    other.load_state_dict(model.state_dict())
    assert torch.equal(logits(model, batch()), logits(other, batch()))


def test_a_layer_without_neurons_gives_its_bias(batch) -> None:
    model = make("bert")
    neurons = torch.ones(2, 64, dtype=torch.bool)
    neurons[0] = False
    prune_(model, Ticket(torch.ones(2, 4, dtype=torch.bool), neurons))
    assert torch.isfinite(logits(model, batch())).all()
    output = model.bert.encoder.layer[0].output.dense
    torch.testing.assert_close(output(torch.zeros(3, 0)), output.bias.expand(3, -1))


def test_bad_tickets_are_refused() -> None:
    model = make("bert")
    with pytest.raises(ValueError, match="Ticket shapes must be"):
        prune_(model, Ticket(torch.ones(3, 4, dtype=torch.bool), torch.ones(3, 64, dtype=torch.bool)))
    heads = torch.ones(2, 4, dtype=torch.bool)
    heads[1] = False
    with pytest.raises(ValueError, match=r"keeping a head in every layer, got \[4, 0\]"):
        prune_(model, Ticket(heads, torch.ones(2, 64, dtype=torch.bool)))
    full = Ticket(torch.ones(2, 4, dtype=torch.bool), torch.ones(2, 64, dtype=torch.bool))
    prune_(model, full)
    with pytest.raises(ValueError, match="pruned already"):
        prune_(model, full)


def test_random_coefficients_depend_on_their_seed_alone() -> None:
    model = make("bert")
    torch.manual_seed(1)
    first = random_coefficients(model, 4)
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, random_coefficients(model, 4), strict=True))
    assert not torch.equal(first[0], random_coefficients(model, 5)[0])
