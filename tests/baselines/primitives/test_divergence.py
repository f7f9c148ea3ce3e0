"""The distance of two predictions."""

from __future__ import annotations

import torch

from baselines.primitives.divergence import divergence


def test_the_distance_is_symmetric_zero_on_equals_and_both_divergences() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    assert (divergence(first, second) > 0).all()
    assert torch.equal(divergence(first, second), divergence(second, first))
    assert torch.equal(divergence(first, first), torch.zeros(5))
    torch.testing.assert_close(divergence(first, first + 2), torch.zeros(5))
    p, q = first.softmax(-1), second.softmax(-1)
    both = (p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)
    torch.testing.assert_close(divergence(first, second), both)
