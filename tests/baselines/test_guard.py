"""A guard is written into the model's configuration and read from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_up_guards import Dropping
from torch import nn

from baselines.fine_tune import FineTune
from baselines.guard import combined, fresh_noise, guard_of, guard_tensors, put_guard, read_guard
from baselines.ran_mask import Masking, RanMASK


def test_a_guard_is_read_as_it_was_written(bert) -> None:
    model = bert()
    assert guard_of(model) is None
    put_guard(model, None)
    assert "guard" not in model.config.to_dict(), "a model without a guard keeps its configuration"
    put_guard(model, Masking(rate=0.5, decides="mean"))
    assert guard_of(model) == Masking(rate=0.5, decides="mean")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"key": "dropp"}, "unknown guard of a model 'dropp'; did you mean 'dropping'"),
        ({"key": "ran_mask", "rates": 1}, "settings of the guard 'ran_mask' in a model's configuration are damaged"),
        (Masking().written() | {"rate": 1.5}, r"RanMASK\.rate must be in \[0, 1\), got 1\.5"),
        (
            Masking().written() | {"rate": "half"},
            "settings of the guard 'ran_mask' in a model's configuration are damaged",
        ),
        (["ran_mask"], "the guard of a model must be settings with a key"),
    ],
)
def test_a_damaged_guard_is_refused(written, message) -> None:
    with pytest.raises(ValueError, match=message):
        read_guard(written)


def test_a_defense_says_whether_its_models_have_a_guard() -> None:
    assert RanMASK().is_guarded and RanMASK().answer_passes() == 100 and RanMASK().certificate_passes() == 5000
    assert not FineTune().is_guarded and FineTune().answer_passes() == 1 and FineTune().certificate_passes() == 0


def test_tensors_of_a_guard_are_put_back(bert) -> None:
    model = bert()
    assert guard_tensors(model) == {}
    Dropping().attach(model, {"table": torch.arange(3)})
    assert guard_tensors(model)["table"].tolist() == [0, 1, 2]
    assert isinstance(model.guard, nn.Module) and "guard.table" in model.state_dict()


def test_equal_votes_go_to_the_first_class() -> None:
    logits = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert combined(logits, logits.mean(0), "votes").decided == 0


def test_noise_is_drawn_on_the_host() -> None:
    same = [fresh_noise(np.random.default_rng(1), (2, 3), torch.device("cpu")) for _ in range(2)]
    assert torch.equal(*same) and same[0].shape == (2, 3) and same[0].dtype == torch.float32
