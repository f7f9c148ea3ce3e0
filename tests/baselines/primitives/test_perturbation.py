"""The ascent's start, its steps, and the forward pass on perturbed embeddings."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from encoders import KINDS, make

from baselines.batch import Batch
from baselines.primitives.perturbation import Ascent, DropoutReplay, embed, forward

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def test_start_is_bounded_by_the_text_s_own_length() -> None:
    embedded = torch.zeros(2, 4, 8)
    delta = Ascent(1, 0.1, 0.5).start(embedded, MASK)
    assert (delta.abs() <= 0.5 / torch.tensor([32.0, 16.0]).sqrt().view(2, 1, 1)).all()
    assert (delta.flatten(1).norm(dim=1) <= 0.5).all()
    assert (delta * (1 - MASK).unsqueeze(-1) == 0).all()


def test_start_has_norm_magnitude_over_root_three_for_long_texts() -> None:
    """A uniform entry has variance 1/3; 64 * 768 of them leave a relative spread of 0.002, bounded here by 1 %."""
    mask = torch.ones(4, 64, dtype=torch.long)
    delta = Ascent(1, 0.1, 1.0).start(torch.zeros(4, 64, 768), mask)
    torch.testing.assert_close(delta.flatten(1).norm(dim=1), torch.full((4,), 3**-0.5), rtol=0.01, atol=0)


def test_magnitude_zero_starts_at_the_text() -> None:
    state = torch.get_rng_state()
    assert (Ascent(1, 0.1, 0.0).start(torch.zeros(2, 4, 8), MASK) == 0).all()
    assert torch.equal(state, torch.get_rng_state()), "a start at zero draws nothing"


def test_linf_start_is_uniform_up_to_the_magnitude() -> None:
    delta = Ascent(1, 0.1, 0.25, norm="linf").start(torch.zeros(2, 4, 8), MASK)
    assert 0.1 < delta.abs().max() <= 0.25
    assert (delta[1, 2:] == 0).all()


def test_an_all_padding_row_starts_at_zero_and_finite() -> None:
    delta = Ascent(1, 0.1, 0.5).start(torch.zeros(1, 3, 4), torch.zeros(1, 3, dtype=torch.long))
    assert (delta == 0).all()


def test_a_step_is_the_gradient_s_direction_and_is_projected() -> None:
    """The spec's hand-worked case: (3, 4) at rate 0.5 gives (0.3, 0.4), projected to radius 0.25 (0.15, 0.2)."""
    grad, mask = torch.tensor([[[3.0, 4.0]]]), torch.ones(1, 1, dtype=torch.long)
    free = Ascent(1, 0.5, 0.0).climb(torch.zeros(1, 1, 2), grad, mask)
    torch.testing.assert_close(free, torch.tensor([[[0.3, 0.4]]]))
    bound = Ascent(1, 0.5, 0.0, max_norm=0.25).climb(torch.zeros(1, 1, 2), grad, mask)
    torch.testing.assert_close(bound, torch.tensor([[[0.15, 0.2]]]))


def test_a_norm_per_token_lets_each_token_go_its_own_length() -> None:
    """Two tokens of unlike gradients, a third without one, and padding."""
    grad = torch.tensor([[[3.0, 4.0], [0.0, -2.0], [0.0, 0.0], [1.0, 1.0]]])
    mask = torch.tensor([[1, 1, 1, 0]])
    start = torch.zeros(1, 4, 2)
    rounded = Ascent(1, 0.5, 0.0, unit="token").climb(start, grad, mask)
    torch.testing.assert_close(rounded, torch.tensor([[[0.3, 0.4], [0.0, -0.5], [0.0, 0.0], [0.0, 0.0]]]))
    boxed = Ascent(1, 0.5, 0.0, max_norm=0.4, norm="linf", unit="token").climb(start, grad, mask)
    torch.testing.assert_close(boxed, torch.tensor([[[0.375, 0.4], [0.0, -0.4], [0.0, 0.0], [0.0, 0.0]]]))


def test_a_linf_step_is_scaled_by_the_largest_entry_and_clamped() -> None:
    grad, mask = torch.tensor([[[2.0, -4.0]]]), torch.ones(1, 1, dtype=torch.long)
    free = Ascent(1, 0.5, 0.0, norm="linf").climb(torch.zeros(1, 1, 2), grad, mask)
    torch.testing.assert_close(free, torch.tensor([[[0.25, -0.5]]]))
    bound = Ascent(1, 0.5, 0.0, max_norm=0.3, norm="linf").climb(torch.zeros(1, 1, 2), grad, mask)
    torch.testing.assert_close(bound, torch.tensor([[[0.25, -0.3]]]))


def test_the_gradient_s_scale_does_not_matter() -> None:
    ascent, delta = Ascent(1, 0.1, 0.1), torch.randn(2, 4, 8) * MASK.unsqueeze(-1)
    grad = torch.randn(2, 4, 8)
    torch.testing.assert_close(ascent.climb(delta, grad, MASK), ascent.climb(delta, grad * 64, MASK))


def test_steps_stay_in_the_ball_or_grow_by_the_step() -> None:
    free, bound = Ascent(1, 0.1, 0.2), Ascent(1, 0.1, 0.2, max_norm=0.25)
    wandering = confined = free.start(torch.zeros(2, 4, 8), MASK)
    start = wandering.flatten(1).norm(dim=1)
    for number in range(1, 6):
        grad = torch.randn(2, 4, 8)
        moved = free.climb(wandering, grad, MASK)
        torch.testing.assert_close((moved - wandering).flatten(1).norm(dim=1), torch.full((2,), 0.1))
        wandering, confined = moved, bound.climb(confined, grad, MASK)
        assert (wandering.flatten(1).norm(dim=1) <= start + number * 0.1 + 1e-6).all()
        assert (confined.flatten(1).norm(dim=1) <= 0.25 * (1 + 1e-5)).all()
        assert (wandering * (1 - MASK).unsqueeze(-1) == 0).all()


@pytest.mark.parametrize("poison", [0.0, float("nan"), float("inf")])
def test_a_useless_gradient_leaves_that_text_alone_and_others_climb(poison: float) -> None:
    delta = torch.randn(2, 4, 8) * MASK.unsqueeze(-1)
    grad = torch.randn(2, 4, 8)
    grad[0] = 0.0 if poison == 0.0 else grad[0]
    if poison != 0.0:
        grad[0, 1, 2] = poison
    moved = Ascent(1, 0.1, 0.1, max_norm=100.0).climb(delta, grad, MASK)
    assert torch.equal(moved[0], delta[0])
    assert torch.isfinite(moved).all()
    assert not torch.equal(moved[1], delta[1])


def test_garbage_in_the_gradient_of_padding_is_ignored() -> None:
    grad = torch.randn(2, 4, 8)
    dirty = grad.clone()
    dirty[1, 3] = float("nan")
    ascent = Ascent(1, 0.1, 0.1)
    assert torch.equal(ascent.climb(torch.zeros(2, 4, 8), grad, MASK), ascent.climb(torch.zeros(2, 4, 8), dirty, MASK))


def test_a_text_s_perturbation_does_not_depend_on_its_batch(bert, batch) -> None:
    """Same start, dropout off: alone or in a padded batch, up to the order of sums in float32."""
    model, whole = bert(dropout=0.0), batch((9, 5))
    ascent = Ascent(3, 0.1, 0.1)
    start = ascent.start(embed(model, whole).detach(), whole.attention_mask)

    def climb(one: Batch, delta: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            delta.requires_grad_()
            logits = forward(model, embed(model, one).detach() + delta, one).logits
            loss = torch.nn.functional.cross_entropy(logits, one.labels)
            delta = ascent.climb(delta, torch.autograd.grad(loss, delta)[0], one.attention_mask)
        return delta

    together = climb(whole, start.clone())
    alone = Batch(whole.input_ids[1:, :5], whole.attention_mask[1:, :5], whole.labels[1:], whole.token_type_ids[1:, :5])
    torch.testing.assert_close(climb(alone, start[1:, :5].clone())[0], together[1, :5], rtol=0, atol=1e-5)


def test_lengths_follow_the_width_of_the_embeddings_and_largest_entries_do_not() -> None:
    """Entries then move as far as in embeddings as wide as the layers."""
    bound = Ascent(3, step_size=0.2, init_magnitude=0.1, max_norm=0.4)
    box = replace(bound, norm="linf")
    for kind in KINDS:
        model = make(kind)
        half = kind in ("electra", "albert")
        factor = math.sqrt(model.get_input_embeddings().embedding_dim / 32)
        assert factor == (math.sqrt(0.5) if half else 1)
        assert bound.scaled_to(model) == Ascent(3, 0.2 * factor, 0.1 * factor, 0.4 * factor)
        assert box.scaled_to(model) == box
    assert replace(bound, max_norm=None).scaled_to(make("albert")).max_norm is None


@pytest.mark.parametrize("kind", KINDS)
def test_embedded_input_equals_ids_in_every_architecture(kind: str, batch) -> None:
    model = make(kind)
    full = batch((9, 5, 7))
    pad = model.config.pad_token_id
    ids = full.input_ids.masked_fill(full.attention_mask == 0, pad)
    one = Batch(ids, full.attention_mask, full.labels)
    torch.testing.assert_close(
        forward(model, embed(model, one), one).logits, model(**one.inputs()).logits, rtol=0, atol=1e-6
    )


def test_replay_repeats_dropout_and_leaves_the_state_advanced() -> None:
    drop = torch.nn.Dropout(0.5)
    before = torch.get_rng_state()
    replay = DropoutReplay("shared", torch.device("cpu"))
    replay.rewind()
    first = drop(torch.ones(64))
    replay.rewind()
    assert torch.equal(first, drop(torch.ones(64)))
    assert not torch.equal(before, torch.get_rng_state())
    fresh = DropoutReplay("fresh", torch.device("cpu"))
    fresh.rewind()
    assert not torch.equal(first, drop(torch.ones(64)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": -1}, "Ascent.steps must be 0 or more, got -1"),
        ({"max_norm": 0.0}, "Ascent.max_norm must be positive, or None for no bound, got 0.0"),
        ({"init_magnitude": float("nan")}, "Ascent.init_magnitude must be 0 or more, got nan"),
    ],
)
def test_bad_ascents_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Ascent(**({"steps": 1, "step_size": 0.1, "init_magnitude": 0.1} | settings))
    assert str(refusal.value) == sentence
