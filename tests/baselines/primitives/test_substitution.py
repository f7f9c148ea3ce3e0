"""Mixtures of substitutes: weights on what is there, nothing where there is nothing, and the way through the model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from encoders import KINDS, logits, make

from baselines.batch import Batch
from baselines.primitives.encoders import ARCHITECTURES
from baselines.primitives.substitution import (
    available,
    divergence,
    dropout_off,
    embedded_as,
    entropy,
    hull_weights,
    mix,
    read,
    scores_gradient,
    start_scores,
    substitute_features,
    substitute_words,
    substitutes_of,
)


@pytest.fixture
def rich(rich_batch) -> Batch:
    """Texts in which odd tokens have two substitutes and even ones none."""
    return rich_batch()


def without_segments(one: Batch) -> Batch:
    return replace(one, token_type_ids=None)


def test_what_can_be_chosen_is_the_token_and_whatever_differs(rich) -> None:
    usable = available(rich.substitutes)
    odd = rich.input_ids % 2 == 1
    assert usable[odd].tolist() == [[True, True, True, False]] * int(odd.sum())
    assert usable[~odd].tolist() == [[True, False, False, False]] * int((~odd).sum())


def test_weights_are_a_distribution_over_what_can_be_chosen(rich) -> None:
    usable = available(rich.substitutes)
    weights = hull_weights(torch.randn(usable.shape, generator=torch.Generator().manual_seed(0)) * 5, usable)
    assert (weights >= 0).all() and (weights[~usable] == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(usable.shape[:2]))
    assert (weights[usable.sum(-1) == 1][:, 0] == 1).all(), "a token alone keeps all its weight"


def test_entropy_is_that_of_the_weights_and_its_gradient_finite(rich) -> None:
    usable = available(rich.substitutes)
    scores = torch.zeros(usable.shape, requires_grad=True)
    found = entropy(scores, usable)
    torch.testing.assert_close(found, usable.sum(-1).float().log())
    found.sum().backward()
    assert torch.isfinite(scores.grad).all() and (scores.grad[~usable] == 0).all()


def test_the_start_is_scaled_by_the_tokens_of_each_text() -> None:
    mask = torch.cat([torch.ones(2, 200), torch.tensor([[1.0] * 50 + [0] * 150])]).long()
    usable = torch.ones(3, 200, 10, dtype=torch.bool)
    torch.manual_seed(0)
    scores = start_scores(usable, mask, 1.0)
    assert scores.is_leaf and scores.requires_grad
    # 2000 draws a text: the sample's deviation is within 5 % of the true one
    torch.testing.assert_close(scores.detach()[0].std(), torch.tensor((2 / 2000) ** 0.5), rtol=0.05, atol=0)
    torch.testing.assert_close(scores.detach()[2].std(), torch.tensor((2 / 500) ** 0.5), rtol=0.05, atol=0)
    assert (start_scores(usable, mask, 0.0) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_alone_mixed_are_the_clean_text(kind: str, rich) -> None:
    """Weights on slot 0 give bit-equal logits, by word embeddings as by the embedding layer's output."""
    model, one = make(kind), rich if ARCHITECTURES[kind].segments else without_segments(rich)
    alone = torch.zeros(one.substitutes.shape)
    alone[..., 0] = 1
    with torch.no_grad(), embedded_as(model, mix(alone, substitute_features(model, one))):
        mixed = read(model, one)[0]
    torch.testing.assert_close(mixed, model(**one.inputs()).logits, rtol=0, atol=0)
    with torch.no_grad():
        words = model(inputs_embeds=mix(alone, substitute_words(model, one)), **one.context()).logits
        if not ARCHITECTURES[
            kind
        ].offset_positions:  # these count positions from ids, and padding as a position where there are none
            torch.testing.assert_close(words, model(**one.inputs()).logits, rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_one_substitute_chosen_is_the_text_with_it(kind: str, rich) -> None:
    model, one = make(kind), without_segments(rich)
    second = torch.zeros(one.substitutes.shape)
    second[..., 1] = 1
    other = Batch(one.substitutes[..., 1], one.attention_mask, one.labels)
    with torch.no_grad(), embedded_as(model, mix(second, substitute_features(model, one))):
        mixed, features = read(model, one)
    torch.testing.assert_close(mixed, logits(model, other), rtol=0, atol=0)
    assert features.shape == (4, 32)
    torch.testing.assert_close(logits(model, one), model(**one.inputs()).logits)  # the hook is gone


def test_divergence_is_the_sum_of_kullback_leibler() -> None:
    clean = torch.tensor([[1.0, 0.0], [200.0, -200.0]], requires_grad=True)
    other = torch.tensor([[0.0, 1.0], [200.0, -200.0]], requires_grad=True)
    p, q = (logits[0].softmax(-1) for logits in (clean, other))
    found = divergence(clean, other)
    torch.testing.assert_close(found, (p * (p / q).log()).sum())
    found.backward()
    assert torch.isfinite(clean.grad).all() and clean.grad.abs().sum() > 0 and torch.isfinite(other.grad).all()
    assert divergence(clean, clean).item() == 0


@pytest.mark.parametrize("backward", ["input", "full"])
def test_a_text_with_a_gradient_that_is_not_finite_stays(backward: str, bert) -> None:
    model = bert()
    scores = torch.ones(2, 1, 3, requires_grad=True)
    grad = scores_gradient(model, (scores[0] * float("inf")).sum() + 2 * scores[1].sum(), scores, backward)
    assert grad.tolist() == [[[0, 0, 0]], [[2, 2, 2]]]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_dropout_off_gives_every_module_its_mode_back(bert) -> None:
    model = bert().train()
    model.classifier.eval()
    modes = [module.training for module in model.modules()]
    with pytest.raises(KeyError), dropout_off(model):
        assert not any(module.training for module in model.modules())
        raise KeyError
    assert [module.training for module in model.modules()] == modes


def test_a_batch_without_substitutes_is_refused(batch) -> None:
    with pytest.raises(ValueError, match="needs batches with substitutes, got one without"):
        substitutes_of(batch())
