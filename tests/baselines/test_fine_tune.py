"""Plain fine-tuning."""

from __future__ import annotations

import torch
from gradients import assert_equal, gradients, passes

from baselines.fine_tune import FineTune
from baselines.primitives.perturbation import embed, forward
from baselines.training import Passes


def test_embeddings_in_place_of_ids_give_bit_equal_logits_and_gradients(bert, batch) -> None:
    model, one = bert(dropout=0.0), batch()

    def embedded(model, batch):
        loss = torch.nn.functional.cross_entropy(forward(model, embed(model, batch), batch).logits, batch.labels)
        loss.backward()
        return loss

    assert torch.equal(forward(model, embed(model, one), one).logits, model(**one.inputs()).logits)
    assert_equal(gradients(FineTune().step, model, one), gradients(embedded, model, one))


def test_one_forward_and_one_full_backward(bert, batch) -> None:
    assert passes(FineTune().step, bert(), batch()) == Passes(1, 1, 0)
