"""The information terms of InfoBERT and RIFT, against hand-worked numbers."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.primitives.information import (
    ClassProjectors,
    Critic,
    anchored_bound,
    anchors,
    bottleneck_bound,
    loss_within_classes,
    most_anchors,
    nce_bound,
    token_draws,
)
from baselines.threads import cpu_threads


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nce_sums_over_token_features_of_one_text_feature() -> None:
    """[[1, 0], [2, 3]] gives 0.37989; the wrong axis would give 0.01222."""
    scores = torch.tensor([[1.0, 0.0], [2.0, 3.0]])
    assert nce_bound(scores).item() == pytest.approx(0.37989, abs=1e-5)
    assert nce_bound(scores.T).item() == pytest.approx(0.01222, abs=1e-5)


def test_nce_is_zero_for_a_constant_critic_and_at_most_log_n() -> None:
    assert nce_bound(torch.full((4, 4), 2.5)).item() == pytest.approx(0, abs=1e-6)
    for seed in range(5):
        scores = torch.randn(6, 6, generator=generator(seed)) * 10
        assert nce_bound(scores) <= math.log(6) + 1e-6


def test_one_pair_says_nothing_and_teaches_nothing() -> None:
    scores = torch.tensor([[1.7]], requires_grad=True)
    bound = nce_bound(scores)
    bound.backward()
    assert bound.item() == pytest.approx(0, abs=1e-6)
    assert scores.grad.item() == pytest.approx(0, abs=1e-6)


def test_pairs_that_are_not_used_change_nothing() -> None:
    """As if they were not there, up to the order of sums; and the gradient of none is zero, not undefined."""
    scores = torch.randn(2, 5, 5, generator=generator()).requires_grad_()
    used = torch.tensor([[True, True, True, False, False], [False] * 5])
    bounds = nce_bound(scores, used)
    torch.testing.assert_close(bounds[0], nce_bound(scores[0, :3, :3]))
    assert bounds[1] == 0
    (gradient,) = torch.autograd.grad(bounds.sum(), scores)
    assert torch.isfinite(gradient).all() and not gradient[1].any() and not gradient[0, 3:].any()


def test_no_text_has_more_anchors_than_the_most() -> None:
    for tokens in (1, 9, 130):
        mask = (torch.arange(tokens)[None] <= torch.arange(tokens)[:, None]).long()  # texts of all lengths
        counts = anchors(torch.randn(tokens, tokens, 4), mask, 0.5, 0.9).sum(1)
        assert counts.max() == most_anchors(tokens, 0.5, 0.9)


def test_draws_do_not_know_the_padding() -> None:
    narrow, wide = (token_draws(torch.ones(3, tokens), generator()) for tokens in (7, 20))
    assert torch.equal(narrow, wide[:, :7])
    assert token_draws(torch.ones(2, 600), generator()).shape == (2, 600)


def test_partners_are_real_tokens_and_all_of_them() -> None:
    """With one-hot rows, the distance of a token to its partner is 2, and 0 to itself: padding would give 1."""
    mask = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])
    features = torch.eye(8).view(2, 4, 8)
    seen = {round(3 * bottleneck_bound(features, mask, generator(seed)).item()) for seed in range(60)}
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize(("length", "count"), [(1, 0), (2, 1), (3, 1), (5, 2), (10, 4), (17, 7), (128, 52)])
def test_how_many_tokens_are_anchored(length: int, count: int) -> None:
    mask = torch.zeros(2, 130, dtype=torch.long)
    mask[0, :length], mask[1, :7] = 1, 1
    chosen = anchors(torch.randn(2, 130, 4), mask, 0.5, 0.9)
    assert chosen[0].sum() == count
    assert not (chosen & (mask == 0)).any()


def test_anchors_are_the_middle_to_high_gradients() -> None:
    grad = torch.arange(10.0).view(1, 10, 1)
    chosen = anchors(grad, torch.ones(1, 10, dtype=torch.long), 0.5, 0.9)
    assert chosen[0].nonzero().flatten().tolist() == [5, 6, 7, 8]
    assert torch.equal(chosen, anchors(grad * 1e-3, torch.ones(1, 10, dtype=torch.long), 0.5, 0.9))


def test_a_text_with_a_gradient_that_is_not_finite_has_no_anchors() -> None:
    grad = torch.randn(2, 10, 4)
    grad[0, 3, 1] = float("nan")
    chosen = anchors(grad, torch.ones(2, 10, dtype=torch.long), 0.5, 0.9)
    assert not chosen[0].any()
    assert chosen[1].sum() == 4


def test_bottleneck_of_two_rows_at_squared_distance_four_is_one_on_average() -> None:
    """Each row meets the other with probability one half: E = 0.5 * 4 / 2; 4,000 draws leave a spread of 0.011."""
    features, mask = torch.tensor([[[0.0], [2.0]]]), torch.ones(1, 2, dtype=torch.long)
    draws = generator()
    mean = sum(bottleneck_bound(features, mask, draws).item() for _ in range(4000)) / 4000
    assert mean == pytest.approx(1.0, abs=0.05)


def test_bottleneck_is_the_trace_of_the_covariance_on_average() -> None:
    rows = torch.randn(40, 6, generator=generator())
    mask = torch.ones(1, 40, dtype=torch.long)
    draws = generator(1)
    mean = sum(bottleneck_bound(rows[None], mask, draws).item() for _ in range(3000)) / 3000
    assert mean == pytest.approx(torch.cov(rows.T, correction=0).trace().item(), rel=0.02)


def test_padding_never_enters_the_terms() -> None:
    features, mask = torch.randn(2, 5, 8), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    dirty = features.clone()
    dirty[1, 3:] = float("nan")
    assert torch.equal(bottleneck_bound(features, mask, generator()), bottleneck_bound(dirty, mask, generator()))
    critic, chosen = Critic(8), mask.bool()
    whole = features[:, 0]
    first, second = (anchored_bound(critic, each, whole, chosen, 4, 5, generator()) for each in (features, dirty))
    assert torch.equal(first, second)


def test_the_critic_scores_concatenated_pairs() -> None:
    """The split first layer equals the layer on [token; text], pair by pair."""
    critic, local, whole = Critic(6), torch.randn(3, 6), torch.randn(3, 6)
    scores = critic(local, whole)
    for text in range(3):
        for token in range(3):
            pair = torch.cat([local[token], whole[text]])
            expected = torch.nn.functional.softplus(critic.score(critic.hidden(pair).relu()))
            torch.testing.assert_close(scores[text, token], expected.squeeze(), rtol=1e-5, atol=1e-5)


def test_the_bound_is_the_unweighted_mean_of_the_chunks_and_zero_without_anchors() -> None:
    critic, local = Critic(4), torch.randn(1, 5, 4)
    whole, chosen = local[:, 0], torch.ones(1, 5, dtype=torch.bool)
    order = token_draws(chosen, generator())[0].argsort()
    rows = local[0][order]
    chunks = [rows[:2], rows[2:4], rows[4:]]
    expected = torch.stack([nce_bound(critic(chunk, whole.expand(len(chunk), -1))) for chunk in chunks]).mean()
    torch.testing.assert_close(anchored_bound(critic, local, whole, chosen, 2, 5, generator()), expected)
    assert anchored_bound(critic, local, whole, torch.zeros_like(chosen), 2, 5, generator()).item() == 0


def test_gradients_are_the_same_every_time_on_two_threads() -> None:
    features, whole = torch.randn(32, 64, 384), torch.randn(32, 384)
    mask, critic = torch.ones(32, 64, dtype=torch.long), Critic(384)

    def gradients() -> list[torch.Tensor]:
        inputs = [features.clone().requires_grad_(), whole.clone().requires_grad_()]
        generator = torch.Generator().manual_seed(1)
        bound = bottleneck_bound(inputs[0], mask, generator)
        bound = bound + anchored_bound(critic, *inputs, mask.bool(), 32, 64, generator)
        return list(torch.autograd.grad(bound, inputs))

    with cpu_threads(2):
        first, *others = (gradients() for _ in range(4))
    assert all(torch.equal(one, other) for grads in others for one, other in zip(first, grads, strict=True))


@pytest.mark.parametrize("classes", [1, 2])
def test_the_loss_within_classes_runs_over_the_student_s_texts(classes: int) -> None:
    """The other axis would give 0.41004; an absent class counts neither above nor below the line."""
    scores = torch.tensor([[[2.0, 0.0], [1.0, 1.0]]]).repeat(classes, 1, 1)
    loss = loss_within_classes(scores, torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(loss, torch.tensor(0.31326), rtol=0, atol=1e-5)


def test_the_loss_within_classes_takes_each_class_by_itself() -> None:
    scores = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 1, 0, 1, 1])
    parts = []
    for label in (0, 1):
        own = scores[label][labels == label][:, labels == label]
        parts.append(torch.nn.functional.cross_entropy(own.T, torch.arange(len(own))))
    loss = loss_within_classes(scores, labels)
    torch.testing.assert_close(loss, torch.stack(parts).mean())
    order = torch.tensor([2, 4, 0, 1, 3])  # permutes within the classes too
    torch.testing.assert_close(loss_within_classes(scores[:, order][:, :, order], labels[order]), loss)
    loss.backward()
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[0][labels == 1] == 0).all() and (scores.grad[1][:, labels == 0] == 0).all()


def test_a_text_alone_in_its_class_and_texts_alike_teach_nothing() -> None:
    scores = torch.randn(2, 2, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    alone = loss_within_classes(scores, torch.tensor([0, 1]))
    alone.backward()
    assert alone.item() == 0 and (scores.grad == 0).all()
    alike = torch.tensor([[0.3, -1.0, 2.0]]).expand(3, 3).unsqueeze(0)
    torch.testing.assert_close(loss_within_classes(alike, torch.zeros(3).long()), torch.tensor(3.0).log())


def test_projected_scores_are_cosines_over_the_temperature_and_bound_the_loss() -> None:
    torch.manual_seed(0)
    projectors = ClassProjectors(8, 3)
    student, teacher = torch.randn(6, 8), torch.randn(6, 8)
    scores = projectors(student, teacher, 0.2)
    assert scores.shape == (3, 6, 6) and scores.abs().max() <= 5 * (1 + 1e-6)
    torch.testing.assert_close(projectors(3 * student, teacher, 0.4)[0, 0, 0].sign(), scores[0, 0, 0].sign())
    loss = loss_within_classes(scores, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert 0 <= loss <= torch.tensor(2.0).log() + 2 / 0.2
