"""A mask that answers without being read."""

from __future__ import annotations

import torch

from baselines.batch import Batch


def test_the_mask_it_gives_answers_without_being_read(batch) -> None:
    """A mask of no values at all still answers, cast or held against 1; what else is made of it is a plain tensor."""
    mask = batch((3, 5)).to("meta").context()["attention_mask"]
    assert mask.all() is False and torch.all(mask == 1) is False and mask.to(torch.bool).all() is False
    assert type(mask.sum(1)) is type(mask[:, None]) is torch.Tensor
    plain = Batch(*(torch.ones(2, 3, device="meta") for _ in range(3)))
    assert type(plain.context()["attention_mask"]) is torch.Tensor
