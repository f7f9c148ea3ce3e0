"""The distance of two predictions, for methods that keep predictions stable around a text."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import log_softmax


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(P||Q) + KL(Q||P) of two predictions, (B,) and 0 or more, from their logits (B, C)."""
    log_p, log_q = (log_softmax(logits.float(), dim=-1) for logits in (first, second))
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)
