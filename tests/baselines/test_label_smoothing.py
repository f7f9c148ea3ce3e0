"""Label smoothing: cross-entropy with a share of each label on all classes."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients

from baselines.fine_tune import FineTune
from baselines.label_smoothing import LabelSmoothing


def test_without_smoothing_it_is_fine_tuning(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    assert_equal(gradients(LabelSmoothing(smoothing=0).step, model, one), gradients(FineTune().step, model, one))


def test_its_loss_is_the_mean_with_the_loss_of_all_classes(bert, batch) -> None:
    model, one = bert(dropout=0.0).eval(), batch()
    logs = model(**one.inputs()).logits.log_softmax(-1)
    expected = -(0.8 * logs[range(4), one.labels] + 0.2 * logs.mean(-1)).mean()
    torch.testing.assert_close(LabelSmoothing(smoothing=0.2).step(model, one), expected.detach())


def test_a_share_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"LabelSmoothing.smoothing must be in \[0, 1\), got 1"):
        LabelSmoothing(smoothing=1)
